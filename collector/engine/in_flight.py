"""Calls under way: how many there may be, and which of them hold a place.

A call that takes much longer than others did gives its place up: a server that hangs must not hold
up the rest. Should something come after all, it takes its place again.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.actions import FetchArchive
from collector.engine.answers import Call
from collector.engine.circuit import DISK_PATIENCE_S, Circuit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.engine.actions import Request
    from collector.engine.circuit import EndpointCircuit
    from collector.engine.gates import Ceilings, Secret
    from collector.engine.lanes import Lane

STALLED_S = 1.0
"""An archive of which nothing arrives for this long holds no place any more."""


@dataclass(slots=True, eq=False)
class Flight:
    """A call under way.

    Attributes:
        action: the call.
        lane: where its server waited.
        heard_s: when it left, or when something of it last arrived.
        opened: an archive's first bytes are here: the API has answered.
        received: its last ones are.
        quiet: nothing was heard for too long: it holds no place.
    """

    action: Request
    lane: Lane
    heard_s: float
    opened: bool = False
    received: bool = False
    quiet: bool = False

    @property
    def is_download(self) -> bool:
        """Whether it is one."""
        return self.action.call is Call.FETCH_ARCHIVE

    @property
    def hangs_s(self) -> float:
        """When it has taken too long, if nothing arrives before."""
        return self.heard_s + (STALLED_S if self.opened else self.lane.track.latency.too_long_s)


class InFlight:
    """Calls under way, one a server, and whether one more may be.

    Attributes:
        disk: whether archives can be stored. While they cannot, one download at a time tries.
        posts: how many POSTs are unanswered.
    """

    __slots__ = (
        "_ceilings", "_downloads", "_number", "_out", "_quiet", "_small", "_storing", "_watched",
        "disk", "posts",
    )  # fmt: skip

    def __init__(self, ceilings: Ceilings) -> None:
        self.disk = Circuit(answered=True, patience_s=DISK_PATIENCE_S)
        self.posts = 0
        self._ceilings = ceilings
        self._out: dict[int, Flight] = {}
        self._watched: list[tuple[float, int, Flight]] = []
        """When they are to be looked at, since they may hang; some have ended since."""
        self._number = itertools.count().__next__
        self._downloads = 0
        self._storing = 0
        self._small = 0
        self._quiet = 0

    def __len__(self) -> int:
        return len(self._out)

    def __contains__(self, server: int) -> bool:
        return server in self._out

    def downloads(self) -> Iterator[FetchArchive]:
        """Yield the downloads under way."""
        for flight in self._out.values():
            if isinstance(flight.action, FetchArchive):
                yield flight.action

    def allows_at(self, call: Call, secret: Secret, circuit: EndpointCircuit) -> float:
        """Return when one more such call may be under way; infinite: when an answer has come."""
        opens_s = -math.inf
        if circuit.holds or circuit.given_up:
            return math.inf
        if call is Call.FETCH_ARCHIVE:
            if not self.has_room_for_download:
                return math.inf
            opens_s = self.disk.probe_s
        elif self._small >= self._ceilings.calls:
            return math.inf
        return math.inf if not secret.accepted and secret.under_way else opens_s

    @property
    def has_room_for_download(self) -> bool:
        """Whether one more archive may be on its way."""
        most = self._ceilings
        full = self._downloads >= most.downloads or self._storing >= most.storing
        return not full and not self.disk.is_open

    # Places

    def left(self, action: Request, lane: Lane) -> None:
        """Count a call that is under way from now on."""
        flight = self._out[action.server] = Flight(action, lane, action.sent_s)
        self._watch(flight, flight.hangs_s)
        self._take_place(flight, 1)
        self.posts += action.call is Call.START_EXPORT
        if flight.is_download:
            self.disk.under_way += 1
        lane.secret.under_way += 1
        lane.circuit.left(action.server, action.sent_s)

    def of(self, action: Request) -> Flight | None:
        """Return what is known of a call; None if it is no longer under way."""
        flight = self._out.get(action.server)
        return flight if flight is not None and flight.action is action else None

    def opened(self, flight: Flight, now_s: float) -> None:
        """Count a download that the API has answered: it goes on until it has ended."""
        self.arrived(flight, now_s)
        self._answered(flight)
        flight.opened = True

    def arrived(self, flight: Flight, now_s: float) -> None:
        """Record that something of a download has come."""
        flight.heard_s = now_s
        if flight.quiet:
            flight.quiet = False
            self._quiet -= 1
            self._take_place(flight, 1)
            self._watch(flight, flight.hangs_s)
            if not flight.opened:
                flight.lane.secret.under_way += 1

    def received(self, flight: Flight) -> None:
        """Count a download whose bytes are all here, and which is still being stored."""
        self.arrived(flight, flight.heard_s)
        self._downloads -= 1
        self._storing += 1
        flight.received = True

    def ended(self, flight: Flight) -> None:
        """Let go of a call that is no longer under way."""
        del self._out[flight.action.server]
        if not flight.opened:
            self._answered(flight)
        if flight.quiet:
            self._quiet -= 1
        else:
            self._take_place(flight, -1)
        self.posts -= flight.action.call is Call.START_EXPORT
        if flight.is_download:
            self.disk.under_way -= 1

    def _answered(self, flight: Flight) -> None:
        if not flight.quiet:
            flight.lane.secret.under_way -= 1
        flight.lane.circuit.came_back(flight.action.server)

    def _take_place(self, flight: Flight, change: int) -> None:
        if not flight.is_download:
            self._small += change
        elif flight.received:
            self._storing += change
        else:
            self._downloads += change

    # What hangs

    def fall_quiet(self, now_s: float) -> list[Flight]:
        """Take their places from calls that nothing was heard of for too long; return these.

        Returns:
            Those that the API has not answered; a download that stalls holds up nothing else.
        """
        fallen = []
        while self._watched and self._watched[0][0] <= now_s:
            flight = heapq.heappop(self._watched)[2]
            if self.of(flight.action) is not flight or flight.received or flight.quiet:
                continue
            if flight.hangs_s > now_s:
                self._watch(flight, flight.hangs_s)
            elif self._quiet >= self._ceilings.quiet:
                self._watch(flight, now_s + STALLED_S)  # where too many hang, they do hold places
            else:
                flight.quiet = True
                self._quiet += 1
                self._take_place(flight, -1)
                if not flight.opened:
                    flight.lane.secret.under_way -= 1
                    fallen.append(flight)
        return fallen

    @property
    def quiet_s(self) -> float:
        """When `fall_quiet` is worth asking next; infinite where nothing is under way."""
        watched = self._watched
        while watched and self.of(watched[0][2].action) is not watched[0][2]:
            heapq.heappop(watched)
        return watched[0][0] if watched else math.inf

    def _watch(self, flight: Flight, at_s: float) -> None:
        heapq.heappush(self._watched, (at_s, self._number(), flight))
