"""The run of this process as a source: a thread looks at copies of its state."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from collector import threads
from collector.model.events import EVENTS
from collector.model.state import RunState
from collector.report.manifest import JournalHead
from collector.rundir.journal.lines import NO_HASH
from collector.serving.guard import Refused
from collector.serving.picture import Picture

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.events import Event
    from collector.serving.source import Data, Health, Revision

FRESH_S: Final = 0.5
"""How old the last look may be for another to be needless."""
_KEPT: Final = 5_000
"""Events that wait for a look; more are looked at."""
_LOOKS: Final = 20
"""For a run that is about to begin."""
_UNTOLD: Final = JournalHead(0, NO_HASH)
_KINDS: Final = frozenset(EVENTS.values())


class Run(Protocol):
    """What is needed of a run that is under way here."""

    directory: Path
    state: RunState

    @property
    def arrived(self) -> int:
        """Bytes of archives that have arrived."""

    def subscribe(self) -> Any:  # noqa: ANN401  # a context that iterates over events
        """Return the events from now on."""


class Own:
    """The run of this process.

    Args:
        run: to be made before the run begins, so that it hears of everything.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._heard = run.subscribe()
        self._events: list[Event] = []
        self._copy = RunState()
        self._picture = Picture(run.directory, self._copy)
        self._one_at_a_time = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._looked_s = 0.0
        self._is_over = False

    @property
    def revision(self) -> Revision:
        """The latest stage."""
        return self._picture.revision

    @property
    def has_ended(self) -> bool:
        """The run is over here."""
        return self._is_over

    async def hear(self) -> None:
        """Gather what happens, until the run is over."""
        with self._heard as heard:
            async for event in heard:
                if type(event) in _KINDS:
                    self._events.append(event)
                    if len(self._events) >= _KEPT:
                        await self._look()

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
            return await threads.run_sync(self._data, limiter=self._thread)

    async def news(self, since: Revision) -> bytes | None:
        """Make what has changed."""
        async with self._one_at_a_time:
            return await threads.run_sync(
                partial(self._picture.news, since, whole=self._is_over), limiter=self._thread
            )

    async def health(self) -> Health:
        """Tell how the run is."""
        await self._begun()
        await self.refresh()
        return self._picture.health()

    async def _begun(self) -> None:
        """Wait until there is something to show."""
        for _ in range(_LOOKS):
            if self._picture.has_begun:
                return
            await self._look()
            await anyio.sleep(FRESH_S)
        raise Refused(503, "The run is about to begin; look again.")

    async def _look(self) -> None:
        async with self._one_at_a_time:
            self._looked_s = time.monotonic()
            events, self._events = self._events, []
            look = partial(self._take, copied(self._run.state), events, _UNTOLD)
            await threads.run_sync(look, limiter=self._thread)

    def _take(self, state: RunState, events: list[Event], head: JournalHead) -> None:
        """Make a copy of the state the one that is shown. For the thread."""
        for field in _FIELDS:
            setattr(self._copy, field, getattr(state, field))
        self._picture.hear(events)
        self._picture.look(head, alive=not self._is_over, arrived=self._run.arrived)

    def _data(self) -> Data:
        return self._picture.data(now(), None)


_FIELDS: Final = tuple(field.name for field in dataclasses.fields(RunState))


def copied(state: RunState) -> RunState:
    """Copy a state in an instant: rows are frozen, so a thread may read the copy."""
    copy = RunState()
    for field in _FIELDS:
        value = getattr(state, field)
        setattr(copy, field, value.copy() if isinstance(value, list | dict | set) else value)
    return copy


def now() -> str:
    """Return the time now as a journal writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
