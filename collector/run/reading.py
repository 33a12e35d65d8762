"""Reading a journal: its longest valid prefix is the run, and what follows it is damage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.events import SCHEMA_VERSION, RunStarted
from collector.engine.state import RunState, apply
from collector.errors import CollectorError
from collector.run.lines import NO_HASH, LineError, check, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.engine.events import Event

_LONGEST_LINE = 64 << 20
"""In bytes: no line of ours comes near, and what is longer is not read into memory."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a journal stops being one.

    Attributes:
        line: the number of the first line that is not valid, from 1.
        offset: how many bytes of the file lie before it.
        what: what is wrong with it.
        torn: it is the last line and lacks its end, as an interrupted write leaves it.
    """

    line: int
    offset: int
    what: str
    torn: bool


class DamagedJournal(CollectorError):  # noqa: N818 - a state of affairs, not a mishap of ours
    """A journal that is changed, or lacks something, before its last line.

    Attributes:
        path: the journal.
        damage: where, and what is wrong.
    """

    def __init__(self, path: Path, damage: Damage) -> None:
        self.path = path
        self.damage = damage
        super().__init__(
            f"{path}: line {damage.line} is damaged: {damage.what}; the run is known up to there, "
            "and cannot go on; `collector verify` says what of it is whole"
        )


class Reading:
    """The events of a journal's longest valid prefix, in order; an iterator, to be used once.

    Attributes:
        path: the journal.
        lines: how many lines were read so far.
        head: the hash of the last of them, or `NO_HASH`.
        size: how many bytes they have.
        damage: what follows them; None where nothing does, and until the end is reached.

    Raises:
        CollectorError: while iterating: a newer version wrote the journal, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self.head = NO_HASH
        self.size = 0
        self.damage: Damage | None = None
        self._events = self._read()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def _read(self) -> Iterator[Event]:
        try:
            with self.path.open("rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    try:
                        event, head = self._event(line)
                    except LineError as error:
                        torn = not line.endswith(b"\n") and len(line) < _LONGEST_LINE
                        what = "it has no end" if torn else str(error)
                        self.damage = Damage(self.lines + 1, self.size, what, torn)
                        return
                    self.lines += 1
                    self.head = head
                    self.size += len(line)
                    yield event
        except OSError as error:
            raise CollectorError(f"cannot read {self.path}: {error.strerror}") from error

    def _event(self, line: bytes) -> tuple[Event, str]:
        body, head = check(line, self.head)
        if not self.lines:
            self._check_version(body)
        event = decode(body)
        if isinstance(event, RunStarted) == bool(self.lines):
            raise LineError("RunStarted is the first event, and no other")
        return event, head

    def _check_version(self, body: bytes) -> None:
        try:
            first = json.loads(body)
            version = int(first["schema_version"])
        except (ValueError, TypeError, KeyError):
            return  # what it is instead, decoding says
        if version > SCHEMA_VERSION:
            writer = first.get("collector_version", "(without a version)")
            raise CollectorError(
                f"{self.path} was written by collector {writer} in schema version {version}; this "
                f"one reads version {SCHEMA_VERSION}: use that collector, or a newer one"
            )


def fold(reading: Reading) -> RunState:
    """Add up what is left of a reading to the state of its run.

    Raises:
        CollectorError: as for `Reading`.
        DamagedJournal: an event speaks of a server or a project that no event before it named.
    """
    state = RunState()
    offset = reading.size
    for event in reading:
        try:
            apply(state, event)
        except (IndexError, KeyError) as error:
            what = f"{type(event).__name__} speaks of what no line before it named"
            damage = Damage(reading.lines, offset, what, torn=False)
            raise DamagedJournal(reading.path, damage) from error
        offset = reading.size
    return state
