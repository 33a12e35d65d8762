"""The library's face: a run as an object.

    async with collect(selection, Path("collected"), connect) as run:
        async for event in run:
            ...
    print(run.summary)

Nothing is yielded inside a task group or a cancel scope: `Collection` is a context manager written
out as a class, and what it hands out comes from a queue.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import anyio
import structlog

from collector import clock, descriptors, planning, threads
from collector.archive.incoming import ArchivePolicy
from collector.engine.outcomes.facts import reused
from collector.engine.scheduler import Scheduler
from collector.history import Memory
from collector.model import events as e
from collector.model.answers import Reusable
from collector.model.ceilings import CALLS_IN_FLIGHT, EXPORT_S, GRACE_S, QUIET, STORING, Ceilings
from collector.model.state import RunState, apply
from collector.providers.base import Target
from collector.rundir import layout
from collector.rundir.journal.journal import Journal
from collector.rundir.lacking import lacking
from collector.rundir.summary import summary
from collector.rundir.verdict import Verdict, verdict
from collector.rundir.views import Views
from collector.runtime import beginning, trust
from collector.runtime.feed import EventsSkipped, Feed
from collector.runtime.loop import Loop
from collector.sharing.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from types import TracebackType

    from collector.inventory import Selection
    from collector.model.answers import Call, Scope, SharedExport
    from collector.model.prior import Prior
    from collector.providers.base import Fleet

    Connection = AbstractAsyncContextManager[Fleet]
    Connect = Callable[[RunState], Connection]

FIRST_AT_ONCE = 5_000
"""First events that are written down together: memory for all of a big fleet's is worth saving."""
REUSE_S = 300.0
"""How old an export of another run may be: older logs may miss an incident."""
LAST_WORDS_WITHIN_S = 60.0
"""How long a stopped run may take to write its journal's end and its manifest."""

