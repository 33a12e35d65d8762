"""Logs: what the modules log, short for people on stderr, or in full for programs and a file.

Modules log with the standard library's `logging`, under `collector`. What a line says beside its
words, its facts, comes as `extra={"facts": {...}}`. With `"once": True` beside them it is written
once, however often it is logged in the same words. `"line"` is what people read in its place;
`"what_to_do"` follows it; they are not told of what is `"repeated"`, and nobody else of a
`"reminder"` of that.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING

from collector.bystander import Bystander
from collector.observe.streams import Stream, record
from collector.printable import one_line
from collector.redaction import hide, hide_fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.observe.log_file import LogFile

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
_BELOW = " " * len("21:40:12  ")
_DIM, _END = "\x1b[2m", "\x1b[0m"


def set_up(*, verbosity: int, as_json: bool, file: LogFile | None = None) -> None:
    """Say how logs are written from now on.

    Args:
        verbosity: -1 for errors alone, 0 for what a person should know, 1 for each step of each
            server, 2 for everything.
        as_json: one JSON object a line; otherwise lines for people.
        file: gets each step of each server, however little stderr gets.
    """
    colours = False
    if isinstance(stderr := sys.stderr, Stream):
        stderr.as_json = as_json
        stderr.quiet = verbosity < 0
        stderr.copy = None if file is None else file.say
        colours = stderr.has_colours
    level = _LEVELS.get(verbosity, logging.DEBUG if verbosity > 0 else logging.ERROR)
    lines = _Lines(as_json=as_json, colours=colours, tells_all=as_json or verbosity > 0)
    lines.setLevel(level)
    handlers: list[logging.Handler] = [lines]
    if file is not None:
        handlers.append(_Kept(file))
        handlers[-1].setLevel(min(level, logging.INFO))
    log = logging.getLogger("collector")
    log.handlers[:] = handlers
    log.setLevel(min(handler.level for handler in handlers))


class _Handler(logging.Handler, ABC):
    """Takes secrets out of what is logged, and repetitions."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()
        self._bystander = Bystander("writing a line of the log", "see the journal for what it said")

    def emit(self, logged: logging.LogRecord) -> None:
        """Hand a record on, unless it is one that has been said; whoever logs goes on."""
        with self._bystander:
            self._emit(logged)

    def _emit(self, logged: logging.LogRecord) -> None:
        said = hide(logged.getMessage())
        if getattr(logged, "once", False):
            if said in self._said:
                return
            self._said.add(said)
        facts: Mapping[str, object] = getattr(logged, "facts", {})
        told = {name: hide_fact(name, value) for name, value in facts.items()}
        self.tell(logged, said, told)

    @abstractmethod
    def tell(self, logged: logging.LogRecord, said: str, facts: Mapping[str, object]) -> None:
        """Write it."""


class _Lines(_Handler):
    """Writes to whatever `sys.stderr` is when something is logged."""

    def __init__(self, *, as_json: bool, colours: bool, tells_all: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._colours = colours
        self._tells_all = tells_all

    def tell(self, logged: logging.LogRecord, said: str, facts: Mapping[str, object]) -> None:
        """Write one line, visible, but for the colours."""
        if getattr(logged, "reminder" if self._tells_all else "repeated", False):
            return
        if self._as_json:
            self._put(record(said, logged.levelname.lower(), facts))
            return
        line, hint = self._for_people(logged, said, facts), getattr(logged, "what_to_do", None)
        arrow = f"-> {one_line(hide(hint))}" if hint else ""
        if isinstance(sys.stderr, Stream) and sys.stderr.above is not None and hint:
            self._put(line)  # each is cut where the terminal ends
            self._put(f"{_BELOW}{arrow}")
        else:
            self._put(f"{line} {arrow}".rstrip())

    def _put(self, line: str) -> None:
        stderr = sys.stderr
        if isinstance(stderr, Stream):
            stderr.put(line)
        else:
            stderr.write(f"{line}\n")

    def _for_people(self, logged: logging.LogRecord, said: str, facts: Mapping[str, object]) -> str:
        text: str | None = getattr(logged, "line", None)
        if text is None:
            warning = "warning: " if logged.levelno == logging.WARNING else ""
            text = f"{warning}{said}{_in_words(said, facts)}"
        at = datetime.fromtimestamp(logged.created).astimezone().strftime("%H:%M:%S")
        return f"{self._dim(at)}  {one_line(hide(text))}"

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_END}" if self._colours else text


class _Kept(_Handler):
    """Keeps what is logged in a file."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def tell(self, logged: logging.LogRecord, said: str, facts: Mapping[str, object]) -> None:
        """Write it to the file."""
        if not getattr(logged, "reminder", False):
            self._file.write(said, logged.levelname.lower(), facts)


def _in_words(said: str, facts: Mapping[str, object]) -> str:
    """Return the facts that a line does not tell already, to be appended to it."""
    where, why = facts.get("path"), facts.get("why")
    words: list[str] = []
    if where is not None and f"{where}" not in said:
        words.append(f"{where}")
    if why is not None:
        words.append(f"{why}")
    words += [
        f"{name.replace('_', ' ')} {value}"
        for name, value in facts.items()
        if name not in ("path", "why")
    ]
    return f" ({': '.join(words)})" if words else ""
