"""The library's interface: a run as an object.

    async with collect(selection, Path("collected")) as run:
        async for event in run:
            ...
    print(run.summary)

Nothing is yielded inside a task group or a cancel scope: `Collection` is a context manager written
out as a class, and what it hands out comes from a queue.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Self

import anyio

from collector import clock, threads
from collector.history import Memory
from collector.model import events as e
from collector.model.state import RunState
from collector.providers.connecting import connect, own_secret_of, scopes_of
from collector.report.building import Report
from collector.report.verdict import Verdict, verdict
from collector.rundir import layout
from collector.rundir.archives import stored_archives
from collector.rundir.file_system import shortcomings
from collector.rundir.journal.journal import Journal
from collector.rundir.views import Views
from collector.runtime import assembly, beginning, trust
from collector.runtime.asking import Permissions
from collector.runtime.closing_report import ClosingReport
from collector.runtime.feed import Feed
from collector.runtime.loop import Loop
from collector.runtime.performer import LocalPerformer
from collector.runtime.recorder import Recorder
from collector.runtime.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from collector.archive.examination import StoredArchives
    from collector.engine import Scheduler
    from collector.inventory import Selection
    from collector.model.prior import Prior
    from collector.providers.connecting import Connection, Scopes
    from collector.providers.protocol import Access, Fleet
    from collector.report.series import Follower
    from collector.report.summary import Summary
    from collector.runtime.feed import Subscription
    from collector.sharing.claims import Claims

FIRST_AT_ONCE = 5_000
"""First events that are written down together: memory for all of a big fleet's is worth saving."""
LAST_WORDS_WITHIN_S = 60.0
"""How long a stopped run may take to write its journal's end and its manifest."""

_log = logging.getLogger(__name__)


def collect(
    selection: Selection,
    out: Path,
    *,
    run_id: str | None = None,
    terms: Terms = Terms(),  # noqa: B008  # frozen
    access: Access | None = None,
) -> Collection:
    """Collect the logs of a selection into a new run under `out`.

    Args:
        selection: which servers, in which order.
        out: the output directory; the run gets a directory of its own in it.
        run_id: the run's name; by default the time and four random digits.
        terms: what else is asked of the run.
        access: how to reach the services; by default with the secrets in `os.environ`.

    Returns:
        The run, to be entered with `async with`.

    Raises:
        CollectorError: the run cannot be begun: a secret is missing, its name is taken, its
            directory cannot be written in, or its inventory says `discover` and was not passed
            through `discover`. Nothing was changed.
    """
    beginning.check_known(selection)
    named = beginning.named(selection, terms.argv, "")
    connection = connect(beginning.foreseen(RunState(), named), terms.access(access, out))
    directory = layout.create_run(out, run_id=run_id, now=datetime.now(UTC))
    journal = Journal.create(directory / layout.JOURNAL)
    try:
        for lack in shortcomings(directory, layout.point_latest(directory)):
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
    return Collection(directory, journal, state, first, connection, terms)


