"""What happened over time: calls, 429s, bytes and servers in bins, and the limits as they changed.

    follower = Follower()
    for event in journal:
        follower.follow(event)
    follower.series()

Bins double in width whenever there would be more than `BINS`, so a run of a minute and one of a
day take the same memory. A count that comes every few seconds is spread over the time that it
counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.model import events as e
from collector.report.limits import SHORTEST_WINDOW_S
from collector.report.page import LimitPoint, Series
from collector.report.rates import COUNTED_EVERY_S
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BINS: Final = 600
"""Bins at most; from half as many on, once there were more."""
NARROWEST_S: Final = 1.0
POINTS: Final = 400
"""Points of limits at most, of all scopes."""
SCOPES: Final = 40
"""Scopes whose limits are followed: the first that were learned of."""
_LONGEST_COUNT_S: Final = 3 * COUNTED_EVERY_S
"""After a longer silence a count is of the last few seconds."""
_CREEPS: Final = 0.02
"""A limit that changes by no more than this part is where it was."""


class Follower:
    """Follows the events of a run, from the first on, in their order."""

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._step_s = NARROWEST_S
        self._calls, self._throttled = _Bins(), _Bins()
        self._arrived, self._stored = _Bins(), _Bins()
        self._collected, self._failed = _Bins(), _Bins()
        self._counted_s = self._counting_s = 0.0
        self._limits: dict[tuple[str, str], _Limit] = {}
        self._takes: Mapping[type[e.Event], Callable[..., None]] = {
            e.RunStarted: self._began,
            e.CallsCounted: self._count,
            e.ArchiveStored: self._store,
            e.ServerFailed: self._fail,
            e.LimitLearned: self._learn,
        }

    def follow(self, event: e.Event) -> None:
        """Take an event in."""
        if (take := self._takes.get(type(event))) is not None:
            at_s = unix_s(event.at)
            if at_s is not None:
                if self._origin_s is None:
                    self._origin_s = at_s
                take(event, max(0.0, at_s - self._origin_s))

    def series(self) -> Series:
        """Return what has happened so far.

        Journals of earlier versions do not tell what arrives: there archives arrive when they are
        stored.
        """
        arrived = self._arrived if any(self._arrived.counts) else self._stored
        shown = (self._calls, self._throttled, arrived, self._collected, self._failed)
        length = max(map(len, shown))
        calls, throttled, bytes_, collected, failed = (one.padded(length) for one in shown)
        points = [point for limit in self._limits.values() for point in limit.shown()]
        points.sort(key=lambda point: point.at)
        return Series(self._step_s, calls, throttled, bytes_, collected, failed, points)

    def _began(self, _event: e.RunStarted, _at_s: float) -> None:
        """Nothing happened yet."""

    def _count(self, event: e.CallsCounted, at_s: float) -> None:
        if at_s != self._counting_s:  # counts of all projects come together
            self._counted_s, self._counting_s = self._counting_s, at_s
        since_s = self._counted_s
        if not 0 <= at_s - since_s <= _LONGEST_COUNT_S:
            since_s = max(0.0, at_s - COUNTED_EVERY_S)
        for bins, number in (
            (self._calls, event.calls),
            (self._throttled, event.throttled),
            (self._arrived, event.arrived),
        ):
            if number:
                self._widen(at_s)
                bins.spread(number, since_s / self._step_s, at_s / self._step_s)

    def _store(self, event: e.ArchiveStored, at_s: float) -> None:
        self._widen(at_s)
        place = int(at_s / self._step_s)
        self._collected.add(place, 1)
        self._stored.add(place, event.bytes)

    def _fail(self, _event: e.ServerFailed, at_s: float) -> None:
        self._widen(at_s)
        self._failed.add(int(at_s / self._step_s), 1)

    def _learn(self, event: e.LimitLearned, at_s: float) -> None:
        scope = (event.scope, event.name)
        limit = self._limits.get(scope)
        if limit is None:
            if len(self._limits) >= SCOPES:
                return
            limit = self._limits[scope] = _Limit()
        holds = event.source != "refuted" and event.window_s >= SHORTEST_WINDOW_S
        per_second = round(event.limit / event.window_s, 4) if holds else None
        limit.learned(LimitPoint(round(at_s, 1), event.scope, event.name, event.source, per_second))
        while sum(len(one.points) for one in self._limits.values()) >= POINTS:
            max(self._limits.values(), key=lambda one: len(one.points)).thin()

    def _widen(self, at_s: float) -> None:
        """Make bins wide enough for a time."""
        while at_s >= BINS * self._step_s:
            self._step_s *= 2
            for bins in (self._calls, self._throttled, self._arrived, self._stored,
                         self._collected, self._failed):  # fmt: skip
                bins.double()


class _Bins:
    """Counts by bin; those after the last that has any are left out."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __len__(self) -> int:
        return len(self.counts)

    def add(self, place: int, number: int) -> None:
        self.counts += [0] * (place + 1 - len(self.counts))
        self.counts[place] += number

    def spread(self, number: int, begin: float, end: float) -> None:
        """Add a number evenly to the bins from one place to another."""
        before, width = 0, end - begin
        for place in range(int(begin), int(end) + 1):
            part = 1.0 if place + 1 >= end else (place + 1 - begin) / width
            until = round(number * part)
            if until > before:
                self.add(place, until - before)
                before = until

    def double(self) -> None:
        """Make two bins one."""
        counts = self.counts
        self.counts = [sum(counts[place : place + 2]) for place in range(0, len(counts), 2)]

    def padded(self, length: int) -> list[int]:
        return self.counts + [0] * (length - len(self.counts))


class _Limit:
    """One scope's limit: the points at which it changed by more than it creeps."""

    __slots__ = ("latest", "points")

    def __init__(self) -> None:
        self.points: list[LimitPoint] = []
        self.latest: LimitPoint | None = None

    def learned(self, point: LimitPoint) -> None:
        before = self.points[-1] if self.points else None
        self.latest = point
        if before is None or before.source != point.source or _differs(before, point):
            self.points.append(point)

    def shown(self) -> list[LimitPoint]:
        """Return the points, and the latest where that is no more than a creep away."""
        if self.latest is None or self.latest is self.points[-1]:
            return self.points
        return [*self.points, self.latest]

    def thin(self) -> None:
        """Leave every second point out, but not the first and the last."""
        self.points = [*self.points[:-1:2], self.points[-1]]


def _differs(one: LimitPoint, another: LimitPoint) -> bool:
    if one.per_second is None or another.per_second is None:
        return one.per_second is not another.per_second
    return abs(one.per_second - another.per_second) > _CREEPS * one.per_second
