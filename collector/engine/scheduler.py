"""The engine's interface: what is due now, and what an answer means.

    due = scheduler.due(now_s)                     # record each action's intent, then perform it
    events = scheduler.answered(action, answer, now_s)   # record, apply, ask for what is due again

Nothing here waits, sends or writes, so that a run and a simulation of one are driven alike.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from collector.engine.admission.in_flight import InFlight
from collector.engine.admission.probes import Probes
from collector.engine.ending import Ending
from collector.engine.outcomes.downloads import Downloads
from collector.engine.outcomes.feedback import Feedback, is_probe
from collector.engine.outcomes.memory import Memories
from collector.engine.outcomes.observations import Observations
from collector.engine.outcomes.outcomes import Outcomes
from collector.engine.pacing.pacer import Pacer
from collector.engine.polling.statuses import Statuses
from collector.engine.polling.watch import ExportWatch
from collector.engine.queueing.deadline import Deadline
from collector.engine.queueing.departures import Departures
from collector.engine.queueing.dispatch import Dispatcher
from collector.engine.queueing.fair_queue import FairQueue
from collector.engine.queueing.giving_up import GivingUp
from collector.engine.queueing.layout import Layout
from collector.engine.queueing.placement import Placement
from collector.engine.queueing.ready import ReadyLanes
from collector.model import events as e
from collector.model.actions import Due, FetchArchive, GiveUp
from collector.model.answers import Call, ExportSaid, Problem, Progress, Reusable
from collector.model.prior import Prior
from collector.model.state import MOVES_A_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.admission.in_flight import Flight
    from collector.engine.queueing.lanes import Lane
    from collector.model.actions import Action, DiscardPart, Request, StartExport
    from collector.model.answers import Answer, ResponseMetadata, Scope, SharedExport
    from collector.model.ceilings import Ceilings
    from collector.model.state import RunState
    from collector.model.wall_time import WallTime


class Scheduler:
    """Plans a run whose state is `state`, and is told of every event that has changed it.

    Args:
        state: the run, folded; changed by nobody but `apply`, after an event is recorded.
        scopes: the scopes that a call for a project passes.
        ceilings: what a person allows.
        wall_time: how the engine's clock reads on the wall's.
        seed: of all randomness: the same answers at the same times give the same plan.
        known: what earlier runs have learned.
        own_secret: whether a project has a secret of its own, and shares no other's.
    """

    def __init__(
        self,
        state: RunState,
        *,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
        ceilings: Ceilings,
        wall_time: WallTime,
        seed: int,
        known: Prior | None = None,
        own_secret: Callable[[int], bool] = lambda _project: False,
    ) -> None:
        prior = known or Prior()
        rng = random.Random(seed)  # noqa: S311  # spreads calls, keeps no secret
        self.state = state
        self._ceilings = ceilings
        self._wall_time = wall_time
        self._awake_s = -math.inf
        self._ending = Ending(ceilings.grace_s, ceilings.deadline_s)
        self._pacer = Pacer(prior)
        self._in_flight = InFlight(ceilings)
        self._observations = Observations(wall_time)
        self._feedback = Feedback(self._pacer, self._in_flight.disk, self._observations)
        self._memories = Memories()
        self._downloads = Downloads(self._in_flight, self._observations, wall_time, self._opened)
        self._layout = layout = Layout.of(state, self._pacer, ceilings, scopes, own_secret)
        self._lanes = layout.lanes
        watch = ExportWatch(
            state, self._memories, self._observations, export_s=ceilings.export_s,
            deadline_s=ceilings.deadline_s, wall_time=wall_time, known=prior,
        )  # fmt: skip
        self._outcomes = Outcomes(
            state, self._memories, watch, layout.admissions, self._observations,
            max_attempts=ceilings.max_attempts, export_s=ceilings.export_s, wall_time=wall_time,
            rng=rng,
        )  # fmt: skip
        turns = FairQueue([row.share for row in state.projects])
        self._waiting = ReadyLanes(self._lanes.values(), turns)
        deadline = Deadline(
            ceilings.deadline_s, list(self._lanes.values()), self._pacer, watch.groups
        )
        self._statuses = Statuses(
            state, self._lanes, self._waiting, self._memories, watch, deadline
        )
        self._placement = Placement(
            state, self._lanes, self._waiting, self._in_flight, self._statuses, self._memories,
            layout.outages,
        )  # fmt: skip
        self._giving_up = GivingUp(layout, self._placement, self._observations)
        self._departures = Departures(
            state, self._waiting, self._placement, self._pacer, self._in_flight, watch,
            self._memories, self._observations, ceilings, wall_time,
        )  # fmt: skip
        self._probes = Probes(
            state, self._lanes, self._pacer, self._in_flight, self._waiting, self._observations,
            rng=rng, leave=self._leave_out_of_turn, asked_until_s=self._memories.asked_until_s,
        )  # fmt: skip
        self._dispatcher = Dispatcher(
            self._lanes, self._waiting, self._pacer, self._in_flight, turns, deadline,
            self._statuses, leave=self._leave,
        )  # fmt: skip

    # What is due

    def due(self, now_s: float) -> Due:
        """Return what to do now, and when to ask again."""
        if now_s >= self._ceilings.deadline_s:
            self.stop("deadline")
        self._placement.place_moved(now_s)
        if self._ending.reason is not None:
            return self._due_at_the_end(now_s)
        actions: list[Action] = []
        self._giving_up.take(now_s)
        giving_up = self._placement.giving_up
        if giving_up:
            actions += [self._give_up(server, now_s) for server in giving_up]
            giving_up.clear()
        for flight in self._in_flight.find_stalled(now_s):
            self._pacer.hangs(flight.lane.track, flight.action.sent_s)
            self._memories.of(flight.action.server).slow = True
            self._waiting.touch(flight.lane)
        wake_s = min(
            self._ceilings.deadline_s,
            self._probes.take(now_s, actions),
            self._dispatcher.take(now_s, actions),
            self._in_flight.next_stall_s,
        )
        return Due(actions, wake_s, finished=not actions and self._placement.is_finished)

    def stop(self, reason: str) -> None:
        """Start nothing any more; `reason` as in `RunEnded`. The first reason stays."""
        self._ending.stop(reason)

    @property
    def stopped(self) -> bool:
        """Whether nothing new is started any more."""
        return self._ending.reason is not None

    def _due_at_the_end(self, now_s: float) -> Due:
        downloads = any(self._in_flight.downloads()) or bool(self._placement.recording)
        over = self._ending.is_over(now_s, posts=self.posts_in_flight, downloads=downloads)
        return Due([], self._ending.wakes_s(now_s), finished=over)

    @property
    def posts_in_flight(self) -> bool:
        """Whether a POST is unanswered, or its answer not yet recorded."""
        return self._in_flight.posts > 0 or self._placement.is_recording_posts

    def ending(self, now_s: float) -> e.RunEnded:
        """Return the event that ends the run, for whoever lets it go."""
        reason = self._ending.reason
        if reason is None or not self.state.pending:
            reason = "finished"
            if self.state.pending:
                reason = "disk" if self._in_flight.disk.given_up else "endpoint_down"
        return e.RunEnded(at=self._wall_time.stamp(now_s), reason=reason)

    @property
    def has_urgent_news(self) -> bool:
        """Whether something was observed that a person wants to hear of now."""
        return self._observations.urgent

    def observed(self, now_s: float) -> list[e.Event]:
        """Return what was observed since the last time, for the journal."""
        return self._observations.take(now_s)

    def clock_jumped(self, jump_s: float, now_s: float) -> None:
        """Record that this process did not run for so long, up to now."""
        self._observations.clock_jumped(jump_s, now_s)
        self._awake_s = now_s
        self._memories.slept(jump_s)
        self._in_flight.disk.slept(jump_s)
        for breaker in self._layout.breakers.values():
            breaker.slept(jump_s, now_s)
        for sign_in in self._layout.sign_ins.values():
            sign_in.slept(jump_s)
        for action in self._in_flight.downloads():
            self._memories.of(action.server).downloading_s -= jump_s

    def applied(self, event: e.Event) -> None:
        """Note an event that has become part of the state: its server may want another call now."""
        if type(event) is e.PermissionDoubted:
            self._layout.doubt(event)
        elif type(event) in MOVES_A_SERVER:
            self._placement.moved(event.server)  # type: ignore[attr-defined]  # all of these have one

    def _give_up(self, server: int, now_s: float) -> GiveUp:
        row = self.state.servers[server]
        self._placement.recording.add(server)
        failed = self._outcomes.given_up(row, *self._giving_up.why(row), now_s)
        self._downloads.discard_part_of_failed(row, [failed])
        return GiveUp(server, failed)

    def _leave(self, lane: Lane, now_s: float) -> Request:
        """Dequeue and dispatch the lane's next call."""
        action = self._departures.leave(lane, now_s)
        self._probes.left(lane)
        return action

    def _leave_out_of_turn(self, lane: Lane, now_s: float, server: int) -> Request:
        """Dequeue and dispatch the call of a server that waits in the lane."""
        action = self._departures.leave_out_of_turn(lane, now_s, server)
        self._probes.left(lane)
        return action

    # What an answer means

    def asked_before(
        self, server: int, call: Call, problem: Problem | None, metadata: ResponseMetadata,
        sent_s: float, now_s: float,
    ) -> None:  # fmt: skip
        """Take in what came of a call that was made before the run's own, in the order of these."""
        lane = self._lanes[self.state.servers[server].project, call]
        self._feedback.asked_before(lane, server, problem, metadata, sent_s, now_s)
        self._waiting.touch(lane)
        self._giving_up.take(now_s)

    def _opened(self, flight: Flight, metadata: ResponseMetadata, now_s: float) -> None:
        """Learn from a download's first bytes: the API has answered."""
        self._learn_from(flight.action, None, metadata, now_s, stalled=flight.stalled)
        self._in_flight.opened(flight, now_s)
        self._waiting.touch(flight.lane)

    def answered(self, action: Request, answer: Answer, now_s: float) -> list[e.Event]:
        """Return the events that follow from an answer to an action, to be recorded and applied.

        A download has many answers; the last one of each call is an `Outcome`. The server of an
        outcome without events waits for its next turn at once; that of one with events, when they
        have been applied.
        """
        if isinstance(answer, Progress):
            return self._downloads.progressed(action, answer, now_s)
        problem = answer if isinstance(answer, Problem) else None
        if is_probe(action):
            self._probed(action, problem, answer.metadata, now_s)
            return []
        self._placement.place_moved(now_s)  # its own intent is seen while it is still in flight
        server = action.server
        row = self.state.servers[server]
        flight = self._in_flight.of(action)
        assert flight is not None  # noqa: S101  # it is answered once
        self._in_flight.ended(flight)
        if flight.opened:
            self._waiting.touch(flight.lane)
        else:
            self._learn_from(action, problem, answer.metadata, now_s, stalled=flight.stalled)
        paused = self._in_flight.disk.down_s is not None
        if isinstance(action, FetchArchive):
            self._feedback.stored(action, problem, now_s)
            if problem is None or not problem.sign_in:
                self._memories.of(server).downloading_s += now_s - action.sent_s
        lane = flight.lane
        if isinstance(answer, ExportSaid):
            self._probes.saw(lane.breaker, server, answer.export_id, action.call)
        news = self._giving_up.take(now_s)
        down = lane.breaker.is_in_question(action.sent_s) or action.sent_s < self._awake_s
        events = self._outcomes.follow(
            action, row, answer, now_s, paused=paused, down=down, back_s=lane.breaker.back_s
        )
        if action.call is Call.ASK_STATUS:
            self._statuses.status_told(row, now_s)
        if events:
            self._placement.recording.add(server)
            self._downloads.discard_part_of_failed(row, events)
        else:
            self._placement.place(row, now_s)
        return [*self._observations.take(now_s), *events] if news else events

    def discards(self) -> list[DiscardPart]:
        """Return what is to be removed since the last time, of servers recorded as failed."""
        return self._downloads.discards()

    def _probed(
        self, action: Request, problem: Problem | None, metadata: ResponseMetadata, now_s: float
    ) -> None:
        """Process what a probe says of its endpoint and its credential."""
        self._lane_of(action).credential.in_flight -= 1
        self._learn_from(action, problem, metadata, now_s)

    def claimed(self, action: StartExport, claim: SharedExport, now_s: float) -> list[e.Event]:
        """Take back a POST that has not left, for what another run has to do with its server.

        Returns:
            The event that makes the other run's export this run's, to be recorded and applied;
            none where its answer is awaited: the server waits for its next turn.
        """
        server = action.server
        row = self.state.servers[server]
        flight = self._in_flight.of(action)
        assert flight is not None  # noqa: S101  # it has not left
        self._in_flight.ended(flight)
        self._feedback.withdrawn(flight.lane, action)
        self._waiting.touch(flight.lane)
        self._probes.touch(flight.lane)
        if isinstance(claim, Reusable):
            self._placement.recording.add(server)
            return [self._outcomes.reused(server, claim, now_s)]
        self._placement.count_export(server, row.project, runs=False)
        self._memories.await_another(server, now_s)
        self._placement.place(row, now_s)
        return []

    def _learn_from(
        self,
        action: Request,
        problem: Problem | None,
        metadata: ResponseMetadata,
        now_s: float,
        *,
        stalled: bool = False,
    ) -> None:
        lane = self._lane_of(action)
        if stalled:
            self._pacer.hung(lane.track)
        if self._feedback.answered(lane, action, problem, metadata, now_s):
            self._waiting.touch_all(self._pacer.reach(lane.track))
        self._waiting.touch(lane)
        self._probes.touch(lane)

    def _lane_of(self, action: Request) -> Lane:
        return self._lanes[self.state.servers[action.server].project, action.call]
