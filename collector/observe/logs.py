"""Logs: what the modules log, as lines on stderr, for a person or for a program.

Modules log with the standard library's `logging`, under `collector`. What a line says beside its
words, its facts, comes as `extra={"facts": {...}}`.
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

_UNPLAIN = re.compile("[ =\"']|^$")
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
_DIM, _BRIGHT, _CYAN, _MAGENTA, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[35m", "\x1b[0m"
_OF_LEVELS = {
    "debug": f"\x1b[32m{_BRIGHT}",
    "info": f"\x1b[32m{_BRIGHT}",
    "warning": f"\x1b[33m{_BRIGHT}",
}
_OF_ERRORS = f"\x1b[31m{_BRIGHT}"


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

    def emit(self, logged: logging.LogRecord) -> None:
        """Write one line, without secrets and visible, but for the colours."""
        said, level = hide(logged.getMessage()), logged.levelname.lower()
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
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        told = (
            f"{self._in(_CYAN, one_line(name))}={self._in(_MAGENTA, _shown(value))}"
            for name, value in facts.items()
        )
        level = self._in(_OF_LEVELS.get(level, _OF_ERRORS), level)
        return " ".join(
            (self._in(_DIM, at), f"[{level}]", self._in(_BRIGHT, one_line(said)), *told)
        )

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text


def _shown(value: object) -> str:
    """Return a value as a line for people shows it: in quotes where its end would not be plain."""
    text = one_line(value if isinstance(value, str) else repr(value))
    if not isinstance(value, str) or not _UNPLAIN.search(text):
        return text
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"
