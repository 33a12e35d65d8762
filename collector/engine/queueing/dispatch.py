"""Which of the calls that wait leave now: what scopes, ceilings and turns let through."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from collector.engine.queueing.lanes import NONE_DUE
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from collector.engine.admission.in_flight import InFlight
    from collector.engine.pacing.pacer import Pacer
    from collector.engine.polling.statuses import Statuses
    from collector.engine.queueing.deadline import Deadline
    from collector.engine.queueing.fair_queue import FairQueue
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.ready import Line, ReadyLanes
    from collector.model.actions import Action, Request


class Dispatcher:
    """Takes out of the lanes what may leave.

    Args:
        lanes: all of the run's, by project and call.
        waiting: what they hold.
        pacer: who may send when.
        in_flight: how many calls may be in flight.
        turns: whose turn it is.
        deadline: whether all can be home in time.
        statuses: when those are worth asking for.
        leave: takes a lane's next call out of it, and sees it off.
    """

    __slots__ = (
        "_deadline", "_in_flight", "_lanes", "_leave", "_pacer", "_statuses",
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
        waiting = self._waiting
        waiting.wake(now_s)
        if self._pacer.has_doubts and self._pacer.test_at() <= now_s:
            self._hurry_a_test(now_s)
        if self._deadline.look(now_s):
            waiting.release(self._deadline)
        lines = waiting.to_look_at(now_s)
        if lines:
            open_lines = self._take_due(lines, now_s, actions)
            self._take_ready(open_lines, now_s, actions)
        return waiting.wakes_s

    def _hurry_a_test(self, now_s: float) -> None:
        """Let a status find out whether a limit that refused an export is one that both share."""
        for lane in self._lanes.values():
            if lane.call is Call.START_EXPORT and lane.rank != NONE_DUE and lane.track.tests_others:
                asks = self._lanes[lane.project, Call.ASK_STATUS]
                if len(asks) and asks.rank == NONE_DUE and not self._closed(asks, now_s):
                    self._waiting.hurry(asks, now_s)

    def _take_due(self, lines: Iterable[Line], now_s: float, actions: list[Action]) -> list[Line]:
        """Take what is due; return the lines whose gates are still open."""
        turns = self._turns
        still_open = dict.fromkeys(lines)
        shut: set[Line] = set()
        firsts = [(place, id(line), line) for line in lines if (place := line.first_due(turns))]
        heapq.heapify(firsts)
        while firsts:
            place, _, line = heapq.heappop(firsts)
            first = line.first_due(turns)
            if first is place:
                lane = first[4]
                if closed := self._closed(lane, now_s):
                    if closed[0] is line.gate:
                        self._waiting.closed(line, closed[1])
                        shut.add(line)
                        continue
                    heapq.heappop(line.due)
                    self._waiting.hold(lane, *closed)
                else:
                    home = self._take_turn(lane, now_s, actions).home
                    if home not in shut and home is not line:
                        still_open[home] = None
                        if (new := home.first_due(turns)) is not None:
                            heapq.heappush(firsts, (new, id(home), home))
                first = line.first_due(turns)
            if first is not None:
                heapq.heappush(firsts, (first, id(line), line))
        return [line for line in still_open if line not in shut]

    def _take_turn(self, lane: Lane, now_s: float, actions: list[Action]) -> Lane:
        """Let a call of the lane leave, or one of the same project that is due and may leave."""
        rank, closed = lane.rank, self._closed
        others = [one for one in lane.others if one.rank == rank and not closed(one, now_s)]
        tests = self._pacer.has_doubts and self._pacer.tests_others(now_s)
        lane = self._turns.next([lane, *others], due_first=tests)
        if lane.call is not Call.ASK_STATUS or not self._is_put_off(lane, now_s):
            actions.append(self._leave(lane, now_s))
        return lane

    def _take_ready(self, lines: Iterable[Line], now_s: float, actions: list[Action]) -> None:
        """Use calls that nobody else wants, evenly."""
        firsts = [(place, id(line), line) for line in lines if (place := line.first_ready())]
        heapq.heapify(firsts)
        while firsts:
            place, _, line = heapq.heappop(firsts)
            first = line.first_ready()
            if first is place:
                lane = first[1]
                closed = self._closed(lane, now_s)
                if closed is None and lane.eager_s > now_s:
                    closed = lane, lane.eager_s  # so that these go evenly
                if closed is not None:
                    if closed[0] is line.gate:
                        self._waiting.closed(line, closed[1])
                        continue
                    heapq.heappop(line.ready)
                    self._waiting.hold(lane, *closed)
                elif self._find_ready(lane, now_s):
                    gap_s = self._pacer.gap_s(lane.track)
                    lane.eager_s = max(lane.eager_s, now_s - gap_s) + gap_s
                    actions.append(self._leave(lane, now_s))
                first = line.first_ready()
            if first is not None:
                heapq.heappush(firsts, (first, id(line), line))

    def _closed(self, lane: Lane, now_s: float) -> tuple[Hashable, float] | None:
        """Return what holds up a lane's next call, and until when; infinite: until an answer."""
        at_s = self._in_flight.room_at(lane.call)
        if at_s > now_s:
            return lane.home.gate, at_s
        breaker, admission = lane.breaker, lane.admission
        if breaker.holds or breaker.given_up:
            return breaker, math.inf
        if not admission.accepted and (shut := admission.closed(now_s)) is not None:
            return shut
        permission = lane.permission
        if not permission.free and (shut := permission.closed(now_s)) is not None:
            return shut
        closed: Hashable = None
        last_s = now_s
        for pace in lane.track.binding:
            if (at_s := self._pacer.pace_at(pace)) > last_s:
                closed, last_s = pace, at_s
        if closed is not None:
            return closed, last_s
        return self._closed_to_exports(lane) if lane.call is Call.START_EXPORT else None

    def _closed_to_exports(self, lane: Lane) -> tuple[Hashable, float] | None:
        if lane.exports.full:
            return lane.exports, math.inf
        if lane.project in self._deadline.withheld:
            return self._deadline, math.inf
        limit = lane.track.exports
        if limit is not None and not limit.allows(lane.track.running):
            return lane.exports, math.inf
        return None

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
