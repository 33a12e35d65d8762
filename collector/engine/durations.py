"""How long exports of a project take, and how far their percentages can be believed."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.known import KnownDurations

GUESSED_MEDIAN_S = 120.0
GUESSED_SPREAD = 1.2
GUESS_WEIGHT = 1.0
"""What is taken where nothing is known, and how many exports' worth of evidence it is."""
KNOWN_WEIGHT = 20.0
"""Earlier runs count for at most so many exports."""
ENOUGH = 12
"""After so many exports of known duration, their distribution is known well enough."""
NARROW = 2.5
"""A duration is known where its bounds are no further apart than by this factor."""
CERTAIN = 0.9
"""How likely an answer must be "completed" before it is asked for, where calls are scarce."""
_LEAST_SPREAD, _LARGEST_SPREAD = 0.1, 2.0
_CALIBRATION = 0.1
_WHOLE = 100
_BROKEN_BELIEVED = 2
_STANDARD = NormalDist()


class Durations:
    """A log-normal distribution, learned from exports that were found completed.

    An export is found some time after it has completed; only those whose duration is known within
    narrow bounds count. How early to ask where calls are scarce is corrected by how often such
    calls heard "not yet": that is right whatever the distribution really is.

    Attributes:
        exports: how many it is learned from in this run.
        resolution: the percentages come in steps of so much.
    """

    __slots__ = (
        "_broken", "_correction", "_kept", "_mean", "_squares", "_weight", "exports", "resolution",
    )  # fmt: skip

    def __init__(self, known: KnownDurations | None = None) -> None:
        self.exports = 0
        self.resolution = _WHOLE
        self._broken = 0
        self._kept = 0
        self._correction = 0.0
        if known is None:
            self._weight, self._mean = GUESS_WEIGHT, math.log(GUESSED_MEDIAN_S)
            spread = GUESSED_SPREAD
        else:
            self._weight = min(KNOWN_WEIGHT, float(known.exports))
            self._mean, spread = math.log(max(0.1, known.median_s)), known.spread
        self._squares = self._weight * spread**2

    @property
    def is_known(self) -> bool:
        """Whether the distribution is known well enough to go by it."""
        return self._weight >= ENOUGH

    @property
    def median_s(self) -> float:
        """Half of the exports take longer."""
        return math.exp(self._mean)

    @property
    def spread(self) -> float:
        """The standard deviation of the durations' logarithms."""
        spread = math.sqrt(self._squares / self._weight)
        return min(_LARGEST_SPREAD, max(_LEAST_SPREAD, spread))

    def found(self, low_s: float, high_s: float) -> None:
        """Take note of an export that took longer than `low_s`, and no longer than `high_s`."""
        if not 0.0 < low_s <= high_s <= NARROW * low_s:
            return
        self.exports += 1
        self._weight += 1
        logarithm = (math.log(low_s) + math.log(high_s)) / 2
        error = logarithm - self._mean
        self._mean += error / self._weight
        self._squares += error * (logarithm - self._mean)

    def quantile_s(self, part: float, elapsed_s: float = 0.0) -> float:
        """Return the duration that `part` of those exports do not exceed that took `elapsed_s`."""
        spread = self.spread
        if elapsed_s > 0:
            over = 0.5 * math.erfc((math.log(elapsed_s) - self._mean) / spread / math.sqrt(2))
            part = 1.0 - over * (1.0 - part)
        if part >= 1 - 1e-12:
            return elapsed_s * 1.5
        return max(elapsed_s, math.exp(self._mean + spread * _STANDARD.inv_cdf(max(1e-9, part))))

    # Where calls are scarce

    def certain_s(self, elapsed_s: float) -> float:
        """Return when an export that has not completed after `elapsed_s` almost certainly has."""
        return max(elapsed_s, self.quantile_s(CERTAIN, elapsed_s) * math.exp(self._correction))

    def answered_certain(self, *, completed: bool) -> None:
        """Take note of an answer to a call made as late as `certain_s` said."""
        change = -(1 - CERTAIN) if completed else CERTAIN
        self._correction = min(1.5, max(-1.5, self._correction + _CALIBRATION * change))

    # Percentages

    @property
    def are_percentages_believed(self) -> bool:
        """Whether exports end about when their percentages say."""
        return self._broken <= _BROKEN_BELIEVED + 0.2 * self._kept

    def percentage_seen(self, percent: float) -> None:
        """Take note of a percentage: the steps they come in are their common divisor."""
        if 0 < percent < _WHOLE:
            self.resolution = math.gcd(self.resolution, max(1, int(percent)))

    def percentages_kept(self, *, kept: bool) -> None:
        """Take note whether an export ended when its percentages said."""
        if kept:
            self._kept += 1
        else:
            self._broken += 1
