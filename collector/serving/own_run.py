"""The run of this process as a source: a thread looks at copies of its state."""

from __future__ import annotations

import dataclasses
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import anyio

from collector import threads
from collector.model.state import RunState
from collector.report.glance import Watch
from collector.report.times import written
from collector.serving.guard import Refused
from collector.serving.page_state import PageState, Seen
from collector.serving.source import FRESH_S, LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.report.manifest import JournalHead
    from collector.report.page import Series
    from collector.serving.source import Data, Health, Revision

T = TypeVar("T")

_TURN_S: Final = 0.0005
"""How long this process's other threads wait for one that works here."""


class Told(Protocol):
    """What a run's own report knows besides its state."""

    @property
    def journaled(self) -> JournalHead:
        """How far the journal is on disk."""

    def series(self) -> Series:
        """What has happened over time."""


class Run(Protocol):
    """What is needed of a run that is under way here."""

    directory: Path
    state: RunState

    @property
    def page(self) -> Told:
        """What the report will be made of."""

    @property
    def arrived(self) -> int:
        """Bytes of archives that have arrived."""


class OwnRun:
    """The run of this process.

    Args:
        run: under way, or about to be.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._copy = RunState()
        self._shown = PageState(run.directory, self._copy, Watch(self._copy))
        self._one_at_a_time = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._looked_s = 0.0
        self._is_over = False

    @property
    def revision(self) -> Revision:
        """The latest stage."""
        return self._shown.revision

    @property
    def has_ended(self) -> bool:
        """The run is over here."""
        return self._is_over

    def end(self) -> None:
        """Say that the run is over here."""
        self._is_over = True

    async def refresh(self) -> None:
        """Look at the run, unless somebody did just now."""
        if self._is_over or time.monotonic() - self._looked_s >= FRESH_S:
            await self._look()

    async def data(self) -> Data:
        """Make the page's data, or return those that were made lately."""
        await self._begun()
        await self.refresh()
        async with self._one_at_a_time:
            return await self._in_thread(self._data)

    async def news(self, since: Revision) -> bytes | None:
        """Make what has changed."""
        async with self._one_at_a_time:
            return await self._in_thread(partial(self._shown.news, since, whole=self._is_over))

    async def health(self) -> Health:
        """Tell how the run is."""
        await self._begun()
        await self.refresh()
        return self._shown.health()

    async def _begun(self) -> None:
        """Wait until there is something to show."""
        for _ in range(LOOKS):
            if self._shown.has_begun:
                return
            await self._look()
            await anyio.sleep(FRESH_S)
        raise Refused(503, "The run is about to begin; look again.")

    async def _look(self) -> None:
        async with self._one_at_a_time:
            self._looked_s = time.monotonic()
            run, alive = self._run, not self._is_over
            seen = Seen(
                journaled=run.page.journaled,
                series=run.page.series(),
                alive=alive,
                arrived=run.arrived,
            )
            await self._in_thread(partial(self._take, run.state.copied(), seen))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await threads.run_sync(partial(_giving_way, work), limiter=self._thread)

    def _take(self, state: RunState, seen: Seen) -> None:
        """Make a copy of the state the one that is shown. For the thread."""
        for field in dataclasses.fields(RunState):
            setattr(self._copy, field.name, getattr(state, field.name))
        self._shown.look(seen)

    def _data(self) -> Data:
        return self._shown.data(written(datetime.now(UTC)), None)


def _giving_way(work: Callable[[], T]) -> T:
    """Do a thread's work, and let the run's own thread have its turn at once when it wants one."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        return work()
    finally:
        sys.setswitchinterval(before_s)
