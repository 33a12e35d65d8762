"""A bound on how soon a fleet can be home: not a policy, for it knows what nobody knows.

Exactly three calls a server, in the inventory's order and none refused: the export, one status
that arrives as the export completes, and the download. Limits and durations are known, every call
takes the mean latency. Whatever may go, goes; the better of exports first and ready first.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.pacing.driver import Wire
    from benchmarks.pacing.gateway import Gateway

EXPORTS_FIRST = (Call.START_EXPORT, Call.FETCH_ARCHIVE, Call.ASK_STATUS)
READY_FIRST = (Call.FETCH_ARCHIVE, Call.ASK_STATUS, Call.START_EXPORT)


@dataclass(frozen=True, slots=True)
class Bound:
    """How soon it can be done.

    Attributes:
        homes_s: when each server is home.
    """

    homes_s: list[float]

    @property
    def makespan_s(self) -> float:
        """When the last one is home."""
        return max(self.homes_s)


@dataclass(slots=True)
class _Plan:
    """One way through it; times are those of arrival at the gateway.

    Attributes:
        waiting: (not before, server) by project and call.
    """

    gateway: Gateway
    durations_s: Sequence[float]
    projects: int
    wire: Wire
    project_of: Callable[[int], int]
    waiting: dict[tuple[int, Call], list[tuple[float, int]]] = field(default_factory=dict)

    def bound(self, order: tuple[Call, ...]) -> Bound:
        homes_s = [math.inf] * len(self.durations_s)
        left = len(homes_s)
        self._fill()
        now_s = 0.0
        while left:
            key, now_s = self._next(order, now_s)
            project, call = key
            _, server = heapq.heappop(self.waiting[key])
            self.gateway.take(project, call, now_s, self.durations_s[server])
            if call is Call.START_EXPORT:
                after_s = max(self.wire.latency_s, self.durations_s[server])
                heapq.heappush(self.waiting[project, Call.ASK_STATUS], (now_s + after_s, server))
            elif call is Call.ASK_STATUS:
                ready = self.waiting[project, Call.FETCH_ARCHIVE]
                heapq.heappush(ready, (now_s + self.wire.latency_s, server))
            else:
                homes_s[server] = now_s + self.wire.latency_s / 2 + self.wire.download_s
                left -= 1
        return Bound(homes_s)

    def _fill(self) -> None:
        first_s = self.wire.latency_s / 2
        for project in range(self.projects):
            for call in Call:
                self.waiting[project, call] = []
        for server in range(len(self.durations_s)):
            self.waiting[self.project_of(server), Call.START_EXPORT].append((first_s, server))

    def _next(self, order: tuple[Call, ...], now_s: float) -> tuple[tuple[int, Call], float]:
        """Return what goes next, and when."""
        while True:
            best: tuple[int, float, int, tuple[int, Call]] | None = None
            soonest_s = math.inf
            for key, servers in self.waiting.items():
                if not servers:
                    continue
                ready_s, server = servers[0]
                at_s = max(ready_s, self.gateway.free_at(*key, now_s))
                soonest_s = min(soonest_s, at_s)
                if at_s <= now_s:
                    candidate = (order.index(key[1]), ready_s, server, key)
                    best = candidate if best is None else min(best, candidate)
            if best is not None:
                return best[3], now_s
            now_s = soonest_s


def bound(
    gateway: Callable[[], Gateway],
    durations_s: Sequence[float],
    *,
    projects: int,
    wire: Wire,
    project_of: Callable[[int], int] | None = None,
) -> Bound:
    """Return the better of both orders; `gateway` makes one to which nothing has come yet.

    Servers take turns at projects, if nothing else is said.
    """
    project_of = project_of or (lambda server: server % projects)
    bounds = [
        _Plan(gateway(), durations_s, projects, wire, project_of).bound(order)
        for order in (EXPORTS_FIRST, READY_FIRST)
    ]
    return min(bounds, key=lambda bound: bound.makespan_s)


def best_lateness(polls: float, spread: float) -> float:
    """Return the least part of its duration by which an export's end is noticed late, at p95.

    Nothing is known but the durations' log-normal distribution, of which `spread` is the standard
    deviation of logarithms; an export is asked `polls` times on average. One twentieth may be late
    by more: it is cheapest to let those be the shortest exports, for a poll early on is a poll of
    all. From there on polls grow apart by a constant factor, whose last part is the lateness.
    """
    low, high = 1e-4, 10.0
    shortest = NormalDist().inv_cdf(0.05)
    while high - low > 1e-6:
        step = (low + high) / 2
        asked, at = 1.0, shortest + step / spread
        while (running := 1 - NormalDist().cdf(at)) > 1e-9:
            asked += running
            at += step / spread
        low, high = (step, high) if asked > polls else (low, step)
    return math.exp(high) - 1
