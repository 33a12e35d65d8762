"""A run that another process works on, followed by its journal."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from collector import files
from collector.errors import CollectorError
from collector.model.state import RunState
from collector.report.building import Report
from collector.report.glance import Watch
from collector.report.rates import recently
from collector.rundir.journal.identity import has_name
from collector.rundir.journal.reading import Reading, folding
from collector.rundir.journal.sequence import Sequence
from collector.rundir.layout import JOURNAL
from collector.rundir.lock import is_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.model.events import Event
    from collector.rundir.journal.reading import Damage

MOST: Final = 10_000
"""Events that one look reads at most."""


class Following:
    """A run as its journal tells of it, brought up to date by `poll`.

        with Following(directory) as following:
            while True:
                for event in following.poll():
                    ...
                if following.is_current:
                    time.sleep(1)

    Each line is read once, so a look costs as much as there is news. It blocks: one thread at a
    time may look, and nobody may read `state` meanwhile.

    Where the journal is no longer the file that was read (a repair has replaced it, the run was
    removed and another has its name), it is read anew: `state` is another object then, and the
    events begin with its first.

    Attributes:
        directory: the run's.
        state: the fold of what was read so far.
        watch: looks at it, and knows how fast things went lately.
        alive: a process holds the run.
        is_gone: there is no journal; `state` is what was known of it.
        is_current: the latest look has read the journal to its end.
        damage: where the journal stops being one. What a process is writing is no damage, only
            what one that is gone has left unfinished.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.alive = False
        self.is_gone = False
        self.is_current = False
        self.damage: Damage | None = None
        self._path = directory / JOURNAL
        self._descriptor: int | None = None
        self._from_the_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal; the next look reads it anew."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def lines(self) -> int:
        """How many lines were read."""
        return self._reading.lines

    @property
    def head(self) -> str:
        """The hash of the last line that was read."""
        return self._reading.head

    @property
    def was_killed(self) -> bool:
        """Whether the run has begun and not ended, and nobody holds it."""
        known = self.is_current and self.state.started is not None
        return known and not self.alive and self.state.ended is None

    @property
    def report(self) -> Report:
        """The run as its journal tells of it."""
        return Report(self.state, lines=self.lines, head=self.head, alive=self.alive)

    def poll(self, most: int = MOST, each: Callable[[Event], object] | None = None) -> list[Event]:
        """Read what was appended, and make it part of the state.

        Args:
            most: so many events at most: `is_current` tells whether there may be more.
            each: called with each event once it is part of the state, and before the next is.

        Returns:
            The events, in order.

        Raises:
            CollectorError: a newer version wrote the journal, or it cannot be read.
        """
        self.is_current = False
        try:
            descriptor = self._opened()
            if descriptor is None:
                return []
            self.alive = is_locked(descriptor)  # asked first: a run that ends meanwhile says so
            size = os.fstat(descriptor).st_size
        except OSError as error:
            raise CollectorError(f"cannot read {self._path}: {error.strerror}") from error
        if size < self._reading.size or self._is_doubtful:
            self._from_the_start()
        if self.damage is not None and not self.damage.torn:
            self.is_current = True  # whoever repairs it puts another file there
            return []
        return self._read(descriptor, most, each)

    def _opened(self) -> int | None:
        """Return the journal's descriptor; None where there is no journal."""
        try:
            if self._descriptor is not None and not has_name(self._descriptor, self._path):
                self.close()
            if self._descriptor is None:
                descriptor = files.open_to_read(self._path)
                self._descriptor = descriptor
                self._from_the_start()
            self.is_gone = False
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            self.is_gone, self.alive = True, False
            self.is_current = True
        return self._descriptor

    def _from_the_start(self) -> None:
        self.state = RunState()
        self.watch = Watch(self.state)
        self.damage = None
        self._sequence = Sequence(self.state)
        self._reading = Reading(self._path)
        self._read_anew = True
        self._is_doubtful = False

    def _read(
        self, descriptor: int, most: int, each: Callable[[Event], object] | None
    ) -> list[Event]:
        reading = Reading(self._path, descriptor=descriptor, after=self._reading)
        events: list[Event] = []
        recent = recently(datetime.now(UTC))
        try:
            with contextlib.closing(folding(reading, self.state, self._sequence)) as folded:
                for event in islice(folded, most):
                    events.append(event)
                    if event.at >= recent:
                        self.watch.follow(event)
                    if each is not None:
                        each(event)
        finally:
            self._reading = reading
        self.is_current = len(events) < most
        if self.is_current:
            self._judge(reading.damage)
        return events

    def _judge(self, damage: Damage | None) -> None:
        """Tell damage from a line that is being written, and from lines that were taken back.

        A process whose write fails takes back what it has not synced, and its successor writes
        other lines there. Those read until then are not the run's: so damage that is found after
        some lines is looked at once more, from the first line on.
        """
        if damage is not None and damage.torn and self.alive:
            damage = None
        self._is_doubtful = damage is not None and not damage.torn and not self._read_anew
        self.damage = None if self._is_doubtful else damage
        self.is_current = not self._is_doubtful
        self._read_anew = False
