"""The async shell, where decisions meet I/O: one loop, one task group, no decision of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import structlog
from aiolimiter import AsyncLimiter

from collector import clock
from collector.archive.names import safe_name
from collector.archive.store import ArchiveStore, Arriving
from collector.model import events as e
from collector.model.actions import AskStatus, FetchArchive, GiveUp, StartExport
from collector.model.answers import Problem, ProblemKind, Stored
from collector.model.state import apply
from collector.providers.base import Fetched, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from collector.archive.incoming import ArchivePolicy, StagedArchive
    from collector.engine.scheduler import Scheduler
    from collector.model.actions import Action, Request
    from collector.model.answers import Answer
    from collector.model.state import RunState
    from collector.providers.base import Fleet, OpenArchive
    from collector.rundir.journal.journal import Journal
    from collector.sharing.claims import Claims

LONGEST_SLEEP_S = 1.0
OBSERVED_EVERY_S = 5.0
JUMP_S = 30.0
TURNS_APART_S = 0.005
"""Under load the loop looks up this often: what comes together is answered together."""

_log = structlog.get_logger("collector")


class Loop:
    """Performs what the scheduler says, until it says that the run is over."""

    def __init__(
        self,
        state: RunState,
        scheduler: Scheduler,
        journal: Journal,
        claims: Claims,
        fleet: Fleet,
        directory: Path,
        *,
        care: ArchivePolicy,
        bytes_per_second: int | None,
        on_event: Callable[[e.Event], None],
        on_listing: Callable[[bytes], None],
    ) -> None:
        self._state = state
        self._scheduler = scheduler
        self._journal = journal
        self._claims = claims
        self._fleet = fleet
        self._on_event = on_event
        self._on_listing = on_listing
        self._wake = anyio.Event()
        self._heard: list[tuple[Request, Answer, float]] = []
        self._begun: list[e.Event] = []
        self._observed_s = self._turned_s = clock.now_s()
        self._targets = [
            Target(project.endpoint, project.id, row.id, project.credential)
            for row in state.servers
            for project in (state.projects[row.project],)
        ]
        self._bandwidth = AsyncLimiter(bytes_per_second, 1) if bytes_per_second else None
        self._shelf = ArchiveStore(
            directory, care, throttle=self._throttle if self._bandwidth is not None else None
        )
        self._guards = {
            row.project: _guard(row.requests_per_second)
            for row in state.projects
            if row.requests_per_second is not None
        }

    def stop(self, reason: str) -> None:
        """Start nothing any more; `run` returns when what is under way has had its moment."""
        self._scheduler.stop(reason)
        self._wake.set()

    async def run(self) -> None:
        """Collect until nothing is left to do, or until stopped.

        Raises:
            JournalError: what happens cannot be written down any more, and so must not go on.
        """
        async with anyio.create_task_group() as tasks:
            while True:
                self._look_at_the_clock()
                await self.record_answers()
                now_s = clock.now_s()
                due = self._scheduler.due(now_s)
                if due.finished:
                    break
                for action in due.actions:
                    if action.intent is None:
                        tasks.start_soon(self._perform, action)
                intended = await self._unclaimed(
                    [action for action in due.actions if action.intent is not None]
                )
                await self._record([action.intent for action in intended if action.intent])
                for action in intended:
                    if isinstance(action, GiveUp):
                        self._wake.set()  # there is nothing to wait for
                    else:
                        tasks.start_soon(self._perform, action)
                await self._sleep(due.wake_s)
            tasks.cancel_scope.cancel()

    async def record_answers(self) -> None:
        """Make what was answered since the last time part of the state, and write that down."""
        heard, self._heard = self._heard, []
        events, self._begun = self._begun, []
        for action, answer, heard_s in heard:
            events += self._scheduler.answered(action, answer, heard_s)
        now_s = clock.now_s()
        if now_s - self._observed_s >= OBSERVED_EVERY_S or self._scheduler.has_urgent_news:
            self._observed_s = now_s
            events += self._scheduler.observed(now_s)
        await self._record(
            events,
            [answer.listing for _, answer, _ in heard if isinstance(answer, Stored)],
        )

    async def _record(self, events: Sequence[e.Event], listings: Sequence[bytes] = ()) -> None:
        """Write events down, then make them part of the state: the write-ahead rule, here alone."""
        if not events:
            return
        await self._claims.tell(events)
        await self._journal.record(events)
        left = [part for event in events if (part := self._left_by(event)) is not None]
        for event in events:
            apply(self._state, event)
            self._on_event(event)
        for listing in listings:  # with no await before: a stop must not come between
            self._on_listing(listing)
        for part in left:
            await self._shelf.give_up(part)

    async def _unclaimed(self, actions: list[Action]) -> list[Action]:
        """Claim the exports that are about to be started; leave out those that others have."""
        posts = {action.server: action for action in actions if isinstance(action, StartExport)}
        claims = await self._claims.take(list(posts)) if posts else {}
        if not claims:
            return actions
        now_s = clock.now_s()
        events: list[e.Event] = []
        for server, claim in claims.items():
            events += self._scheduler.claimed(posts[server], claim, now_s)
        await self._record(events)
        self._wake.set()
        return [action for action in actions if action.server not in claims]

    def _left_by(self, event: e.Event) -> StagedArchive | None:
        """Return the unfinished archive that a server leaves when it fails."""
        if not isinstance(event, e.ServerFailed):
            return None
        begun = self._state.servers[event.server].begun
        if begun is None:
            return None
        directory = self._state.servers[event.server].directory
        return self._shelf.place(directory, begun.file_name)

    def _look_at_the_clock(self) -> None:
        """Take note of a time in which nobody was running: no turn takes so long otherwise."""
        now_s = clock.now_s()
        jump_s = now_s - self._turned_s - LONGEST_SLEEP_S
        if jump_s > JUMP_S:
            self._scheduler.clock_jumped(jump_s, now_s)
        self._turned_s = now_s

    async def _sleep(self, wake_s: float) -> None:
        """Sleep until there is something to do, and at least until a turn is worth its while."""
        before_s = clock.now_s()
        if not self._wake.is_set():
            with anyio.move_on_after(min(LONGEST_SLEEP_S, max(0.0, wake_s - before_s))):
                await self._wake.wait()
        slept_s = clock.now_s() - before_s
        if slept_s < TURNS_APART_S:
            await anyio.sleep(TURNS_APART_S - slept_s)
        self._wake = anyio.Event()

    async def _perform(self, action: Request) -> None:
        guard = self._guards.get(self._state.servers[action.server].project)
        if guard is not None:
            if not guard.has_capacity():
                _log.error("a call had to wait for its ceiling: this is a bug, please report it")
            await guard.acquire()
        answer = await self._ask(action)
        self._heard.append((action, answer, clock.now_s()))
        self._wake.set()

    async def _ask(self, action: Request) -> Answer:
        target = self._targets[action.server]
        match action:
            case StartExport():
                return await self._fleet.start_export(target, asks_limits=action.asks_limits)
            case AskStatus(export_id=export_id):
                return await self._fleet.ask_status(
                    target,
                    export_id,
                    asks_limits=action.asks_limits,
                    within_s=action.within_s,
                    afresh=action.is_probe,
                )
            case FetchArchive():
                with anyio.move_on_after(action.within_s):
                    return await self._fetch(action, target)
                return Problem(ProblemKind.TOO_SLOW, "the download took longer than is allowed")

    async def _fetch(self, action: FetchArchive, target: Target) -> Stored | Problem:
        begun = action.begun
        here = fetched = None
        if begun is not None:
            here = self._place(action, begun.file_name)
            if size := await self._shelf.take_up(here):
                fetched = Fetched(size, begun.length, begun.validator)
        try:
            async with self._fleet.open_archive(
                target, action.export_id, asks_limits=action.asks_limits, fetched=fetched
            ) as opened:
                if isinstance(opened, Problem):
                    return opened if here is None else await self._shelf.settle(here, opened)
                self._scheduler.opened(action, opened.heard, clock.now_s())
                self._wake.set()
                return await self._store(action, opened, here)
        finally:
            if here is not None:
                here.close()

    async def _store(
        self, action: FetchArchive, opened: OpenArchive, here: StagedArchive | None
    ) -> Stored | Problem:
        """Store what comes, after what is here or from the start."""
        fallback = f"{self._targets[action.server].server_id}-dump.tar.gz"
        file_name = safe_name(opened.file_name, fallback=fallback)
        incoming = here or self._place(action, file_name)

        def on_begun() -> None:
            event = self._scheduler.begun(
                action, incoming.file_name, clock.now_s(),
                length=opened.length, validator=opened.validator, goes_on=opened.offset > 0,
            )  # fmt: skip
            self._begun.append(event)
            self._wake.set()

        arriving = Arriving(
            self._noting_the_end(opened.chunks, action),
            opened.length,
            file_name,
            opened.offset,
            opened.checksums,
        )
        return await self._shelf.store(arriving, incoming, on_begun=on_begun)

    def _place(self, action: FetchArchive, file_name: str) -> StagedArchive:
        return self._shelf.place(self._state.servers[action.server].directory, file_name)

    async def _noting_the_end(
        self, chunks: AsyncIterator[bytes | Problem], action: FetchArchive
    ) -> AsyncIterator[bytes | Problem]:
        """Pass an archive's bytes on, and tell the engine that they come, and when all have."""
        async for chunk in chunks:
            size = len(chunk) if isinstance(chunk, bytes) else 0
            self._scheduler.arrived(action, size, clock.now_s())
            yield chunk
            self._scheduler.awaited(action, clock.now_s())
        self._scheduler.received(action)
        self._wake.set()

    async def _throttle(self, size: int) -> None:
        """Wait until so many more bytes may arrive, in pieces that the limiter can let through."""
        limiter = self._bandwidth
        assert limiter is not None  # noqa: S101  # passed on only where there is one
        while size > 0:
            piece = min(size, limiter.max_rate)
            await limiter.acquire(piece)
            size -= int(piece)


def _guard(requests_per_second: float) -> AsyncLimiter:
    """Return a loose outer bound on a ceiling that a person wrote; the engine keeps it."""
    return AsyncLimiter(max(1.0, requests_per_second), max(1.0, 1 / requests_per_second))
