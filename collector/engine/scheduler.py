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
from collector.engine.outcomes import retry
from collector.engine.outcomes.feedback import Feedback, is_probe
from collector.engine.outcomes.observations import Observations
from collector.engine.outcomes.outcomes import Outcomes
from collector.engine.pacing.pacer import Pacer
from collector.engine.polling.statuses import Statuses
from collector.engine.queueing.deadline import Deadline
from collector.engine.queueing.dispatch import Dispatcher
from collector.engine.queueing.fair_queue import FairQueue
from collector.engine.queueing.lanes import YIELDS_S, order
from collector.engine.queueing.layout import Layout
from collector.engine.queueing.ready import ReadyLanes
from collector.model import events as e
from collector.model.actions import AskStatus, DiscardPart, Due, FetchArchive, GiveUp, StartExport
from collector.model.answers import (
    ArchiveOpened,
    ArchiveReceived,
    BytesArrived,
    BytesConsumed,
    Call,
    ExportSaid,
    PartBegun,
    Problem,
    ProblemKind,
    Progress,
    Reusable,
)
from collector.model.lifecycle import wanted
from collector.model.prior import Prior
from collector.model.state import MOVES_A_SERVER, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.engine.admission.credential_health import CredentialHealth
    from collector.engine.queueing.lanes import Lane
    from collector.model.actions import Action, Request
    from collector.model.answers import Answer, ResponseMetadata, Scope, SharedExport
    from collector.model.ceilings import Ceilings
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime

LAST_SERVERS = 20
"""So few servers left, and each status is what the whole run waits for."""


