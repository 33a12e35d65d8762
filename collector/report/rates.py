"""How fast something grows that is counted now and then: over about the last quarter of a minute.

What counts is written down every few seconds, so each sample stands at the time of its count: who
follows the journal of another process sees the same rates, some seconds later.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.report.times import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

WINDOW_S: Final = 15.0
COUNTED_EVERY_S: Final = 5.0
"""How often a run's process counts, where there is anything to count."""
SHORTEST_S: Final = 1.0
"""No rate is told over a shorter time."""
_RECENTLY: Final = timedelta(seconds=40)
"""How far back who looks at a run for the first time reads what was counted."""
_APART_S: Final = 0.5
"""Samples that are closer together tell nothing new."""


def recently(now: datetime) -> str:
    """Return the time from which on events tell how fast things go now, as a journal writes it."""
    return written(now - _RECENTLY)


class Rates:
    """The rates of several counters that are read together.

    Args:
        late_s: how old the latest sample may be while what it counts goes on all the same.
    """

    def __init__(self, *, late_s: float = COUNTED_EVERY_S) -> None:
        self._late_s = late_s
        self._samples: deque[tuple[float, Sequence[int]]] = deque()

    def __bool__(self) -> bool:
        """Whether there is any sample."""
        return bool(self._samples)

    def clear(self) -> None:
        """Forget all samples: what is counted has begun anew."""
        self._samples.clear()

    def sample(self, at_s: float, counted: Sequence[int]) -> None:
        """Take in what the counters showed at a time."""
        samples = self._samples
        if samples and at_s == samples[-1][0]:  # more was counted at the same time
            samples[-1] = (at_s, counted)
            return
        if samples and at_s < samples[-1][0] + _APART_S:
            if at_s < samples[-1][0] - WINDOW_S:  # a clock was set back
                samples.clear()
            else:
                return
        samples.append((at_s, counted))
        while len(samples) > 2 and samples[1][0] <= at_s - 2 * WINDOW_S:  # noqa: PLR2004  # two are needed
            samples.popleft()

    def at(self, now_s: float) -> list[float] | None:
        """Return how fast each counter grows; None where there is too little to tell."""
        if not self._samples:
            return None
        latest_s, latest = self._samples[-1]
        end_s = max(latest_s, now_s - self._late_s)
        first_s, first = self._samples[0]
        for at_s, counted in self._samples:
            if at_s > end_s - WINDOW_S + self._late_s / 2:
                break
            first_s, first = at_s, counted
        took_s = end_s - first_s
        if took_s < SHORTEST_S:
            return None
        grown = list(map(int.__sub__, latest, first))
        grown += latest[len(first) :]
        return [max(0, one) / took_s for one in grown]