_log = structlog.get_logger("collector")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person asks of a run, beside which servers.

    Attributes:
        deadline_s: seconds after which it ends with what it has.
        max_attempts: tries of one step of one server.
        share: the part of any learned limit that is used, for every project; None: as the inventory
            says, or said when the run began.
        reuse_s: how old an export that another run has started may be to be taken over; 0: none is.
        export_s: seconds after its start at which an export that is still running is given up.
        download_s: seconds that a server's download may take, without what it waits for; infinite
            where it may take any.
        grace_s: seconds that a stop waits for downloads that are under way.
        memory: a directory where what runs learn of limits is kept for later ones, and the key that
            marks their journals as this user's; None: nowhere.
        care: how archives are treated.
        bytes_per_second: how fast archives may come, together; None: as said when the run began.
        argv: how the run came about, for its journal, which keeps no secrets of it.
    """

    deadline_s: float = math.inf
    max_attempts: int = 4
    share: float | None = None
    reuse_s: float = REUSE_S
    export_s: float = EXPORT_S
    download_s: float = math.inf
    grace_s: float = GRACE_S
    memory: Path | None = None
    care: ArchivePolicy = field(default_factory=ArchivePolicy)
    bytes_per_second: int | None = None
    argv: Iterable[str] = ()


def collect(
    selection: Selection,
    out: Path,
    connect: Connect,
    *,
    run_id: str | None = None,
    terms: Terms = Terms(),  # frozen
) -> Collection:
    """Collect the logs of a selection into a new run under `out`.

    Args:
        selection: which servers, in which order.
        out: the output directory; the run gets a directory of its own in it.
        connect: returns the fleet's API for the credentials that a run's state names, or raises a
            `CollectorError`: it is called before anything is written, and what it returns is
            entered once the run begins.
        run_id: the run's name; by default the time and four random digits.
        terms: what else is asked of the run.

    Returns:
        The run, to be entered with `async with`.

    Raises:
        CollectorError: the run cannot be begun: a secret is missing, its name is taken, or its
            directory cannot be written in. Nothing was changed.
    """
    fleet = connect(beginning.foreseen(RunState(), beginning.named(selection, terms.argv, "")))
    directory = layout.create_run(out, run_id=run_id, now=datetime.now(UTC))
    journal = Journal.create(directory / layout.JOURNAL)
    try:
        for lack in lacking(directory, layout.point_latest(directory)):
            _log.warning(lack)
    except BaseException:
        journal.close()
        raise
    at = clock.WallClock().stamp(clock.now_s())
    state = RunState()
    first = beginning.events(selection, directory.name, terms.argv, at)
    if terms.share is not None:
        first = beginning.with_share(first, state, terms.share, at)
    first = trust.vouched(first, state, trust.key_of(terms.memory, make=True), at)
    return Collection(directory, journal, state, first, fleet, terms)


class Collection:
    """A run: under way while the context is entered, over when it is left.

    Attributes:
        directory: the run's.
        state: what is known of it: a view to read, at any time.
        torn: what an interrupted write had left at the journal's end, and was cut off.
        repaired: what was made of other damage to the journal; None where there was none.
        taken_up: what a resume begins with; empty in a new run, and where nothing is left to do.
    """

    def __init__(
        self,
        directory: Path,
        journal: Journal,
        state: RunState,
        first: Iterable[e.Event],
        fleet: Connection | None,
        terms: Terms,
    ) -> None:
        self.directory = directory
        self.state = state
        self.torn = journal.torn
        self.repaired = journal.repaired
        self.taken_up = tuple(first) if isinstance(first, list) else ()
        self._journal = journal
        self._first = first
        self._fleet = fleet
        self._terms = terms
        self._feed = Feed()
        self._memory = Memory(terms.memory)
        self._views = Views(directory, state, journal)
        self._tasks = anyio.create_task_group()
        self._running = anyio.CancelScope()
        self._scheduler: Scheduler | None = None
        self._orchestrator: Loop | None = None
        self._claims: Claims | None = None
        self._stop_reason: str | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """The run as `--json` prints it: `run`, `totals`, `not_collected` and where it lies."""
        return summary(
            self.state,
            self.directory,
            lines=self._journal.lines,
            head=self._journal.head,
            manifest_sha256=self._views.manifest_sha256,
        )

    @property
    def verdict(self) -> Verdict:
        """What became of the run, as an exit code."""
        return verdict(self.state)

    def stop(self, reason: str = "stopped") -> None:
        """Start nothing any more, and end the run in order."""
        self._stop_reason = self._stop_reason or reason
        if self._orchestrator is not None:
            self._orchestrator.stop(reason)

    def stop_at_once(self) -> None:
        """End the run without waiting for answers: a resume finds out what became of them."""
        self.stop()
        self._running.cancel()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if error is not None:
            self.stop_at_once()
        return await self._tasks.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> e.Event | EventsSkipped:
        """Return the next event; `EventsSkipped` in place of those that came too fast."""
        return await self._feed.next()

    async def _run(self) -> None:
        """Collect, and whatever happens, write down where that has led."""
        try:
            with self._running:
                await self._collect()
        finally:
            try:
                with anyio.move_on_after(LAST_WORDS_WITHIN_S, shield=True):
                    await self._end()
            finally:
                self._feed.end()
                self._journal.close()
                if self._claims is not None:
                    self._claims.close()

    async def _collect(self) -> None:
        begun = await self._begin()
        unlisted: list[str] = []
        if self.state.resumed or not begun:
            with anyio.CancelScope(shield=True):  # a list that is damaged is not left so
                unlisted = await threads.run_sync(self._views.agree_on_members)
        if not begun or self._fleet is None:
            await self._views.list_anew(unlisted)
            return
        remembered = await threads.run_sync(self._memory.recall)
        async with self._fleet as fleet, anyio.create_task_group() as tasks:
            known = remembered.known(self.state)
            self._claims = self._open_claims()
            await self._take_over(await self._claims.begin())
            self._scheduler = self._schedule(fleet, known)
            self._orchestrator = Loop(
                self.state,
                self._scheduler,
                self._journal,
                self._claims,
                fleet,
                self.directory,
                care=self._terms.care,
                bytes_per_second=self._terms.bytes_per_second
                or (self.state.started.bytes_per_second if self.state.started else None),
                on_event=self._feed.put,
                on_listing=self._views.members.add,
            )
            if self._stop_reason is not None:
                self._orchestrator.stop(self._stop_reason)
            await self._record([await threads.run_sync(lambda: self._estimate(fleet, known))])
            tasks.start_soon(self._views.keep)
            tasks.start_soon(self._views.members.keep, self._views.tell)
            listed = anyio.Event()
            tasks.start_soon(self._views.list_anew, unlisted, listed)
            await self._orchestrator.run()
            if not self.state.pending:
                await listed.wait()  # a run that is not finished is completed by its resume
            tasks.cancel_scope.cancel()

    def _open_claims(self) -> Claims:
        wall = clock.WallClock()
        return Claims(
            self.directory,
            self.state,
            fresh_s=self._terms.reuse_s,
            age_s=lambda at: wall.age_s(at, clock.now_s()),
            stamp=lambda ago_s: wall.stamp(clock.now_s() - ago_s),
        )

    async def _take_over(self, claims: Mapping[int, SharedExport]) -> None:
        """Make exports that other runs have left this run's."""
        now_s, wall = clock.now_s(), clock.WallClock()
        events: list[e.Event] = [
            reused(self.state, server, claim, wall, now_s)
            for server, claim in claims.items()
            if isinstance(claim, Reusable)
        ]
        if events:
            await self._record(events)

    def _estimate(self, fleet: Fleet, known: Prior) -> e.RunEstimated:
        """Say what is to be expected, to be compared with what comes. For a worker thread."""
        plan = planning.of_state(
            self.state,
            self.directory.parent,
            self._scopes(fleet),
            known,
            but=self.directory,
        )
        return e.RunEstimated(
            at=clock.WallClock().stamp(clock.now_s()),
            servers=plan.servers,
            seconds=round(plan.seconds, 1),
            requests=plan.requests,
            bytes=plan.disk.needed,
        )

    async def _begin(self) -> bool:
        """Write the first events down; tell whether there were any.

        A stop waits for it: the manifest accounts for every server of the selection.
        """
        events, self._first = iter(self._first), ()
        begun = False
        with anyio.CancelScope(shield=True):
            while some := list(islice(events, FIRST_AT_ONCE)):
                await self._record(some)
                begun = True
        return begun

    async def _record(self, events: list[e.Event]) -> None:
        """Write events down, then make them part of the state, where no orchestrator does."""
        await self._journal.record(events)
        for event in events:
            apply(self.state, event)
            self._feed.put(event)

    def _scopes(self, fleet: Fleet) -> Callable[[int, Call], tuple[Scope, ...]]:
        def scopes(project: int, call: Call) -> tuple[Scope, ...]:
            row = self.state.projects[project]
            return fleet.scopes(call, Target(row.endpoint, row.id, "", row.credential))

        return scopes

    def _schedule(self, fleet: Fleet, known: Prior) -> Scheduler:
        state = self.state
        now_s = clock.now_s()
        at_once = self._at_once()
        return Scheduler(
            state,
            scopes=self._scopes(fleet),
            ceilings=Ceilings(
                downloads=at_once.downloads,
                calls=at_once.calls,
                storing=at_once.storing,
                quiet=at_once.quiet,
                max_attempts=self._terms.max_attempts,
                exports_in_flight={
                    row.project: row.exports_in_flight
                    for row in state.projects
                    if row.exports_in_flight is not None
                },
                deadline_s=now_s + self._terms.deadline_s,
                export_s=self._terms.export_s,
                download_s=self._terms.download_s,
                grace_s=self._terms.grace_s,
            ),
            wall=clock.WallClock(),
            seed=random.SystemRandom().getrandbits(64),
            known=known,
        )

    def _at_once(self) -> descriptors.AtOnce:
        """Return how much may be under way at once; where that is less than asked for, say so."""
        downloads = self.state.started.downloads if self.state.started else 1
        wanted = descriptors.AtOnce(downloads, CALLS_IN_FLIGHT, STORING, QUIET)
        endpoints = len({row.endpoint for row in self.state.projects})
        given = descriptors.fitting(wanted, descriptors.left(), endpoints)
        if warning := descriptors.told(wanted, given):
            _log.warning(warning)
        return given

    async def _end(self) -> None:
        """Write the journal's last event, and a manifest that lags in nothing."""
        if self._orchestrator is not None:
            await self._orchestrator.record_answers()
        if self.state.ended is None:
            await self._record(self._last_events(clock.now_s()))
        await self._views.refresh()
        if self._scheduler is not None:
            await threads.run_sync(lambda: self._memory.keep(self.state))

    def _last_events(self, now_s: float) -> list[e.Event]:
        if self._scheduler is None:
            reason = "stopped" if self.state.pending else "finished"
            return [e.RunEnded(at=clock.WallClock().stamp(now_s), reason=reason)]
        if self._running.cancel_called:
            self._scheduler.stop("stopped")
        return [*self._scheduler.observed(now_s), self._scheduler.ending(now_s)]
