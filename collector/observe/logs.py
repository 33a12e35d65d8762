"""Logs: structlog lines on stderr, for a person or for a program."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

from collector.observe.redaction import redact
from collector.observe.streams import Stream
from collector.printable import one_line, visible

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import Processor

_RENDER_JSON = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
_OF_LINES = frozenset({"exception", "stack"})
_OF_LOGS = frozenset({"event", "level", "timestamp"})
_UNPLAIN = re.compile("[ =\"']|^$")
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


class _Lines:
    """Whatever `sys.stderr` is when a line is written."""

    def write(self, line: str) -> int:
        """Write a line that is visible already, but for the colours."""
        stderr = sys.stderr
        if isinstance(stderr, Stream):
            stderr.put(line.removesuffix("\n"))
        else:
            stderr.write(line)
        return len(line)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


def set_up(*, verbosity: int, as_json: bool) -> None:
    """Say how logs are written from now on.

    Args:
        verbosity: -1 for errors alone, 0 for what a person should know, 1 for each step of each
            server, 2 for everything.
        as_json: one JSON object a line; otherwise lines for people.
    """
    colours = False
    if isinstance(stderr := sys.stderr, Stream):
        stderr.as_json = as_json
        stderr.quiet = verbosity < 0
        colours = stderr.has_colours
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
            _json,
        ]
    else:
        last = [
            structlog.processors.format_exc_info,
            redact,
            _values_made_visible,
            structlog.dev.ConsoleRenderer(
                colors=colours, pad_event_to=0, pad_level=False, sort_keys=False
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


def _make_logger(*args: Any) -> structlog.WriteLogger:  # noqa: ANN401  # structlog's own signature
    del args
    return structlog.WriteLogger(_Lines())  # type: ignore[arg-type]  # writes and flushes: enough


class _Shown:
    """A value as a line for people shows it: in quotes where its end would not be plain."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        value = self._value
        text = one_line(value if isinstance(value, str) else repr(value))
        if not isinstance(value, str) or not _UNPLAIN.search(text):
            return text
        quote = '"' if "'" in text else "'"
        return f"{quote}{text}{quote}"


def _values_made_visible(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Make names and messages fit for a terminal, before colours are added: a processor."""
    del logger, method
    return {one_line(name): _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: object) -> object:
    if name in _OF_LINES:
        return visible(str(value))
    return one_line(str(value)) if name in _OF_LOGS else _Shown(value)


def _json(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """Return a line as JSON, fit for a terminal: the last processor."""
    line = _RENDER_JSON(logger, method, event)
    assert isinstance(line, str)  # noqa: S101  # what a serializer of text returns
    return visible(line)
