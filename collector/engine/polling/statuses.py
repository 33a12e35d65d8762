"""Plans status calls: a server whose export runs waits in its lane until a status is worth it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.polling.timing import Pressure
from collector.engine.queueing.lanes import YIELDS_S, order
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.engine.outcomes.memory import Memories
    from collector.engine.polling.timing import Ask
    from collector.engine.polling.watch import ExportWatch
    from collector.engine.queueing.deadline import Deadline
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.ready import ReadyLanes
    from collector.model.state import RunState, ServerRow


SHORTER = 0.85
"""Exports are thought to take so much less time, at most, and their statuses are planned anew."""
ANSWERS_FOR_EACH = 2
"""Each answer pays for so many of them that are planned anew, at most,"""
FEW = 12
"""unless there are no more than these: then any answer does."""


@dataclass(slots=True)
class _Plan:
    """How long a group's exports were thought to take, at most, since their statuses were planned.

    Attributes:
        long_s: hardly any takes longer.
        answers: how many came since.
    """

    long_s: float
    answers: int = 0


class Statuses:
    """Plans when statuses are asked for.

    Args:
        state: the run.
        lanes: all of the run's, by project and call.
        waiting: what they hold.
        memories: what is remembered of each server.
        watch: follows the running exports.
        deadline: whether all can be home in time.

    Attributes:
        is_last: only the last exports of the run are left.
    """

    __slots__ = (
        "_deadline", "_lanes", "_memories", "_plans", "_state", "_waiting", "_watch", "is_last",
    )  # fmt: skip

    def __init__(
        self,
        state: RunState,
        lanes: Mapping[tuple[int, Call], Lane],
        waiting: ReadyLanes,
        memories: Memories,
        watch: ExportWatch,
        deadline: Deadline,
    ) -> None:
        self._state = state
        self._lanes = lanes
        self._waiting = waiting
        self._memories = memories
        self._watch = watch
        self._deadline = deadline
        self.is_last = False
        self._plans = [_Plan(one.durations.long_s) for one in watch.groups.all]

    def place(self, lane: Lane, row: ServerRow, now_s: float) -> None:
        """Let a server wait in its lane until its status is worth asking for."""
        failed = self._memories.has_trouble(row.server)
        place = order(first=row.first, failed=failed)
        began_s = None if failed else self._watch.unasked_since(row, now_s)
        if began_s is None:
            early_s, certain_s = self._watch.ask_at(row, self._pressure(lane), now_s)
            if failed:
                certain_s = max(certain_s, early_s + YIELDS_S)
            self._waiting.put(lane, row.server, place, early_s, certain_s, now_s)
        else:
            self._look_first(lane, now_s)
            group = self._watch.groups.of(row).number
            self._waiting.put_unasked(lane, row.server, place, began_s, now_s, group)

    def _look_first(self, lane: Lane, now_s: float) -> None:
        """Let those that were never asked about wait until what is known now says."""
        pressure = self._pressure(lane)
        for group in self._watch.groups.of_project(lane.project):
            first = self._watch.first_look(group, pressure)
            if first is not lane.first(group.number):
                self._waiting.look_first(lane, first, now_s, group.number)

    def ask_at(self, lane: Lane, now_s: float) -> Ask:
        """Return when the status is worth asking for that a lane would ask for next."""
        row = self._state.servers[lane.next]
        return self._watch.ask_at(row, self._pressure(lane), now_s)

    def _pressure(self, lane: Lane) -> Pressure:
        if self.is_last:
            return Pressure.LAST
        starts = self._lanes[lane.project, Call.START_EXPORT]
        limited = lane.exports.ceiling < math.inf or starts.track.exports is not None
        if limited and len(starts):
            return Pressure.PLACES
        return Pressure.DEADLINE if self._deadline.tight else Pressure.USUAL

    def status_told(self, row: ServerRow, now_s: float) -> None:
        """Plan a project's statuses anew, if exports like a server's take less than was thought.

        What was never asked about follows at once. The others have times of their own: they
        are planned anew when enough answers have come for that since the last time. If exports
        take longer, that is seen when their time comes.
        """
        lane, group = self._lanes[row.project, Call.ASK_STATUS], self._watch.groups.of(row)
        if lane.has_unasked:
            self._look_first(lane, now_s)
        plan = self._plans[group.number]
        plan.answers += 1
        long_s = group.durations.long_s
        if long_s > plan.long_s:
            plan.long_s = long_s
        elif long_s < SHORTER * plan.long_s and (
            lane.planned <= max(FEW, ANSWERS_FOR_EACH * plan.answers)
        ):
            self._plans[group.number] = _Plan(long_s)
            for server in self._waiting.empty_planned(lane):
                self.place(lane, self._state.servers[server], now_s)

    def look_for_the_last(self, now_s: float) -> None:
        """Ask about the last exports more often, once they are all that is left."""
        lanes = self._lanes.values()
        starts = (lane for lane in lanes if lane.call is Call.START_EXPORT)
        if any(len(lane) and lane.breaker.down_s is None for lane in starts):
            return
        self.is_last = True
        for lane in lanes:
            if lane.call is Call.ASK_STATUS:
                self._place_anew(lane, now_s)

    def _place_anew(self, lane: Lane, now_s: float) -> None:
        for server in self._waiting.empty(lane):
            self.place(lane, self._state.servers[server], now_s)
