"""How long a collection takes, by a simple model of call rates and export durations.

Exports start first, evenly, as fast as the limits on them allow. Each takes a log-normally
distributed time. All calls together take as long as the limits on calls require. Whichever is later
ends the run. Failures, repeated statuses and the time of downloads are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from collector.model.answers import Call
from collector.model.lifecycle import calls_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.prior import PriorDurations

LONGEST_S = 1e9
"""Some thirty years; no estimate is longer."""
_SLICES = 64
"""Steps of the numerical sum over a project's exports."""
_PRECISION = 1e-4
"""The tolerance of the numerical solution; the model itself is less exact."""
_NARROWEST = 0.01


@dataclass(frozen=True, slots=True)
class Work:
    """The work to do in one project.

    Attributes:
        queued: servers without an export yet.
        exporting: servers whose export runs.
        ready: servers whose archive is ready.
        posts_s: seconds to start all exports, by the limits on that.
        calls_s: seconds for all calls, by the limits on calls.
        durations: how long exports take.
    """

    queued: int
    exporting: int
    ready: int
    posts_s: float
    calls_s: float
    durations: PriorDurations

    @property
    def servers(self) -> int:
        """How many servers still need their archives."""
        return self.queued + self.exporting + self.ready

    @property
    def calls(self) -> int:
        """The fewest calls for that: per server a POST, one status and a download."""
        return (
            self.queued * len(calls_from(Call.START_EXPORT))
            + self.exporting * len(calls_from(Call.ASK_STATUS))
            + self.ready * len(calls_from(Call.FETCH_ARCHIVE))
        )


def mean_s(durations: PriorDurations) -> float:
    """Return how long exports take on average."""
    return durations.median_s * math.exp(durations.spread**2 / 2)


def makespan_s(work: Work) -> float:
    """Return the seconds after which all archives are here with even odds."""
    if not work.queued + work.exporting:
        return min(LONGEST_S, work.calls_s)
    low_s, high_s = 0.0, work.posts_s + work.durations.median_s
    while high_s < LONGEST_S and not _all_complete(work, high_s):
        high_s *= 2
    while high_s - low_s > _PRECISION * high_s:
        middle_s = (low_s + high_s) / 2
        if _all_complete(work, middle_s):
            high_s = middle_s
        else:
            low_s = middle_s
    return min(LONGEST_S, max(work.calls_s, high_s))


def last_export_s(work: Work) -> float:
    """Return how long the longest export is likely to take from its start."""
    return makespan_s(replace(work, posts_s=0.0, calls_s=0.0))


def home_by(work: Work, deadline_s: float) -> float:
    """Return how many archives can be here by then, if only that many exports are started."""
    budget = math.inf
    if work.calls_s:
        budget = work.calls * min(1.0, deadline_s / work.calls_s)
    best = 0.0
    for part in range(_SLICES + 1):
        started = work.queued * part / _SLICES
        left = max(0.0, budget - started)  # for statuses and downloads
        complete = _completed(work, deadline_s, started)
        ready = min(left, work.ready)
        best = max(best, ready + min(complete, (left - ready) / 2))
    return best


def _starts(work: Work, started: float) -> Iterator[tuple[float, float]]:
    """Yield start times, and how many exports start then, for the first `started` of the queue."""
    yield 0.0, work.exporting
    if not work.queued:
        return
    slices = _SLICES if work.posts_s else 1
    for part in range(slices):
        share = (part + 0.5) / slices * started / work.queued
        yield share * work.posts_s, started / slices


def _completed(work: Work, after_s: float, started: float) -> float:
    return sum(
        count * _is_complete(work.durations, after_s - at_s)
        for at_s, count in _starts(work, started)
    )


def _all_complete(work: Work, after_s: float) -> bool:
    """Whether every export is complete with even odds."""
    logarithm = 0.0
    for at_s, count in _starts(work, work.queued):
        if count:
            chance = _is_complete(work.durations, after_s - at_s)
            if not chance:
                return False
            logarithm += count * math.log(chance)
    return logarithm >= -math.log(2)


def _is_complete(durations: PriorDurations, after_s: float) -> float:
    """Return the probability that an export is complete so long after its start."""
    if after_s <= 0:
        return 0.0
    spread = max(durations.spread, _NARROWEST)
    return 0.5 * math.erfc(math.log(durations.median_s / after_s) / (spread * math.sqrt(2)))
