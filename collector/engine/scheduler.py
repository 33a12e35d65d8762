"""The engine's face: what is due now, and what an answer means.

    due = scheduler.due(now_s)                     # record each action's intent, then perform it
    events = scheduler.answered(action, answer, now_s)   # record, apply, ask for what is due again

Nothing here waits, sends or writes, so that a run and a simulation of one are driven alike.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from collector.engine import events as e
from collector.engine.actions import AskStatus, Due, FetchArchive, GiveUp, StartExport
from collector.engine.answers import Call, Problem, ProblemKind
from collector.engine.gates import Circuit, InFlight, Secret
from collector.engine.known import Known
from collector.engine.lanes import Lane
from collector.engine.news import News
from collector.engine.outcome import Outcomes
from collector.engine.pacing import Pacer
from collector.engine.state import Phase
from collector.engine.task import wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.actions import Action, Request
    from collector.engine.answers import Answer, Heard, Scope
    from collector.engine.gates import Ceilings
    from collector.engine.state import RunState, ServerRow
    from collector.engine.wall import Wall

TURNS_FOR_EXPORTS = 7
"""While exports wait, one turn in eight goes to downloads and statuses that are due."""


class Scheduler:
    """Plans a run whose state is `state`; the only reader of `state.changed`.

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
        wall: Wall,
        seed: int,
        known: Known | None = None,
    ) -> None:
        self.state = state
        self._known = known or Known()
        self._ceilings = ceilings
        self._wall = wall
        self._pacer = Pacer()
        self._in_flight = InFlight(ceilings)
        self._news = News(wall)
        self._outcomes = Outcomes(
            state,
            self._in_flight.secrets,
            self._news,
            max_attempts=ceilings.max_attempts,
            export_s=ceilings.export_s,
            wall=wall,
            rng=random.Random(seed),  # noqa: S311  # spreads calls, keeps no secret
        )
        self._out: dict[int, Request] = {}
        self._opened: set[int] = set()
        self._received: set[int] = set()
        self._recording: set[int] = set()
        self._exporting: set[int] = set()
        self._giving_up: list[int] = []
        self._turn = 0
        self._turns_for_exports = 0
        self._reason: str | None = None
        self._lanes: dict[tuple[int, Call], Lane] = {}
        state.changed = list(range(len(state.servers)))  # all are new to this plan
        for row in state.projects:
            self._in_flight.secrets.setdefault(row.credential, Secret())
            self._in_flight.circuits.setdefault(row.endpoint, Circuit())
            for call in Call:
                lane = Lane(row.project, call, scopes(row.project, call))
                self._pacer.use(lane.scopes, share=row.share)
                self._lanes[row.project, call] = lane
                if row.requests_per_second is not None:
                    self._pacer.limit(lane.scopes, row.requests_per_second)

    # What is due

    def due(self, now_s: float) -> Due:
        """Return what to do now, and when to ask again."""
        if now_s >= self._ceilings.deadline_s:
            self.stop("deadline")
        self._place_changed(now_s)
        if self._reason is not None:
            return Due([], math.inf, finished=not self.posts_under_way)
        actions: list[Action] = [self._give_up(server, now_s) for server in self._giving_up]
        self._giving_up.clear()
        for lane in self._lanes.values():
            lane.wake(now_s)
        while (turn := self._next_lane(now_s)) is not None:
            actions.append(self._take(turn, now_s))
        return Due(actions, self._wake_s(now_s), finished=not actions and self._is_finished)

    def stop(self, reason: str) -> None:
        """Start nothing any more; `reason` as in `RunEnded`. The first reason stays."""
        self._reason = self._reason or reason

    @property
    def stopped(self) -> bool:
        """Whether nothing new is started any more."""
        return self._reason is not None

    @property
    def posts_under_way(self) -> bool:
        """Whether a POST is unanswered, or its answer not yet recorded."""
        return any(action.call is Call.START_EXPORT for action in self._out.values()) or any(
            self.state.servers[server].phase is Phase.REQUESTED for server in self._recording
        )

    def ending(self, now_s: float) -> e.RunEnded:
        """Return the event that ends the run, for whoever lets it go."""
        reason = self._reason
        if reason is None or not self.state.pending:
            reason = "endpoint_down" if self.state.pending else "finished"
        return e.RunEnded(at=self._wall.stamp(now_s), reason=reason)

    @property
    def has_urgent_news(self) -> bool:
        """Whether something was observed that a person wants to hear of now."""
        return self._news.urgent

    def observed(self, now_s: float) -> list[e.Event]:
        """Return what was observed since the last time, for the journal."""
        return self._news.take(now_s)

    def clock_jumped(self, jump_s: float, now_s: float) -> None:
        """Take note that nobody was running for so long."""
        self._news.clock_jumped(jump_s, now_s)

    def _place_changed(self, now_s: float) -> None:
        for server in dict.fromkeys(self.state.changed):
            row = self.state.servers[server]
            self._count_export(row)
            if server in self._out:
                continue  # its own intent was recorded; the answer decides
            self._recording.discard(server)
            if row.phase.ended:
                self._outcomes.forget(server)
            else:
                self._place(row, now_s)
        self.state.changed.clear()

    def _count_export(self, row: ServerRow) -> None:
        runs = row.phase is Phase.REQUESTED or row.phase is Phase.EXPORTING
        if runs == (row.server in self._exporting):
            return
        if runs:
            self._exporting.add(row.server)
        else:
            self._exporting.discard(row.server)
        self._in_flight.exporting(row.project, 1 if runs else -1)

    def _place(self, row: ServerRow, now_s: float) -> None:
        call = wanted(row)
        if call is None:
            return
        project = self.state.projects[row.project]
        if self._in_flight.secrets[project.credential].refused is not None:
            self._giving_up.append(row.server)
            return
        at_s = self._outcomes.not_before_s(row, now_s)
        self._lanes[row.project, call].put(row.server, 0 if row.first else 1, at_s, now_s)

    def _give_up(self, server: int, now_s: float) -> GiveUp:
        row = self.state.servers[server]
        secret = self._in_flight.secrets[self.state.projects[row.project].credential]
        self._recording.add(server)
        assert secret.refused is not None  # noqa: S101  # the only way into the list
        return GiveUp(server, self._outcomes.given_up(row, secret.refused, now_s))

    def _next_lane(self, now_s: float) -> Lane | None:
        """Return the lane whose turn it is; None where none may send now."""
        best: dict[bool, tuple[int, int, Lane]] = {}
        export_limited = False
        for lane in self._lanes.values():
            rank = lane.rank
            if rank is None or self._allows_at(lane, now_s) > now_s:
                continue
            is_export = lane.call is Call.START_EXPORT
            export_limited |= is_export and self._in_flight.has_export_limit(lane.project)
            key = (rank, lane.served, lane)
            if is_export not in best or key[:2] < best[is_export][:2]:
                best[is_export] = key
        if len(best) < 2:  # noqa: PLR2004  # exports and the rest
            return next((key[2] for key in best.values()), None)
        if best[True][0] != best[False][0]:
            return min(best.values(), key=lambda key: key[0])[2]
        turns = 1 if export_limited else TURNS_FOR_EXPORTS
        exports = self._turns_for_exports < turns
        self._turns_for_exports = self._turns_for_exports + 1 if exports else 0
        return best[exports][2]

    def _allows_at(self, lane: Lane, now_s: float) -> float:
        project = self.state.projects[lane.project]
        gate_s = self._in_flight.allows_at(
            lane.call, lane.project, project.credential, project.endpoint
        )
        return gate_s if gate_s > now_s else max(gate_s, self._pacer.next_at(lane.scopes, now_s))

    def _take(self, lane: Lane, now_s: float) -> Request:
        server = lane.take()
        row = self.state.servers[server]
        project = self.state.projects[row.project]
        self._turn += 1
        lane.served = self._turn
        self._pacer.sent(lane.scopes, now_s)
        self._in_flight.left(lane.call, project.credential, project.endpoint)
        if lane.call is Call.START_EXPORT:
            self._count_export_requested(server, row.project)
        action = self._action(lane.call, row, now_s)
        self._out[server] = action
        self._news.count(row.project)
        return action

    def _count_export_requested(self, server: int, project: int) -> None:
        """Count it before its intent is applied, so that one moment cannot start too many."""
        self._exporting.add(server)
        self._in_flight.exporting(project, 1)

    def _action(self, call: Call, row: ServerRow, now_s: float) -> Request:
        if call is Call.START_EXPORT:
            intent = e.ExportRequested(at=self._wall.stamp(now_s), server=row.server)
            return StartExport(row.server, now_s, intent)
        export_id = row.export.id if row.export is not None else ""
        if call is Call.ASK_STATUS:
            return AskStatus(row.server, now_s, export_id)
        return FetchArchive(row.server, now_s, export_id)

    def _wake_s(self, now_s: float) -> float:
        wake_s = self._ceilings.deadline_s
        for lane in self._lanes.values():
            wake_s = min(wake_s, lane.wakes_s)
            if lane.rank is not None:
                wake_s = min(wake_s, self._allows_at(lane, now_s))
        return wake_s

    @property
    def _is_finished(self) -> bool:
        if self._out or self._recording or self._giving_up:
            return False
        return not any(
            len(lane)
            and not self._in_flight.circuits[self.state.projects[lane.project].endpoint].given_up
            for lane in self._lanes.values()
        )

    # What an answer means

    def opened(self, action: FetchArchive, heard: Heard, now_s: float) -> None:
        """Take note that an archive's first bytes are here: the API has answered."""
        if self._out.get(action.server) is action:
            self._opened.add(action.server)
            self._learn(action, None, heard, now_s)

    def received(self, action: FetchArchive) -> None:
        """Take note that an archive's last byte is here, and only the disk is waited for."""
        if self._out.get(action.server) is action:
            self._received.add(action.server)
            self._in_flight.download_received()

    def answered(self, action: Request, answer: Answer, now_s: float) -> list[e.Event]:
        """Return the events that follow from the answer to an action, to be recorded and applied.

        The server of an answer without events waits for its next turn at once; that of one with
        events, when they have been applied.
        """
        self._place_changed(now_s)  # its own intent is seen while it still is under way
        self._out.pop(action.server, None)
        row = self.state.servers[action.server]
        if action.server in self._opened:
            self._opened.discard(action.server)
        else:
            problem = answer if isinstance(answer, Problem) else None
            self._learn(action, problem, answer.heard, now_s)
        if action.call is Call.FETCH_ARCHIVE:
            self._in_flight.download_ended(received=action.server in self._received)
            self._received.discard(action.server)
        events = self._outcomes.follow(action, row, answer, now_s)
        self._empty_lanes_of_refused(self.state.projects[row.project].credential)
        if events:
            self._recording.add(action.server)
        else:
            self._place(row, now_s)
        return events

    def _learn(self, action: Request, problem: Problem | None, heard: Heard, now_s: float) -> None:
        """Take note of what an answer tells about limits, secrets, endpoints and clocks."""
        row = self.state.servers[action.server]
        project = self.state.projects[row.project]
        self._in_flight.came_back(action.call, project.credential, project.endpoint)
        circuit = self._in_flight.circuits[project.endpoint]
        if problem is not None and problem.kind is ProblemKind.NOT_SENT:
            self._news.uncount(row.project)
            if circuit.failed(action.sent_s, now_s):
                self._news.endpoint_down(project.endpoint, problem.message, now_s)
            return
        if problem is None or problem.http_status is not None:
            if circuit.reached():
                self._news.endpoint_back(project.endpoint, now_s)
            self._hear_limits(action, problem, heard, now_s)
        secret = self._in_flight.secrets[project.credential]
        secret.heard(problem, action.sent_s, now_s)
        if heard.clock_offset_s is not None:
            self._news.clock_offset(heard.clock_offset_s)

    def _hear_limits(
        self, action: Request, problem: Problem | None, heard: Heard, now_s: float
    ) -> None:
        lane = self._lanes[self.state.servers[action.server].project, action.call]
        if problem is not None and problem.kind is ProblemKind.THROTTLED:
            self._news.throttled(lane.project)
            news = self._pacer.throttled(lane.scopes, problem, action.sent_s, now_s)
        else:
            news = self._pacer.passed(lane.scopes, heard.limits, action.sent_s, now_s)
        self._news.paced(news, now_s)

    def _empty_lanes_of_refused(self, credential: str) -> None:
        """Whatever waits for a call with a refused secret is given up without one."""
        if self._in_flight.secrets[credential].refused is None:
            return
        for lane in self._lanes.values():
            if self.state.projects[lane.project].credential == credential:
                self._giving_up += lane.empty()
