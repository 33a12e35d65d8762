"""Reading a journal: its longest valid prefix is the run, and what follows it is damage."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import files
from collector.errors import CollectorError
from collector.model.events import SCHEMA_VERSION, RunStarted
from collector.model.state import RunState, apply
from collector.rundir import cycles
from collector.rundir.journal.lines import (
    LONGEST_LINE,
    NO_HASH,
    LineError,
    UnknownEventError,
    check,
    decode,
    parsed,
)
from collector.rundir.journal.sequence import OutOfSequenceError, Sequence
from collector.rundir.journal.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from collector.model.events import Event

_NEWEST_VERSION = 10**6
"""Larger numbers are not taken for versions."""
_WRITER_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a journal stops being valid.

    Attributes:
        line: the number of the first line that is not valid, from 1.
        offset: how many bytes of the file are before it.
        what: what is wrong with it.
        torn: it is the last line and unfinished, as an interrupted write leaves it.
    """

    line: int
    offset: int
    what: str
    torn: bool


class DamagedJournal(CollectorError):  # noqa: N818 - a state of affairs, not a mishap of ours
    """A journal that is damaged before it has named the servers of its run.

    Attributes:
        path: the journal.
        damage: where, and what is wrong.
    """

    def __init__(self, path: Path, damage: Damage) -> None:
        self.path = path
        self.damage = damage
        super().__init__(
            f"{path}: line {damage.line} is damaged ({damage.what}) and not all servers of the "
            "run are named before it; give the INVENTORY with --resume"
        )


class Reading:
    """The events of a journal's longest valid prefix, in order; an iterator, to be used once.

    Args:
        path: the journal.
        descriptor: of it, to read the file that is open rather than the one with this name.
        after: an earlier reading, to go on where it has ended.

    Attributes:
        path: the journal.
        lines: how many lines were read so far.
        head: the hash of the last of them, or `NO_HASH`.
        size: how many bytes they have.
        damage: what follows them; None if nothing does, and until the end is reached.

    Raises:
        CollectorError: while iterating: a newer version wrote the journal, or it cannot be read.
    """

    def __init__(
        self, path: Path, *, descriptor: int | None = None, after: Reading | None = None
    ) -> None:
        self.path = path
        self.lines: int = 0 if after is None else after.lines
        self.head: str = NO_HASH if after is None else after.head
        self.size: int = 0 if after is None else after.size
        self.damage: Damage | None = None
        self._descriptor = descriptor
        self._before = self.lines, self.head, self.size
        self._events = self._read()

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __next__(self) -> Event:
        return next(self._events)

    def _read(self) -> Generator[Event, None, None]:
        try:
            with self._opened() as file:
                file.seek(self.size)
                written = Written().event
                while line := file.readline(LONGEST_LINE):
                    try:
                        body, head = check(line, self.head)
                        event = written(body)
                        if event is None or not self.lines or type(event) is RunStarted:
                            event = self._event(body)
                    except UnknownEventError as error:
                        raise self._newer(error) from error
                    except LineError as error:
                        torn = not error.formed and not file.read(1)
                        what = "the line is unfinished" if torn else str(error)
                        self.damage = Damage(self.lines + 1, self.size, what, torn)
                        return
                    self._before = self.lines, self.head, self.size
                    self.lines += 1
                    self.head = head
                    self.size += len(line)
                    yield event
        except OSError as error:
            raise CollectorError(f"cannot read {self.path}: {error.strerror}") from error

    def _opened(self) -> BinaryIO:
        if self._descriptor is None:
            return open(files.open_to_read(self.path), "rb")  # noqa: PTH123  # of a descriptor
        return open(self._descriptor, "rb", closefd=False)  # as above

    def refuse(self, what: str) -> None:
        """Treat the latest line as damage, because it is impossible; nothing after it is read."""
        self._events.close()
        self.lines, self.head, self.size = self._before
        self.damage = Damage(self.lines + 1, self.size, what, torn=False)

    def _newer(self, cause: UnknownEventError) -> CollectorError:
        return CollectorError(
            f"{self.path}: line {self.lines + 1} is valid but unknown to this version ({cause}): "
            "a newer collector has worked on this run; use that version"
        )

    def _event(self, body: bytes) -> Event:
        """Read the event of a line that is not as this program writes most of them."""
        if not self.lines:
            self._check_version(body)
        event = decode(body)
        if isinstance(event, RunStarted) == bool(self.lines):
            raise LineError("RunStarted must be the first event, and only the first")
        return event

    def _check_version(self, body: bytes) -> None:
        first = parsed(body)
        version = first.get("schema_version") if isinstance(first, dict) else None
        if type(version) is int and SCHEMA_VERSION < version <= _NEWEST_VERSION:
            writer = str(first.get("collector_version", "(unknown version)"))[:_WRITER_SHOWN]
            raise CollectorError(
                f"{self.path} was written by collector {writer} in schema version {version}; this "
                f"version reads schema version {SCHEMA_VERSION}: use that collector or a newer one"
            )


def fold(
    reading: Reading,
    each: Callable[[Event], None] | None = None,
    state: RunState | None = None,
) -> RunState:
    """Fold the rest of a reading into the state of its run.

    A line that cannot follow those before it is damage.

    Args:
        reading: of the journal.
        each: is called with every event, once it is part of the state.
        state: an empty one to fold into, where somebody looks at it meanwhile.

    Raises:
        CollectorError: as for `Reading`.
    """
    state = RunState() if state is None else state
    with cycles.not_looked_for():
        events = folding(reading, state, Sequence(state))
        deque(events if each is None else map(each, events), maxlen=0)
    return state


def folding(reading: Reading, state: RunState, sequence: Sequence) -> Generator[Event, None, None]:
    """Fold the rest of a reading into a state, and yield each event once it is part of it.

    Args:
        reading: of the journal.
        state: of the lines before.
        sequence: has checked them.

    Raises:
        CollectorError: as for `Reading`.
    """
    check_next = sequence.check
    for event in reading:
        try:
            check_next(event)
        except OutOfSequenceError as error:
            reading.refuse(f"{type(event).__name__} cannot follow: {error}")
            return
        apply(state, event)
        yield event
