"""Which lanes hold a call that could be made now, and what each of them waits for.

A lane with a call that is due, or that is worth a call to spare, stands in one *line*: in that of
its kind of call, or in that of the first *gate* that was found closed to it. A gate is whatever may
hold calls up: an endpoint's breaker, a credential, the pace of a scope, a project's exports. In a
turn only the heads of lines are looked at whose gate may have opened: by an answer, or with time.
So whoever is held up costs nothing, however many there are.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

from collector.engine.queueing.alarms import Alarms
from collector.engine.queueing.lanes import NONE_DUE, NOWHERE
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from collector.engine.polling.timing import FirstLook
    from collector.engine.queueing.fair_queue import FairQueue
    from collector.engine.queueing.lanes import DuePlace, Lane, ReadyPlace


class Line:
    """Lanes that wait for one gate, those that are due in the order of their turns.

    Attributes:
        gate: what they wait for.
        due, ready: the lanes; who has gone elsewhere is dropped when it comes to the front.
        wakes_s, alarm_s: when the gate opens, as last looked at; see `Alarms`.
    """

    __slots__ = ("alarm_s", "due", "gate", "ready", "wakes_s")

    def __init__(self, gate: Hashable) -> None:
        self.gate = gate
        self.due: list[DuePlace] = []
        self.ready: list[ReadyPlace] = []
        self.wakes_s = self.alarm_s = math.inf

    def first_due(self, turns: FairQueue) -> DuePlace | None:
        """Return the place of the lane whose turn it is first, as of now."""
        heap = self.due
        while heap:
            place = heap[0]
            lane = place[4]
            if lane.place is not place:
                heapq.heappop(heap)
                continue
            time = turns.time(lane.project)
            if place[0] == lane.rank and place[1] == time:
                return place
            lane.place = (lane.rank, time, lane.project, lane.number, lane)
            lane.stands = lane.rank
            heapq.heapreplace(heap, lane.place)
        return None

    def first_ready(self) -> ReadyPlace | None:
        """Return the place of the first lane that is worth a call to spare."""
        heap = self.ready
        while heap:
            if heap[0][1].place is heap[0]:
                return heap[0]
            heapq.heappop(heap)
        return None


class ReadyLanes:
    """All lanes, by what they hold. Whatever is put into a lane or taken goes through here.

    Args:
        lanes: all of the run's.
        turns: whose turn it is.

    Attributes:
        waiting: how many servers wait in all lanes.
    """

    __slots__ = ("_alarms", "_gates", "_homes", "_lines", "_looked_at", "_turns", "waiting")

    def __init__(self, lanes: Iterable[Lane], turns: FairQueue) -> None:
        self._turns = turns
        self.waiting = 0
        small, downloads = Line("small calls"), Line("downloads")
        self._homes = {call: downloads if call is Call.FETCH_ARCHIVE else small for call in Call}
        for lane in lanes:
            lane.home = self._homes[lane.call]
        self._lines: dict[Hashable, Line] = {}
        """Those of gates that were found closed."""
        self._looked_at: dict[Line, None] = {}
        """Those whose gates may have opened since."""
        self._alarms: Alarms[Lane] = Alarms()
        self._gates: Alarms[Line] = Alarms()

    # What lanes hold

    def put(
        self, lane: Lane, server: int, order: int, early_s: float, certain_s: float, now_s: float
    ) -> None:
        """Let a server wait in a lane, as `Lane.put` does."""
        lane.put(server, order, early_s, certain_s, now_s)
        self._count(lane, 1)
        self._settle(lane)

    def put_unasked(
        self, lane: Lane, server: int, order: int, began_s: float, now_s: float, group: int
    ) -> None:
        """Let a server wait in a lane for the first look at its export."""
        lane.put_unasked(server, order, began_s, now_s, group)
        self._count(lane, 1)
        self._settle(lane)

    def look_first(self, lane: Lane, first: FirstLook, now_s: float, group: int) -> None:
        """Look for the first time at the exports of a group when `first` says."""
        lane.look_first(first, now_s, group)
        self._settle(lane)

    def take(self, lane: Lane, now_s: float) -> int:
        """Return the server whose turn it is in a lane, as `Lane.take` does."""
        server = lane.take(now_s)
        self._count(lane, -1)
        self._settle(lane)
        return server

    def remove(self, lane: Lane, server: int) -> None:
        """Take a server that waits in a lane out of its turn, as `Lane.remove` does."""
        lane.remove(server)
        self._count(lane, -1)
        self._settle(lane)

    def put_off(self, lane: Lane, early_s: float, certain_s: float, now_s: float) -> None:
        """Let the server whose turn it is in a lane wait until `early_s`."""
        lane.put_off(early_s, certain_s, now_s)
        self._settle(lane)

    def hurry(self, lane: Lane, now_s: float) -> None:
        """Make one of a lane due."""
        lane.hurry(now_s)
        self._settle(lane)

    def empty(self, lane: Lane) -> list[int]:
        """Return all that wait in a lane, out of it."""
        servers = lane.empty()
        self._count(lane, -len(servers))
        self._settle(lane)
        return servers

    def empty_planned(self, lane: Lane) -> list[int]:
        """Return those that wait in a lane for a time of their own, out of it."""
        servers = lane.empty_planned()
        self._count(lane, -len(servers))
        self._settle(lane)
        return servers

    def wake(self, now_s: float) -> None:
        """Make ready, or due, what has waited long enough."""
        while self._alarms.next_s <= now_s:
            lane = self._alarms.pop()
            lane.wake(now_s)
            self._settle(lane)

    @property
    def wakes_s(self) -> float:
        """When a server becomes ready or due, or a gate opens; infinite: not by time."""
        return min(self._alarms.next_s, self._gates.next_s)

    def _count(self, lane: Lane, change: int) -> None:
        self.waiting += change
        lane.breaker.wait(change)

    def _settle(self, lane: Lane) -> None:
        """See to it that a lane stands in a line as what it holds says."""
        wanted = lane.rank
        if wanted == NONE_DUE and not lane.is_ready:
            wanted = NOWHERE
        if wanted != lane.stands:
            if wanted == NOWHERE:
                lane.stands, lane.place = NOWHERE, None
            elif wanted < lane.stands or wanted == NONE_DUE:
                lane.stands = wanted
                self._line_up(lane, lane.home)
        if lane.wakes_s < lane.alarm_s:
            self._alarms.set(lane, lane.wakes_s)

    # What lanes wait for

    def hold(self, lane: Lane, gate: Hashable, until_s: float) -> None:
        """Let a lane wait for a gate that is closed to it, until a time or an answer."""
        line = lane.home if gate is lane.home.gate else self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = Line(gate)
        self._line_up(lane, line)
        self.closed(line, until_s)

    def closed(self, line: Line, until_s: float) -> None:
        """Look at a line no more until its gate may have opened."""
        self._gates.set(line, until_s)

    def touch(self, lane: Lane) -> None:
        """Look again at what waits for anything that an answer to a lane's call may have opened."""
        if self._lines:
            self.touch_gate(lane.breaker)
            self.touch_gate(lane.admission)
            self.touch_gate(lane.credential)
            self.touch_gate(lane.credential.sign_in)
            for pace in lane.track.paces:
                self.touch_gate(pace)
            self.touch_gate(lane.exports)
            if lane.permission.of_project.holds:
                self.touch_permissions(lane)

    def touch_permissions(self, lane: Lane) -> None:
        """Look again at what waits to find out what a lane's project is allowed."""
        for permission in lane.permission.of_project.all():
            self.touch_gate(permission)

    def touch_gate(self, gate: Hashable) -> None:
        """Look again at what waits for a gate."""
        line = self._lines.get(gate)
        if line is not None:
            self._looked_at[line] = None

    def touch_all(self, gates: Iterator[Hashable]) -> None:
        """Look again at what waits for any of some gates; at all, where that is less."""
        lines = self._lines
        for gate in itertools.islice(gates, len(lines)):
            if (line := lines.get(gate)) is not None:
                self._looked_at[line] = None
        if any(True for _ in gates):
            self._looked_at.update(dict.fromkeys(lines.values()))

    def release(self, gate: Hashable) -> None:
        """Let go what waits for a gate that is not the same to all: each is looked at anew."""
        line = self._lines.pop(gate, None)
        if line is not None:
            for due in line.due:
                if due[4].place is due:
                    self._line_up(due[4], due[4].home)
            for ready in line.ready:
                if ready[1].place is ready:
                    self._line_up(ready[1], ready[1].home)
            line.due.clear()
            line.ready.clear()

    def to_look_at(self, now_s: float) -> list[Line]:
        """Return the lines whose gates may be open."""
        found = self._looked_at
        while self._gates.next_s <= now_s:
            found[self._gates.pop()] = None
        for line in self._homes.values():
            if line.due or line.ready:
                found[line] = None
        self._looked_at = {}
        return [line for line in found if line.due or line.ready or self._is_dropped(line)]

    def _is_dropped(self, line: Line) -> bool:
        """Forget a line that nobody stands in."""
        self._lines.pop(line.gate, None)
        line.wakes_s = math.inf
        return False

    def _line_up(self, lane: Lane, line: Line) -> None:
        if lane.rank != NONE_DUE:
            time = self._turns.time(lane.project)
            due = lane.place = (lane.rank, time, lane.project, lane.number, lane)
            heapq.heappush(line.due, due)
        else:
            ready = lane.place = (lane.number, lane)
            heapq.heappush(line.ready, ready)
