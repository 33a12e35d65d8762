"""Logs: what the modules log, as lines on stderr, for a person or for a program.

Modules log with the standard library's `logging`, under `collector`. What a line says beside its
words, its facts, comes as `extra={"facts": {...}}`. With `"once": True` beside them it is written
once, however often it is logged in the same words. structlog renders the lines for people.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.observe.streams import Stream, record
from collector.printable import one_line
from collector.redaction import hide, hide_fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.dev import ConsoleRenderer

_UNPLAIN = re.compile("[ =\"']|^$")
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


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
    log = logging.getLogger("collector")
    log.handlers[:] = [_Lines(as_json=as_json, colours=colours)]
    log.setLevel(_LEVELS.get(verbosity, logging.DEBUG if verbosity > 0 else logging.ERROR))


class _Lines(logging.Handler):
    """Writes to whatever `sys.stderr` is when something is logged."""

    def __init__(self, *, as_json: bool, colours: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._colours = colours
        self._console: ConsoleRenderer | None = None
        self._said: set[str] = set()

    def emit(self, logged: logging.LogRecord) -> None:
        """Write one line, without secrets and visible, but for the colours."""
        said, level = hide(logged.getMessage()), logged.levelname.lower()
        if getattr(logged, "once", False):
            if said in self._said:
                return
            self._said.add(said)
        facts: Mapping[str, object] = getattr(logged, "facts", {})
        facts = {name: hide_fact(name, value) for name, value in facts.items()}
        as_text = record if self._as_json else self._for_people
        line = as_text(said, level, facts)
        stderr = sys.stderr
        if isinstance(stderr, Stream):
            stderr.put(line)
        else:
            stderr.write(f"{line}\n")

    def _for_people(self, said: str, level: str, facts: Mapping[str, object]) -> str:
        if self._console is None:
            # With the first line: it takes a tenth of a second, and most commands log none.
            from structlog.dev import ConsoleRenderer  # noqa: PLC0415

            self._console = ConsoleRenderer(
                colors=self._colours, pad_event_to=0, pad_level=False, sort_keys=False
            )
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        shown = {one_line(name): _Shown(value) for name, value in facts.items()}
        line = {**shown, "timestamp": at, "level": level, "event": one_line(said)}
        return str(self._console(None, level, line))


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