class Collection:
    """A run: under way while the context is entered, over when it is left.

    Attributes:
        directory: the run's.
        state: what is known of it: a view to read, at any time.
        torn: what an interrupted write had left at the journal's end, and was cut off.
        repaired: what was made of other damage to the journal; None where there was none.
        page: the report that the run leaves when it ends: `page.path` is where, None before.
        taken_up: what a resume begins with; empty in a new run, and where nothing is left to do.
    """

    def __init__(
        self,
        directory: Path,
        journal: Journal,
        state: RunState,
        first: Iterable[e.Event],
        connection: Connection | None,
        terms: Terms,
        *,
        taken_up: Sequence[e.Event] = (),
        follower: Follower | None = None,
    ) -> None:
        self.directory = directory
        self.state = state
        self.torn = journal.torn
        self.repaired = journal.repaired
        self.taken_up = tuple(taken_up)
        self._journal = journal
        self._first = first
        self._connection = connection
        self._terms = terms
        self._feed = Feed()
        self._own_feed = self._feed.subscribe()
        self._recorder = Recorder(state, journal)
        self._recorder.follow(self._feed.put)
        self._memory = Memory(terms.memory)
        self._views = Views(directory, state, journal)
        self.page = ClosingReport(directory, state, journal, follower)
        self._recorder.follow(self.page.follow)
        self._destination = terms.destination(directory)
        self._tasks = anyio.create_task_group()
        self._running = anyio.CancelScope()
        self._scheduler: Scheduler | None = None
        self._loop: Loop | None = None
        self._claims: Claims | None = None
        self._asking: Permissions | None = None
        self._stop_reason: str | None = None
        self._arrived_before = sum(row.arrived for row in state.projects)

    @property
    def arrived(self) -> int:
        """Bytes of archives that have arrived: ahead of `state`, which counts them now and then."""
        return self._arrived_before + (self._loop.arrived if self._loop else 0)

    @property
    def report(self) -> Report:
        """The run as it stands: totals, projects, and a row for each server."""
        return Report(self.state, lines=self._journal.lines, head=self._journal.head)

    @property
    def summary(self) -> Summary:
        """The run as it stands: `as_json()` is what `--json` prints of it."""
        return self.report.summary(self.directory, self._views.manifest_sha256)

    @property
    def verdict(self) -> Verdict:
        """What became of the run, as an exit code."""
        return verdict(self.state)

    def stop(self, reason: str = "stopped") -> None:
        """Start nothing any more, and end the run in order."""
        self.page.skip_if_begun()
        self._stop_reason = self._stop_reason or reason
        if self._asking is not None:
            self._asking.stop()
        if self._loop is not None:
            self._loop.stop(reason)

    def stop_at_once(self) -> None:
        """End the run without waiting for answers: a resume finds out what became of them."""
        self.stop()
        self.page.skip()
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

    def __aiter__(self) -> Subscription:
        """Iterate over the events from the run's beginning on; one task may do that."""
        return self._own_feed

    def subscribe(self) -> Subscription:
        """Return an iterator over the events from now on, for as many subscribers as come.

        A subscriber that is slow finds `EventsSkipped` in place of events, and slows nothing.
        """
        return self._feed.subscribe()

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
                self._destination.close()
                self._journal.close()
                if self._claims is not None:
                    self._claims.close()

    async def _collect(self) -> None:
        begun = await self._begin()
        unlisted: list[str] = []
        if self.state.resumed or not begun:
            with anyio.CancelScope(shield=True):  # a list that is damaged is not left so
                unlisted = await threads.run_sync(self._views.reconcile_members)
        connection = self._connection
        if not begun or connection is None:
            if unlisted:
                await self._views.list_again(unlisted, self._archives())
            return
        remembered = await threads.run_sync(self._memory.recall)
        async with connection.fleet as fleet, anyio.create_task_group() as tasks:
            prior = remembered.known(self.state)
            scopes = scopes_of(self.state, connection.providers)
            deadline_s = clock.now_s() + self._terms.deadline_s
            self._loop = await self._assemble(fleet, connection, scopes, prior, deadline_s)
            if self._stop_reason is not None:
                self._loop.stop(self._stop_reason)
            known = (self.state, self.directory, scopes, prior, deadline_s)
            estimated = partial(assembly.estimate, *known)
            await self._recorder.record([await threads.run_sync(estimated)])
            tasks.start_soon(self._views.keep)
            tasks.start_soon(self._views.members.keep, self._views.warn_once)
            if not self.state.resumed:
                await self._ask_before(fleet, connection)
            listed = anyio.Event()
            tasks.start_soon(self._views.list_again, unlisted, self._archives(), listed)
            await self._loop.run()
            if not self.state.pending:
                await listed.wait()  # a run that is not finished is completed by its resume
            tasks.cancel_scope.cancel()

    async def _ask_before(self, fleet: Fleet, connection: Connection) -> None:
        """Find out what will fail before the first export is spent."""
        asking = self._asking = Permissions(self.state, fleet, connection.providers)
        if self._stop_reason is None:
            await asking.ask()
        assert self._scheduler is not None  # noqa: S101  # it was assembled before
        now_s = clock.now_s()
        doubts = asking.told(self._scheduler, clock.WallClock().stamp(now_s))
        await self._recorder.record([*self._scheduler.observed(now_s), *doubts])

    def _archives(self) -> StoredArchives:
        return stored_archives(self.state, self._destination)

    async def _assemble(
        self, fleet: Fleet, connection: Connection, scopes: Scopes, prior: Prior, deadline_s: float
    ) -> Loop:
        """Make what works on the run, and join it by the recorder."""
        state, recorder, terms = self.state, self._recorder, self._terms
        claims = self._claims = assembly.claims(state, self.directory, reuse_s=terms.reuse_s)
        await recorder.record(assembly.taken_over(state, await claims.begin()))
        recorder.claims = claims
        own_secret = own_secret_of(state, connection.providers)
        scheduler = assembly.scheduler(state, scopes, own_secret, prior, terms, deadline_s)
        self._scheduler = scheduler
        recorder.follow(scheduler.applied)
        recorder.follow(self._views.members.follow)
        performer = LocalPerformer(
            state,
            fleet,
            connection.providers,
            self._destination,
            policy=terms.policy,
            bytes_per_second=assembly.bytes_per_second(state, terms),
            on_listing=self._views.members.hold,
        )
        return Loop(scheduler, recorder, performer, claims)

    async def _begin(self) -> bool:
        """Write the first events down; tell whether there were any.

        A stop waits for it: the manifest accounts for every server of the selection.
        """
        events, self._first = iter(self._first), ()
        begun = False
        with anyio.CancelScope(shield=True):
            while some := list(islice(events, FIRST_AT_ONCE)):
                await self._recorder.record(some)
                begun = True
        return begun

    async def _end(self) -> None:
        """Write the journal's last event, and a manifest that lags in nothing."""
        if self._loop is not None:
            await self._loop.record_answers()
        if self.state.ended is None:
            await self._recorder.record(self._last_events(clock.now_s()))
        await self._views.refresh()
        if self._scheduler is not None:
            await threads.run_sync(lambda: self._memory.keep(self.state))
        await self.page.write(self._views.manifest_sha256)

    def _last_events(self, now_s: float) -> list[e.Event]:
        if self._scheduler is None:
            reason = "stopped" if self.state.pending else "finished"
            return [e.RunEnded(at=clock.WallClock().stamp(now_s), reason=reason)]
        if self._running.cancel_called:
            self._scheduler.stop("stopped")
        return [*self._scheduler.observed(now_s), self._scheduler.ending(now_s)]