class Scheduler:
    """Plans a run whose state is `state`, and is told of every event that has changed it.

    Args:
        state: the run, folded; changed by nobody but `apply`, after an event is recorded.
        scopes: the scopes that a call for a project passes.
        ceilings: what a person allows.
        wall: how the engine's clock reads on the wall's.
        seed: of all randomness: the same answers at the same times give the same plan.
        known: what earlier runs have learned.
    """

    def __init__(
        self,
        state: RunState,
        *,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
        ceilings: Ceilings,
        wall: WallTime,
        seed: int,
        known: Prior | None = None,
    ) -> None:
        self.state = state
        self._ceilings = ceilings
        self._wall = wall
        self._pacer = Pacer(known or Prior())
        self._in_flight = InFlight(ceilings)
        self._news = Observations(wall)
        self._hearing = Feedback(self._pacer, self._in_flight.disk, self._news)
        layout = Layout.of(state, self._pacer, ceilings, scopes)
        self._lanes, self._credentials, self._breakers = (
            layout.lanes,
            layout.credentials,
            layout.breakers,
        )
        rng = random.Random(seed)  # noqa: S311  # spreads calls, keeps no secret
        self._outcomes = Outcomes(
            state,
            self._credentials,
            self._news,
            max_attempts=ceilings.max_attempts,
            export_s=ceilings.export_s,
            deadline_s=ceilings.deadline_s,
            wall=wall,
            rng=rng,
            known=known or Prior(),
        )
        self._recording: set[int] = set()
        self._discards: list[DiscardPart] = []
        self._giving_up: list[int] = []
        self._awake_s = -math.inf
        self._ending = Ending(ceilings.grace_s, ceilings.deadline_s)
        self._moved = list(range(len(state.servers)))  # all are new to this plan
        self._outages = layout.outages
        self._ended = {row.server for row in state.servers if row.phase.ended}
        self._all_lanes = list(self._lanes.values())
        turns = FairQueue([row.share for row in state.projects])
        self._waiting = ReadyLanes(self._all_lanes, turns)
        self._pacer.start_slowly(layout.crowded_tracks(state))
        deadline = Deadline(
            ceilings.deadline_s, self._all_lanes, self._pacer, self._outcomes.durations
        )
        self._probes = Probes(
            state,
            self._lanes,
            self._pacer,
            self._in_flight,
            self._waiting,
            self._news,
            rng=rng,
            leave=self._leave_out_of_turn,
            asked_until_s=self._outcomes.asked_until_s,
        )
        self._statuses = Statuses(state, self._lanes, self._waiting, self._outcomes, deadline)
        self._departures = Dispatcher(
            self._lanes,
            self._waiting,
            self._pacer,
            self._in_flight,
            turns,
            deadline,
            self._statuses,
            leave=self._leave,
        )

    # What is due

    def due(self, now_s: float) -> Due:
        """Return what to do now, and when to ask again."""
        if now_s >= self._ceilings.deadline_s:
            self.stop("deadline")
        if self._moved:
            self._place_moved(now_s)
        if self._ending.reason is not None:
            return self._due_at_the_end(now_s)
        actions: list[Action] = []
        if self._giving_up:
            actions += [self._give_up(server, now_s) for server in self._giving_up]
            self._giving_up.clear()
        for flight in self._in_flight.fall_quiet(now_s):
            self._pacer.hangs(flight.lane.track, flight.action.sent_s)
            self._outcomes.hangs(flight.action.server)
            self._waiting.touch(flight.lane)
        wake_s = min(
            self._ceilings.deadline_s,
            self._probes.take(now_s, actions),
            self._departures.take(now_s, actions),
            self._in_flight.quiet_s,
        )
        return Due(actions, wake_s, finished=not actions and self._is_finished)

    def stop(self, reason: str) -> None:
        """Start nothing any more; `reason` as in `RunEnded`. The first reason stays."""
        self._ending.stop(reason)

    @property
    def stopped(self) -> bool:
        """Whether nothing new is started any more."""
        return self._ending.reason is not None

    def _due_at_the_end(self, now_s: float) -> Due:
        downloads = any(self._in_flight.downloads()) or bool(self._recording)
        over = self._ending.is_over(now_s, posts=self.posts_under_way, downloads=downloads)
        return Due([], self._ending.wakes_s(now_s), finished=over)

    @property
    def posts_under_way(self) -> bool:
        """Whether a POST is unanswered, or its answer not yet recorded."""
        return self._in_flight.posts > 0 or any(
            self.state.servers[server].phase is Phase.REQUESTED for server in self._recording
        )

    def ending(self, now_s: float) -> e.RunEnded:
        """Return the event that ends the run, for whoever lets it go."""
        reason = self._ending.reason
        if reason is None or not self.state.pending:
            reason = "finished"
            if self.state.pending:
                reason = "disk" if self._in_flight.disk.given_up else "endpoint_down"
        return e.RunEnded(at=self._wall.stamp(now_s), reason=reason)

    @property
    def has_urgent_news(self) -> bool:
        """Whether something was observed that a person wants to hear of now."""
        return self._news.urgent

    def observed(self, now_s: float) -> list[e.Event]:
        """Return what was observed since the last time, for the journal."""
        return self._news.take(now_s)

    def clock_jumped(self, jump_s: float, now_s: float) -> None:
        """Take note that nobody was running for so long, up to now."""
        self._news.clock_jumped(jump_s, now_s)
        self._awake_s = now_s
        self._outcomes.slept(jump_s)
        self._in_flight.disk.slept(jump_s)
        for breaker in self._breakers.values():
            breaker.slept(jump_s, now_s)
        for action in self._in_flight.downloads():
            self._outcomes.add_downloading(action.server, -jump_s)

    def applied(self, event: e.Event) -> None:
        """Note an event that has become part of the state: its server may want another call now."""
        if type(event) in MOVES_A_SERVER:
            self._moved.append(event.server)  # type: ignore[attr-defined]  # all of these have one

    def _place_moved(self, now_s: float) -> None:
        moved = self._moved
        for server in dict.fromkeys(moved) if len(moved) > 1 else moved:
            row = self.state.servers[server]
            runs = row.phase is Phase.REQUESTED or row.phase is Phase.EXPORTING
            self._export_counted(server, row.project, runs=runs)
            if server in self._in_flight:
                continue  # its own intent was recorded; the answer decides
            self._recording.discard(server)
            if row.phase.ended:
                self._end(row)
            else:
                self._place(row, now_s)
        moved.clear()
        reachable = self.state.pending - self._outages.waiting
        if reachable <= LAST_SERVERS and not self._statuses.is_last:
            self._statuses.look_for_the_last(now_s)

    def _end(self, row: ServerRow) -> None:
        """Let go of a server that is at its end."""
        self._outcomes.forget(row.server)
        if row.server not in self._ended:
            self._ended.add(row.server)
            self._lanes[row.project, Call.START_EXPORT].breaker.servers -= 1

    def _export_counted(self, server: int, project: int, *, runs: bool) -> None:
        lane = self._lanes[project, Call.START_EXPORT]
        lane.exports.count(server, runs=runs)
        lane.track.running = lane.exports.running
        self._waiting.touch_gate(lane.exports)

    def _place(self, row: ServerRow, now_s: float) -> None:
        call = wanted(row)
        if call is None:
            return
        lane = self._lanes[row.project, call]
        if lane.credential.refused is not None:
            self._giving_up.append(row.server)
            return
        if call is Call.ASK_STATUS:
            self._statuses.place(lane, row, now_s)
        else:
            at_s = self._outcomes.again_at(row.server, now_s)
            failed = self._outcomes.has_trouble(row.server)
            due_s = at_s + YIELDS_S if failed else at_s
            place = order(first=row.first, failed=failed)
            self._waiting.put(lane, row.server, place, at_s, due_s, now_s)

    def _give_up(self, server: int, now_s: float) -> GiveUp:
        row = self.state.servers[server]
        credential = self._credentials[self.state.projects[row.project].credential]
        self._recording.add(server)
        assert credential.refused is not None  # noqa: S101  # the only way into the list
        failed = self._outcomes.given_up(row, credential.refused, now_s)
        self._discard_part_of_failed(row, [failed])
        return GiveUp(server, failed)

    def _leave(self, lane: Lane, now_s: float) -> Request:
        """Dequeue and dispatch the lane's next call."""
        return self._dispatch(lane, self._waiting.take(lane, now_s), now_s)

    def _leave_out_of_turn(self, lane: Lane, now_s: float, server: int) -> Request:
        """Dequeue and dispatch the call of a server that waits in the lane."""
        self._waiting.remove(lane, server)
        return self._dispatch(lane, server, now_s)

    def _dispatch(self, lane: Lane, server: int, now_s: float) -> Request:
        row = self.state.servers[server]
        action = self._action(lane, row, now_s)
        self._pacer.sent(lane.track, now_s)
        self._in_flight.left(action, lane)
        self._probes.left(lane)
        if lane.call is Call.START_EXPORT:
            # Counted before its intent is applied, so that one moment cannot start too many.
            self._export_counted(server, row.project, runs=True)
        self._news.count(row.project)
        return action

    def _action(self, lane: Lane, row: ServerRow, now_s: float) -> Request:
        asks = now_s >= lane.track.asks_s
        if lane.call is Call.START_EXPORT:
            intent = e.ExportRequested(at=self._wall.stamp(now_s), server=row.server)
            return StartExport(row.server, now_s, asks, lane.exports.running, intent)
        export_id, location = (row.export.id, row.export.location) if row.export else ("", None)
        if lane.call is Call.ASK_STATUS:
            within_s = self._outcomes.status_within_s(row, now_s)
            return AskStatus(row.server, now_s, asks, export_id, within_s)
        within_s = self._ceilings.download_s - self._outcomes.downloading_s(row.server)
        return FetchArchive(
            row.server, now_s, asks, export_id, row.begun, max(0.0, within_s), location=location
        )

    @property
    def _is_finished(self) -> bool:
        if self._in_flight or self._recording or self._giving_up:
            return False
        waiting = self._waiting.waiting - sum(one.waiting for one in self._outages.given_up)
        if waiting and self._in_flight.disk.given_up:
            waiting -= sum(
                len(lane)
                for lane in self._all_lanes
                if lane.call is Call.FETCH_ARCHIVE and not lane.breaker.given_up
            )
        return not waiting

    # What an answer means

    def _progressed(self, action: Request, answer: Progress, now_s: float) -> list[e.Event]:
        """Process how far a download is; return what is to be recorded of it."""
        flight = self._in_flight.of(action)
        if flight is None or not isinstance(action, FetchArchive):
            return []
        match answer:
            case BytesArrived(size):
                self._in_flight.arrived(flight, size, now_s)
            case BytesConsumed():
                self._in_flight.awaited(flight, now_s)
            case ArchiveOpened(heard):
                self._hear(action, None, heard, now_s, hung=flight.quiet)
                self._in_flight.opened(flight, now_s)
                self._waiting.touch(flight.lane)
            case ArchiveReceived():
                self._in_flight.received(flight)
            case PartBegun():
                return [self._begun(action, answer, now_s)]
        return []

    def _begun(self, action: FetchArchive, part: PartBegun, now_s: float) -> e.DownloadBegun:
        earlier = action.begun.resumed + 1 if action.begun is not None else 0
        return e.DownloadBegun(
            at=self._wall.stamp(now_s), server=action.server, file_name=part.file_name,
            length=part.length, validator=part.validator, resumed=earlier if part.continues else 0,
        )  # fmt: skip

    def answered(self, action: Request, answer: Answer, now_s: float) -> list[e.Event]:
        """Return the events that follow from an answer to an action, to be recorded and applied.

        A download has many answers; the last one of each call is an `Outcome`. The server of an
        outcome without events waits for its next turn at once; that of one with events, when they
        have been applied.
        """
        if isinstance(answer, Progress):
            return self._progressed(action, answer, now_s)
        problem = answer if isinstance(answer, Problem) else None
        if is_probe(action):
            self._probed(action, problem, answer.heard, now_s)
            return []
        if self._moved:
            self._place_moved(now_s)  # its own intent is seen while it still is under way
        server = action.server
        row = self.state.servers[server]
        flight = self._in_flight.of(action)
        assert flight is not None  # noqa: S101  # it is answered once
        self._in_flight.ended(flight)
        if flight.opened:
            self._waiting.touch(flight.lane)
        else:
            self._hear(action, problem, answer.heard, now_s, hung=flight.quiet)
        paused = self._in_flight.disk.down_s is not None
        if isinstance(action, FetchArchive):
            self._hearing.stored(action, problem, now_s)
            self._outcomes.add_downloading(server, now_s - action.sent_s)
        lane = flight.lane
        if isinstance(answer, ExportSaid):
            self._probes.saw(lane.breaker, server, answer.export_id, action.call)
        down = lane.breaker.is_in_question(action.sent_s) or action.sent_s < self._awake_s
        events = self._outcomes.follow(
            action, row, answer, now_s, paused=paused, down=down, back_s=lane.breaker.back_s
        )
        if action.call is Call.ASK_STATUS:
            self._statuses.heard(row.project, now_s)
        self._empty_lanes_of_refused(lane.credential)
        if events:
            self._recording.add(server)
            self._discard_part_of_failed(row, events)
        else:
            self._place(row, now_s)
        return events

    def discards(self) -> list[DiscardPart]:
        """Return what is to be removed since the last time, of servers recorded as failed."""
        discards, self._discards = self._discards, []
        return discards

    def _discard_part_of_failed(self, row: ServerRow, events: Iterable[e.Event]) -> None:
        if row.begun is not None and any(isinstance(one, e.ServerFailed) for one in events):
            self._discards.append(DiscardPart(row.server, row.directory, row.begun.file_name))

    def _probed(
        self, action: Request, problem: Problem | None, heard: ResponseMetadata, now_s: float
    ) -> None:
        """Process what a probe says of its endpoint and its credential."""
        credential = self._lane_of(action).credential
        credential.under_way -= 1
        self._hear(action, problem, heard, now_s)
        if problem is None or problem.kind is not ProblemKind.UNAUTHENTICATED:
            return
        if retry.is_given_up(problem, proven=credential.proven, refusals=credential.refusals):
            credential.refused = problem
            self._empty_lanes_of_refused(credential)

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
        self._hearing.withdrawn(flight.lane, action)
        self._waiting.touch(flight.lane)
        self._probes.touch(flight.lane)
        if isinstance(claim, Reusable):
            self._recording.add(server)
            return [self._outcomes.reused(server, claim, now_s)]
        self._export_counted(server, row.project, runs=False)
        self._outcomes.await_another(server, now_s)
        self._place(row, now_s)
        return []

    def _hear(
        self,
        action: Request,
        problem: Problem | None,
        heard: ResponseMetadata,
        now_s: float,
        *,
        hung: bool = False,
    ) -> None:
        lane = self._lane_of(action)
        if hung:
            self._pacer.hung(lane.track)
        if self._hearing.heard(lane, action, problem, heard, now_s):
            self._waiting.touch_all()
        self._waiting.touch(lane)
        self._probes.touch(lane)

    def _lane_of(self, action: Request) -> Lane:
        return self._lanes[self.state.servers[action.server].project, action.call]

    def _empty_lanes_of_refused(self, credential: CredentialHealth) -> None:
        """Whatever waits for a call with a refused credential is given up without one."""
        if credential.refused is None:
            return
        for lane in self._all_lanes:
            if lane.credential is credential:
                self._giving_up += self._waiting.empty(lane)
