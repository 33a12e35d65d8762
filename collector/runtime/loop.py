"""The loop, where decisions meet I/O: record, ask what is due, dispatch. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from collector import clock
from collector.model.actions import GiveUp, StartExport
from collector.model.answers import BytesArrived, BytesConsumed, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from collector.engine import Scheduler
    from collector.model.actions import Action, Request
    from collector.model.answers import Answer, Outcome
    from collector.model.events import Event
    from collector.runtime.performer import Performer
    from collector.runtime.recorder import Recorder
    from collector.sharing.claims import Claims

LONGEST_SLEEP_S = 1.0
OBSERVED_EVERY_S = 5.0
JUMP_S = 30.0
TURNS_APART_S = 0.005
"""Under load the loop looks up this often: what comes together is answered together."""


class Loop:
    """Has performed what the scheduler says, until it says that the run is over.

    Attributes:
        arrived: bytes of archives that have come.
    """

    def __init__(
        self, scheduler: Scheduler, recorder: Recorder, performer: Performer, claims: Claims
    ) -> None:
        self._scheduler = scheduler
        self._recorder = recorder
        self._performer = performer
        self._claims = claims
        self.arrived = 0
        self._wake = anyio.Event()
        self._outcomes: list[tuple[Request, Outcome, float]] = []
        self._progress: list[Event] = []
        self._unanswered: set[int] = set()
        self._all_answered = anyio.Event()
        self._observed_s = self._turned_s = clock.now_s()

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
                due = self._scheduler.due(clock.now_s())
                if due.finished:
                    break
                await self._dispatch(due.actions, tasks)
                await self._sleep(due.wake_s)
            tasks.cancel_scope.cancel()

    async def record_answers(self) -> None:
        """Make what was answered since the last time part of the state, and write that down."""
        outcomes, self._outcomes = self._outcomes, []
        events, self._progress = self._progress, []
        for action, outcome, at_s in outcomes:
            events += self._scheduler.answered(action, outcome, at_s)
        now_s = clock.now_s()
        if now_s - self._observed_s >= OBSERVED_EVERY_S or self._scheduler.has_urgent_news:
            self._observed_s = now_s
            events += self._scheduler.observed(now_s)
        await self._record(events)

    async def _record(self, events: Sequence[Event]) -> None:
        await self._recorder.record(events)
        for discard in self._scheduler.discards():
            await self._performer.discard(discard)

    async def _dispatch(self, actions: Sequence[Action], tasks: TaskGroup) -> None:
        """Have actions performed; those with an intent once that is recorded."""
        for action in actions:
            if action.intent is None:
                self._begin(action, tasks)
        intended = await self._unclaimed([one for one in actions if one.intent is not None])
        await self._record([one.intent for one in intended if one.intent is not None])
        for action in intended:
            if isinstance(action, GiveUp):
                self._wake.set()  # nothing answers it
            else:
                self._begin(action, tasks)

    def _begin(self, action: Request, tasks: TaskGroup) -> None:
        self._unanswered.add(action.server)
        tasks.start_soon(self._performer.perform, action, self._report)

    async def _unclaimed(self, actions: list[Action]) -> list[Action]:
        """Claim the exports that are about to be started; leave out those that others have."""
        posts = {action.server: action for action in actions if isinstance(action, StartExport)}
        claims = await self._claims.claim(list(posts)) if posts else {}
        if not claims:
            return actions
        now_s = clock.now_s()
        events: list[Event] = []
        for server, claim in claims.items():
            events += self._scheduler.claimed(posts[server], claim, now_s)
        await self._record(events)
        self._wake.set()
        return [action for action in actions if action.server not in claims]

    def _report(self, action: Request, answer: Answer) -> None:
        """Take an answer: a download's progress is passed on at once, an outcome in the next turn.

        Bytes that arrive make nothing due, and wake nobody.
        """
        now_s = clock.now_s()
        if not isinstance(answer, BytesArrived | BytesConsumed):
            self._unanswered.discard(action.server)
            if not self._unanswered:
                self._all_answered.set()
        if isinstance(answer, Progress):
            self._progress += self._scheduler.answered(action, answer, now_s)
            if isinstance(answer, BytesArrived):
                self.arrived += answer.size
                return
            if isinstance(answer, BytesConsumed):
                return
        else:
            self._outcomes.append((action, answer, now_s))
        self._wake.set()

    def _look_at_the_clock(self) -> None:
        """Notice a time in which nobody was running: no turn takes so long otherwise."""
        now_s = clock.now_s()
        jump_s = now_s - self._turned_s - LONGEST_SLEEP_S
        if jump_s > JUMP_S:
            self._scheduler.clock_jumped(jump_s, now_s)
        self._turned_s = now_s

    async def _sleep(self, wake_s: float) -> None:
        """Sleep until there is something to do.

        And a little longer where other servers' answers may come meanwhile: one turn for all.
        """
        before_s = clock.now_s()
        if not self._wake.is_set():
            with anyio.move_on_after(min(LONGEST_SLEEP_S, max(0.0, wake_s - before_s))):
                await self._wake.wait()
        slept_s = clock.now_s() - before_s
        if self._unanswered and slept_s < TURNS_APART_S:
            self._all_answered = anyio.Event()
            with anyio.move_on_after(TURNS_APART_S - slept_s):
                await self._all_answered.wait()
        self._wake = anyio.Event()
