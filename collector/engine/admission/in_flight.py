"""Calls in flight: how many there may be, and which of them hold a place.

A call that takes much longer than others did gives its place up, and so does a download that brings
much less: a server that stalls must not hold up the rest. It takes its place again when it goes on.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.admission.circuit_breaker import DISK_PATIENCE_S, CircuitBreaker
from collector.engine.admission.throughput import LOOK_S, Throughput
from collector.model.actions import FetchArchive
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.engine.admission.alone import Alone
    from collector.engine.queueing.lanes import Lane
    from collector.model.actions import Request
    from collector.model.ceilings import Ceilings

STALLED_S, LONGEST_STALLED_S = 0.25, 10.0
"""A download that nothing arrives of for this long holds no place any more; at most, where such
downloads went on after all: then the network is slow, and more of them at once would not help."""
PATIENCE_GROWS = 1.5


@dataclass(slots=True, eq=False)
class Flight:
    """A call in flight.

    Attributes:
        action: the call.
        lane: where its server waited.
        last_seen_s: when it left, or when something of it last arrived.
        opened: an archive's first bytes are here: the API has answered.
        received: its last ones are.
        ours: what has come is dealt with here, and no more is asked for.
        stalled: it holds no place: nothing came for too long, or it is far behind.
        far_behind: it brings much less than others do.
        bytes, since_s: what came of it since then, when it was last judged.
        alone: those that count it, since nobody knew whether it would be accepted.
    """

    action: Request
    lane: Lane
    last_seen_s: float
    opened: bool = False
    received: bool = False
    ours: bool = False
    stalled: bool = False
    far_behind: bool = False
    bytes: int = 0
    since_s: float = math.inf
    alone: tuple[Alone, ...] = ()

    @property
    def is_download(self) -> bool:
        """Whether it is one."""
        return self.action.call is Call.FETCH_ARCHIVE


class InFlight:
    """Calls in flight, one a server, and whether one more may be.

    Attributes:
        disk: whether archives can be stored. While they cannot, one download at a time tries.
        posts: how many POSTs are unanswered.
    """

    __slots__ = (
        "_ceilings",
        "_downloads",
        "_number",
        "_out",
        "_small",
        "_stalled",
        "_stalled_s",
        "_storing",
        "_throughput",
        "_watched",
        "disk",
        "posts",
    )  # fmt: skip

    def __init__(self, ceilings: Ceilings) -> None:
        self.disk = CircuitBreaker(DISK_PATIENCE_S)
        self.posts = 0
        self._ceilings = ceilings
        self._out: dict[int, Flight] = {}
        self._watched: list[tuple[float, int, Flight]] = []
        """When they are to be looked at, since they may stall; some have ended since."""
        self._number = itertools.count().__next__
        self._downloads = 0
        self._storing = 0
        self._small = 0
        self._stalled = 0
        self._stalled_s = STALLED_S
        self._throughput = Throughput()

    def __len__(self) -> int:
        return len(self._out)

    def __contains__(self, server: int) -> bool:
        return server in self._out

    def downloads(self) -> Iterator[FetchArchive]:
        """Yield the downloads in flight."""
        for flight in self._out.values():
            if isinstance(flight.action, FetchArchive):
                yield flight.action

    def room_at(self, call: Call) -> float:
        """Return when there is room for one more such call; infinite: when another has ended."""
        if call is Call.FETCH_ARCHIVE:
            return self.disk.probe_s if self.has_room_for_download else math.inf
        return math.inf if self._small >= self._ceilings.calls else -math.inf

    @property
    def has_room_for_download(self) -> bool:
        """Whether one more archive may be on its way."""
        most = self._ceilings
        full = self._downloads >= most.downloads or self._storing >= most.storing
        return not full and not self.disk.is_open

    # Places

    def left(self, action: Request, lane: Lane) -> None:
        """Count a call that is in flight from now on."""
        flight = self._out[action.server] = Flight(action, lane, action.sent_s)
        self._watch(flight, self._stalls_s(flight))
        self._take_place(flight, 1)
        self.posts += action.call is Call.START_EXPORT
        if flight.is_download:
            self.disk.in_flight += 1
        lane.credential.in_flight += 1
        silent_s = action.sent_s
        if not lane.admission.accepted:
            flight.alone = lane.admission.all_alone
            silent_s += lane.credential.sign_in.takes_s
        if not lane.permission.accepted:
            flight.alone += (lane.permission.alone,)
        for one in flight.alone:
            one.left()
        lane.breaker.left(action.server, silent_s)

    def of(self, action: Request) -> Flight | None:
        """Return what is known of a call; None if it is no longer in flight."""
        flight = self._out.get(action.server)
        if flight is None or (flight.action is not action and flight.action != action):
            return None
        return flight

    def opened(self, flight: Flight, now_s: float) -> None:
        """Count a download that the API has answered: it goes on until it has ended."""
        self._goes_on(flight, now_s)
        self._answered(flight)
        flight.opened = True
        flight.since_s = now_s

    def arrived(self, flight: Flight, size: int, now_s: float) -> None:
        """Record that bytes of a download have come; no more is waited for yet."""
        flight.ours = True
        flight.bytes += size
        self._throughput.arrived(size, now_s)
        if flight.far_behind:
            flight.far_behind = self._is_far_behind(flight, now_s)
        if not flight.far_behind:
            self._goes_on(flight, now_s)

    def _is_far_behind(self, flight: Flight, now_s: float) -> bool:
        """Judge a download anew, if that was not done a moment ago."""
        took_s = now_s - flight.since_s
        if took_s < LOOK_S:
            return flight.far_behind
        size, flight.bytes, flight.since_s = flight.bytes, 0, now_s
        return self._throughput.is_far_behind(
            size, took_s, now_s=now_s, places=self._ceilings.downloads
        )

    def _goes_on(self, flight: Flight, now_s: float) -> None:
        flight.last_seen_s = now_s
        if flight.stalled:
            flight.stalled = False
            if flight.opened:
                self._stalled_s = min(LONGEST_STALLED_S, PATIENCE_GROWS * self._stalled_s)
            self._stalled -= 1
            self._take_place(flight, 1)
            self._watch(flight, self._stalls_s(flight))
            if not flight.opened:
                flight.lane.credential.in_flight += 1
                for one in flight.alone:
                    one.goes_on()

    def awaited(self, flight: Flight, now_s: float) -> None:
        """Record that more of a download is asked for."""
        flight.last_seen_s = now_s
        flight.ours = False

    def received(self, flight: Flight) -> None:
        """Count a download whose bytes are all here, and which is still being stored."""
        self._goes_on(flight, flight.last_seen_s)
        self._downloads -= 1
        self._storing += 1
        flight.received = True

    def ended(self, flight: Flight) -> None:
        """Let go of a call that is no longer in flight."""
        del self._out[flight.action.server]
        if not flight.opened:
            self._answered(flight)
        if flight.stalled:
            self._stalled -= 1
        else:
            self._take_place(flight, -1)
        self.posts -= flight.action.call is Call.START_EXPORT
        if flight.is_download:
            self.disk.in_flight -= 1

    def _answered(self, flight: Flight) -> None:
        if not flight.stalled:
            flight.lane.credential.in_flight -= 1
        for one in flight.alone:
            one.came_back(stalled=flight.stalled)
        flight.alone = ()
        flight.lane.breaker.came_back(flight.action.server)

    def _take_place(self, flight: Flight, change: int) -> None:
        if not flight.is_download:
            self._small += change
        elif flight.received:
            self._storing += change
        else:
            self._downloads += change

    # What stalls

    def find_stalled(self, now_s: float) -> list[Flight]:
        """Take their places from calls that nothing came of for too long; return these.

        Returns:
            Those that the API has not answered; a download that stalls holds up nothing else.
        """
        fallen = []
        while self._watched and self._watched[0][0] <= now_s:
            flight = heapq.heappop(self._watched)[2]
            if self.of(flight.action) is not flight or flight.received or flight.stalled:
                continue
            stalls_s = now_s + self._stalled_s if flight.ours else self._stalls_s(flight)
            flight.far_behind = flight.opened and self._is_far_behind(flight, now_s)
            if stalls_s > now_s and not flight.far_behind:
                self._watch(flight, stalls_s)
            elif self._stalled >= self._ceilings.stalled:
                self._watch(flight, now_s + STALLED_S)  # where too many stall, they do hold places
            else:
                flight.stalled = True
                self._stalled += 1
                self._take_place(flight, -1)
                if not flight.opened:
                    flight.lane.credential.in_flight -= 1
                    for one in flight.alone:
                        one.stalls()
                    fallen.append(flight)
        return fallen

    @property
    def next_stall_s(self) -> float:
        """When `find_stalled` is worth asking next; infinite where nothing is in flight."""
        watched = self._watched
        while watched and self.of(watched[0][2].action) is not watched[0][2]:
            heapq.heappop(watched)
        return watched[0][0] if watched else math.inf

    def _stalls_s(self, flight: Flight) -> float:
        """Return when a call has taken too long, if nothing arrives before."""
        if flight.opened:
            return flight.last_seen_s + self._stalled_s
        return flight.last_seen_s + flight.lane.track.latency.too_long_s

    def _watch(self, flight: Flight, at_s: float) -> None:
        heapq.heappush(self._watched, (at_s, self._number(), flight))
