"""Which lanes hold a call that could be made now, and when the others will.

What is looked at in each turn are groups, not lanes: all lanes of a group pass the same scopes but
for their projects'. So a scope that is blocked is looked at once, however many projects wait for
it.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from collector.engine.queueing.lanes import NONE_DUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.admission.circuit_breaker import EndpointBreaker
    from collector.engine.admission.credential_health import CredentialHealth
    from collector.engine.pacing.tracks import Common
    from collector.engine.polling.timing import FirstLook
    from collector.engine.queueing.lanes import Lane


class Group:
    """Lanes of one kind of call that pass the same scopes, but for their projects'.

    Attributes:
        common: the paces that they share.
        credential, breaker: what else they share.
        due: the lanes with a call that is due.
        ready: those without, that have one that is worth a call to spare.
        opens_s: when what they share lets a call leave, as last looked at.
    """

    __slots__ = ("call", "breaker", "common", "due", "opens_s", "ready", "credential")

    def __init__(
        self, common: Common, credential: CredentialHealth, breaker: EndpointBreaker
    ) -> None:
        self.call = common.call
        self.common = common
        self.credential = credential
        self.breaker = breaker
        self.due: dict[Lane, None] = {}
        self.ready: dict[Lane, None] = {}
        self.opens_s = -math.inf


class ReadyLanes:
    """All lanes, by what they hold. Whatever is put into a lane or taken goes through here."""

    __slots__ = ("_alarms", "groups")

    def __init__(self, lanes: Sequence[Lane]) -> None:
        groups: dict[tuple[Common, int, int], Group] = {}
        for lane in lanes:
            common = lane.track.common
            key = common, id(lane.credential), id(lane.breaker)
            if key not in groups:
                groups[key] = Group(common, lane.credential, lane.breaker)
            lane.group = groups[key]
        self.groups = list(groups.values())
        self._alarms: list[tuple[float, int, Lane]] = []
        """When lanes are to be woken; what is no longer true of a lane is dropped when it comes."""

    def put(
        self, lane: Lane, server: int, order: int, early_s: float, certain_s: float, now_s: float
    ) -> None:
        """Let a server wait in a lane, as `Lane.put` does."""
        lane.put(server, order, early_s, certain_s, now_s)
        self._settle(lane)

    def put_unheard(
        self, lane: Lane, server: int, order: int, began_s: float, now_s: float
    ) -> None:
        """Let a server wait in a lane for the first look at its export."""
        lane.put_unheard(server, order, began_s, now_s)
        self._settle(lane)

    def look_first(self, lane: Lane, first: FirstLook, now_s: float) -> None:
        """Look for the first time at the exports of a lane when `first` says."""
        lane.look_first(first, now_s)
        self._settle(lane)

    def take(self, lane: Lane, now_s: float) -> int:
        """Return the server whose turn it is in a lane, as `Lane.take` does."""
        server = lane.take(now_s)
        self._settle(lane)
        return server

    def remove(self, lane: Lane, server: int) -> None:
        """Take a server that waits in a lane out of its turn, as `Lane.remove` does."""
        lane.remove(server)
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
        self._settle(lane)
        return servers

    def empty_heard(self, lane: Lane) -> list[int]:
        """Return those that wait in a lane for a time of their own, out of it."""
        servers = lane.empty_heard()
        self._settle(lane)
        return servers

    def wake(self, now_s: float) -> None:
        """Make ready, or due, what has waited long enough."""
        while self.wakes_s <= now_s:
            lane = heapq.heappop(self._alarms)[2]
            lane.alarm_s = math.inf
            lane.wake(now_s)
            self._settle(lane)

    @property
    def wakes_s(self) -> float:
        """When the next one becomes ready or due; infinite where none waits for a time."""
        alarms = self._alarms
        while alarms:
            at_s, _, lane = alarms[0]
            if at_s == lane.alarm_s == lane.wakes_s:
                return at_s
            heapq.heappop(alarms)
            if at_s == lane.alarm_s:  # what it was set for has left
                lane.alarm_s = math.inf
                if lane.wakes_s < math.inf:
                    self._set_alarm(lane)
        return math.inf

    def _settle(self, lane: Lane) -> None:
        """See to it that a lane stands where what it holds says."""
        group = lane.group
        holds = group.due if lane.rank != NONE_DUE else group.ready if lane.is_ready else None
        if holds is not lane.stands:
            if lane.stands is not None:
                del lane.stands[lane]
            if holds is not None:
                holds[lane] = None
            lane.stands = holds
        if lane.wakes_s < lane.alarm_s:
            self._set_alarm(lane)

    def _set_alarm(self, lane: Lane) -> None:
        lane.alarm_s = lane.wakes_s
        heapq.heappush(self._alarms, (lane.wakes_s, lane.number, lane))


def next_s(groups: Sequence[Group], held: dict[Lane, float]) -> float:
    """Return when the next of the lanes may send that hold something that is due or ready."""
    soonest_s = math.inf
    for group in groups:
        opens_s = group.opens_s
        if opens_s >= soonest_s:
            continue
        for lane in group.due:
            soonest_s = min(soonest_s, max(opens_s, held.get(lane, opens_s)))
            if not held:
                break  # the others wait for the same
        for lane in group.ready:
            if lane.eager_s < soonest_s:
                soonest_s = min(soonest_s, max(opens_s, lane.eager_s, held.get(lane, opens_s)))
    return soonest_s
