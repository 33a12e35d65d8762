"""Which of the calls that wait leave now: what scopes, ceilings and turns let through."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.queueing.lanes import NONE_DUE
from collector.engine.queueing.ready import next_s
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from collector.engine.admission.in_flight import InFlight
    from collector.engine.pacing.pacer import Pacer
    from collector.engine.polling.statuses import Statuses
    from collector.engine.queueing.deadline import Deadline
    from collector.engine.queueing.fair_queue import FairQueue
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.ready import Group, ReadyLanes
    from collector.model.actions import Action, Request


class Dispatcher:
    """Takes out of the lanes what may leave.

    Args:
        lanes: all of the run's, by project and call.
        waiting: what they hold.
        pacer: who may send when.
        in_flight: how many calls may be under way.
        turns: whose turn it is.
        deadline: whether all can be home in time.
        statuses: when those are worth asking for.
        leave: takes a lane's next call out of it, and sees it off.
    """

    __slots__ = (
        "_all_lanes", "_deadline", "_in_flight", "_lanes", "_leave", "_pacer", "_statuses",
        "_turns", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        lanes: Mapping[tuple[int, Call], Lane],
        waiting: ReadyLanes,
        pacer: Pacer,
        in_flight: InFlight,
        turns: FairQueue,
        deadline: Deadline,
        statuses: Statuses,
        *,
        leave: Callable[[Lane, float], Request],
    ) -> None:
        self._lanes = lanes
        self._all_lanes = list(lanes.values())
        self._waiting = waiting
        self._pacer = pacer
        self._in_flight = in_flight
        self._turns = turns
        self._deadline = deadline
        self._statuses = statuses
        self._leave = leave

    def take(self, now_s: float, actions: list[Action]) -> float:
        """Take what may leave now, in turn; return when there will be more.

        Args:
            now_s: now.
            actions: what is taken is added to it.
        """
        self._waiting.wake(now_s)
        if self._pacer.has_doubts:
            self._hurry_a_test(now_s)
        held: dict[Lane, float] = {}
        groups = [group for group in self._waiting.groups if group.due or group.ready]
        if groups:
            opened = self._take_due(self._that_open(groups, now_s), now_s, actions, held)
            if opened:
                self._take_ready(opened, now_s, actions, held)
        return min(self._waiting.wakes_s, next_s(groups, held))

    def _hurry_a_test(self, now_s: float) -> None:
        """Let a status find out whether a limit that refused an export is one that both share."""
        for lane in self._all_lanes:
            if lane.call is Call.START_EXPORT and lane.rank != NONE_DUE and lane.track.tests_others:
                asks = self._lanes[lane.project, Call.ASK_STATUS]
                if len(asks) and asks.rank == NONE_DUE and self._may_leave(asks, now_s):
                    self._waiting.hurry(asks, now_s)

    def _that_open(self, groups: Sequence[Group], now_s: float) -> list[Group]:
        """Find out when groups let a call leave; return those that do now."""
        allows_at, common_at = self._in_flight.allows_at, self._pacer.common_at
        opened = []
        for group in groups:
            opens_s = allows_at(group.call, group.secret, group.circuit)
            if opens_s <= now_s:
                opens_s = max(opens_s, common_at(group.common))
                if opens_s <= now_s:
                    opened.append(group)
            group.opens_s = opens_s
        return opened

    def _take_due(
        self, groups: list[Group], now_s: float, actions: list[Action], held: dict[Lane, float]
    ) -> list[Group]:
        """Take what is due; return the groups that still let a call leave.

        Args:
            groups: those that let a call leave.
            now_s: now.
            actions: what is taken is added to it.
            held: to be filled in: the lanes that only their projects hold up, and until when.
        """
        self._deadline.look(now_s)
        while lanes := [lane for group in groups for lane in group.due if lane not in held]:
            tests = self._pacer.has_doubts and self._is_test_among(lanes, now_s)
            lanes = self._without_held(self._turns.first(lanes), now_s, held)
            if lanes:
                lane = self._turns.next(lanes, due_first=tests)
                if lane.call is not Call.ASK_STATUS or not self._is_put_off(lane, now_s):
                    actions.append(self._leave(lane, now_s))
                    groups = self._that_open(groups, now_s)
        return groups

    def _is_test_among(self, lanes: Sequence[Lane], now_s: float) -> bool:
        return any(lane.track.tests_others and self._own_at(lane) <= now_s for lane in lanes)

    def _without_held(self, lanes: list[Lane], now_s: float, held: dict[Lane, float]) -> list[Lane]:
        """Return the lanes that their project does not hold up; none where one has to be left out.

        Then somebody else's turn may have come.
        """
        free = True
        for lane in lanes:
            at_s = self._own_at(lane)
            if at_s > now_s:
                held[lane] = at_s
                free = False
        return lanes if free else []

    def _take_ready(
        self,
        groups: Sequence[Group],
        now_s: float,
        actions: list[Action],
        held: dict[Lane, float],
    ) -> None:
        """Use calls that nobody else wants, evenly."""
        lanes = [
            lane
            for group in groups
            for lane in group.ready
            if lane.eager_s <= now_s and lane not in held
        ]
        for lane in sorted(lanes, key=_number) if len(lanes) > 1 else lanes:
            while lane.group.opens_s <= now_s and lane.eager_s <= now_s:
                own_s = self._own_at(lane)
                if own_s > now_s:
                    held[lane] = own_s
                    break
                if not self._find_ready(lane, now_s):
                    break
                gap_s = self._pacer.gap_s(lane.track)
                lane.eager_s = max(lane.eager_s, now_s - gap_s) + gap_s
                actions.append(self._leave(lane, now_s))
                groups = self._that_open(groups, now_s)

    def _find_ready(self, lane: Lane, now_s: float) -> bool:
        """Put off what is not worth a call any more; return whether anything is."""
        while lane.is_ready:
            if not self._is_put_off(lane, now_s):
                return True
        return False

    def _is_put_off(self, lane: Lane, now_s: float) -> bool:
        """Put a status off if it is worth less than it was when it was planned."""
        if lane.call is not Call.ASK_STATUS or (self._pacer.has_doubts and lane.track.tests_others):
            return False
        early_s, certain_s = self._statuses.ask_at(lane, now_s)
        if early_s <= now_s:
            return False
        self._waiting.put_off(lane, early_s, certain_s, now_s)
        return True

    def _may_leave(self, lane: Lane, now_s: float) -> bool:
        return bool(self._that_open([lane.group], now_s)) and self._own_at(lane) <= now_s

    def _own_at(self, lane: Lane) -> float:
        """Return when what belongs to a lane's project lets a call leave."""
        withheld = lane.exports.full or lane.project in self._deadline.withheld
        if withheld and lane.call is Call.START_EXPORT:
            return math.inf
        track = lane.track
        if not track.own and track.exports is None:
            return -math.inf
        return self._pacer.own_at(track)


def _number(lane: Lane) -> int:
    return lane.number
