"""Logs: structlog lines on stderr, for a person or for a program."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from collector.observe.redaction import redact

if TYPE_CHECKING:
    from structlog.typing import Processor

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


class _Stderr:
    """Whatever `sys.stderr` is when a line is written: a live display puts itself in its place."""

    def write(self, text: str) -> int:
        """Write to it; a reader who has gone away ends no collection."""
        try:
            return sys.stderr.write(text)
        except (BrokenPipeError, ValueError):
            return len(text)

    def flush(self) -> None:
        """Flush it."""
        try:
            sys.stderr.flush()
        except (BrokenPipeError, ValueError):
            return


def set_up(*, verbosity: int, as_json: bool) -> None:
    """Say how logs are written from now on.

    Args:
        verbosity: -1 for errors alone, 0 for what a person should know, 1 for each step of each
            server, 2 for everything.
        as_json: one JSON object a line; otherwise lines for people.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor]
    if as_json:
        last = [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    else:
        last = [
            redact,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False, sort_keys=False
            ),
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(
            _LEVELS.get(verbosity, logging.DEBUG if verbosity > 0 else logging.ERROR)
        ),
        logger_factory=_make_logger,
        cache_logger_on_first_use=False,
    )


def _make_logger(*args: Any) -> structlog.PrintLogger:  # noqa: ANN401  # structlog's own signature
    del args
    return structlog.PrintLogger(_Stderr())  # type: ignore[arg-type]  # writes and flushes: enough
