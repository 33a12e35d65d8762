"""How long the downloads that are left take: all their bytes together, and the longest alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.report.ranges import Range
from collector.report.rates import COUNTED_EVERY_S
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collector.model.state import RunState
    from collector.report.phase_counts import PhaseCounts
    from collector.report.throughput import Seen

_FEWEST: Final = 3
"""Downloads from which on something is known of the others."""
_FACTOR: Final = 1.4
"""A download may take so many times as long, or as short, as its size lets expect."""
_PACE_VARIES: Final = 0.1
_AT_LEAST: Final = 0.05
"""A download that should have ended takes at least this part of its time."""
_WIDEST: Final = 3.0
_NINE_IN_TEN: Final = 1.2816


class Sizes(NamedTuple):
    """What collected archives tell of others.

    Attributes:
        archives: how many they are.
        mean: their bytes, on average.
        middle, spread: half of the latest are larger; the deviation of their logarithms.
        per_s: bytes that one download brings a second.
    """

    archives: int
    mean: float
    middle: float
    spread: float
    per_s: float

    def alone_s(self, deviations: float) -> float:
        """Return how long one takes that is larger than the middle by so many deviations."""
        return self.middle * math.exp(deviations * self.spread) / self.per_s


def sizes(state: RunState, counted: PhaseCounts) -> Sizes | None:
    """Return what is known of archives; None where that is too little."""
    seen = [(took_s, size) for took_s, size in counted.downloads if size]
    took_s = sum(took_s for took_s, _ in seen)
    if len(seen) < _FEWEST or not took_s:
        return None
    logarithms = [math.log(size) for _, size in seen]
    middle = sum(logarithms) / len(logarithms)
    spread = math.sqrt(sum((one - middle) ** 2 for one in logarithms) / len(logarithms))
    per_s = sum(size for _, size in seen) / took_s
    mean = state.bytes / max(1, state.collected)
    return Sizes(state.collected, mean, math.exp(middle), min(_WIDEST, spread), per_s)


def all_together(
    state: RunState, counted: PhaseCounts, known: Sizes, pace: Seen, in_progress: int
) -> Range:
    """Return how long all bytes take that are left, while archives wait for their turn."""
    begun = [state.servers[one].begun for project in counted.projects for one in project.begun]
    told = [one.length for one in begun if one is not None and one.length is not None]
    others = counted.left - len(told)
    took_s = max(0.0, sum(told) + others * known.mean - in_progress) / pace.per_s
    vary = math.sqrt(math.expm1(known.spread**2))
    varies = _PACE_VARIES + 0.5 / math.sqrt(1 + pace.seen)
    varies += vary * (1 / math.sqrt(known.archives) + 1 / math.sqrt(1 + others))
    last_s = known.alone_s(_NINE_IN_TEN) if others else 0.0
    low_s = took_s / (1 + varies) - COUNTED_EVERY_S / 2  # what came since the latest count
    return Range(max(0.0, low_s), took_s * (1 + varies) + last_s)


def longest_alone(state: RunState, counted: PhaseCounts, known: Sizes, now_s: float) -> Range:
    """Return how long the longest of the downloads takes that are under way."""
    longest_s = 0.0
    for project in counted.projects:
        for server, at in project.begun.items():
            begun, since_s = state.servers[server].begun, unix_s(at)
            length = known.mean if begun is None or begun.length is None else begun.length
            whole_s = length / known.per_s
            passed_s = 0.0 if since_s is None else max(0.0, now_s - since_s)
            longest_s = max(longest_s, whole_s - passed_s, _AT_LEAST * whole_s)
    return Range(longest_s / _FACTOR, longest_s * _FACTOR)
