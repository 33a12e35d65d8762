"""How long exports of a project take, and how far their percentages can be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from collector.engine.polling import scouts
from collector.engine.polling.scouts import ROOT_2, ROOT_2_PI, Reports

if TYPE_CHECKING:
    from collector.model.prior import PriorDurations

GUESSED_MEDIAN_S = 120.0
"""What is taken where nothing is known."""
KNOWN_WEIGHT = 20.0
"""Earlier runs count for at most so many exports."""
ENOUGH = 12
"""After so many exports of known duration, their distribution is known well enough."""
KNOWN_BY_FEW = 8
"""After so many, well enough to go by it where there is no time to learn more."""
CERTAIN = 0.9
"""How likely an answer must be "completed" before it is asked for, where calls are scarce."""
_LEAST_SPREAD, _LARGEST_SPREAD = 0.1, 2.0
UNLIKELY = 1.75
"""Four in a hundred exports are shorter than so many spreads below the median."""
VERY_UNLIKELY = 2.4
"""Fewer than one in a hundred: where a first look tells when to look next, it may be early."""
WORTH_A_PLAN = 0.01
FEW = 0.04
EARLY_ENOUGH = 1.3
_CALIBRATION = 0.1
_WHOLE = 100
_BROKEN_BELIEVED = 2
_STANDARD = NormalDist()
_STANDARD_CERTAIN = _STANDARD.inv_cdf(CERTAIN)
_FAR = 8.0
_NARROW = 0.2
_TINY = 1e-12


@dataclass(slots=True)
class Evidence:
    """What one export adds to what is known: its logarithm and the square of it, as expected.

    Attributes:
        bounded: it is known to take no longer than some time.
    """

    weight: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    bounded: bool = False


class ExportDurations:
    """A log-normal distribution, learned from what is known of each export that was asked about.

    That is never more than bounds: an export is found some time after it has completed, and one
    that still runs takes longer than it has taken. Each counts as what its bounds let expect, by
    what is believed at the time (incremental expectation maximisation). To count only those that
    have completed would favour the short ones.

    Until there are bounds from above for enough of them, the median is what their `Reports` say.

    How early to ask where calls are scarce is corrected by how often such calls heard "not yet":
    that is right whatever the distribution really is.

    Attributes:
        exports: how many were found completed in this run.
        resolution: the percentages come in steps of so much.
        begun: how many have begun in this run.
    """

    __slots__ = (
        "_bounded", "_broken", "_correction", "_counted", "_early", "_kept", "_model_logarithm",
        "_planned", "_reports", "_squares", "_sum", "_weight", "begun", "exports", "median_s",
        "resolution", "spread",
    )  # fmt: skip

    def __init__(self, known: PriorDurations | None = None) -> None:
        self.exports = 0
        self.begun = 0
        self.resolution = _WHOLE
        self.median_s = GUESSED_MEDIAN_S
        self.spread = scouts.SPREAD
        self._broken = 0
        self._kept = 0
        self._correction = 0.0
        self._early = 0.0
        self._counted = 0
        self._bounded = 0
        self._weight = 0.0
        if known is not None:
            self._weight = min(KNOWN_WEIGHT, float(known.exports))
            self.median_s, self.spread = max(0.1, known.median_s), known.spread
            self._counted = self._bounded = known.exports
        mean = self._model_logarithm = math.log(self.median_s)
        self._reports = Reports(mean)
        self._planned = (mean, self.spread, 0.0, 0.0, False)
        self._sum = self._weight * mean
        self._squares = self._weight * (self.spread**2 + mean**2)

    @property
    def known_from(self) -> int:
        """How many exports this is known from, in this run and before it."""
        return self._counted

    @property
    def is_known(self) -> bool:
        """Whether the distribution is known well enough to go by it."""
        return self._weight >= ENOUGH

    def begins(self) -> float:
        """Count an export that begins; return what it is, as `scout` of `Progress`."""
        self.begun += 1
        if self.begun == 1 and not self.is_known:
            return scouts.AT_ONCE
        return scouts.times(self.begun) if self.begun <= scouts.FIRST else 0.0

    def completed(self) -> None:
        """Count an export that was found completed."""
        self.exports += 1
        self._counted += 1

    def learn(self, evidence: Evidence, low_s: float, high_s: float) -> None:
        """Put what is known of an export now in place of what was: it takes `low_s` to `high_s`."""
        mean, square = self._expected(low_s, high_s)
        self._weight += 1 - evidence.weight
        self._sum += mean - evidence.mean
        self._squares += square - evidence.square
        evidence.weight, evidence.mean, evidence.square = 1.0, mean, square
        if high_s < math.inf and not evidence.bounded:
            evidence.bounded = True
            self._bounded += 1
        if self._bounded >= ENOUGH:
            self._believe(self._sum / self._weight)
            self.spread = self._spread_seen()

    def _spread_seen(self) -> float:
        average = self._sum / self._weight
        variance = max(0.0, self._squares / self._weight - average**2)
        return min(_LARGEST_SPREAD, max(_LEAST_SPREAD, math.sqrt(variance)))

    def _believe(self, logarithm: float) -> None:
        self._model_logarithm = logarithm
        self.median_s = math.exp(logarithm)

    def reported(self, before_s: float, age_s: float, *, ended: bool) -> None:
        """Learn from what was said of an export, as `Reports.add` does."""
        if self._bounded < ENOUGH:
            self._reports.add(before_s, age_s, ended=ended)
            self._believe(self._reports.logarithm)

    def _expected(self, low_s: float, high_s: float) -> tuple[float, float]:
        """Return the expected logarithm, and that of its square, between two bounds."""
        average, spread = self._model_logarithm, self.spread
        low = (math.log(low_s) - average) / spread if low_s > 0 else -_FAR
        high = (math.log(max(_TINY, high_s)) - average) / spread if high_s < math.inf else _FAR
        low, high = max(-_FAR, min(_FAR, low)), max(-_FAR, min(_FAR, high))
        within = 0.5 * (math.erfc(low / ROOT_2) - math.erfc(high / ROOT_2))
        if high - low < _NARROW or within < _TINY:
            bound = low if high >= _FAR else (low if low <= -_FAR else (low + high) / 2)
            mean = average + spread * bound
            return mean, mean**2
        at_low = math.exp(-0.5 * low**2) / ROOT_2_PI
        at_high = math.exp(-0.5 * high**2) / ROOT_2_PI
        shift = (at_low - at_high) / within
        part = 1 + (low * at_low - high * at_high) / within - shift**2
        mean = average + spread * shift
        return mean, mean**2 + spread**2 * max(0.0, part)

    def quantile_s(self, part: float, elapsed_s: float = 0.0) -> float:
        """Return the duration that `part` of those exports do not exceed that took `elapsed_s`."""
        spread, average = self.spread, self._model_logarithm
        if elapsed_s > 0:
            over = 0.5 * math.erfc((math.log(elapsed_s) - average) / spread / ROOT_2)
            part = 1.0 - over * (1.0 - part)
        if part >= 1 - 1e-12:
            return elapsed_s * 1.5
        return max(elapsed_s, math.exp(average + spread * _STANDARD.inv_cdf(max(1e-9, part))))

    @property
    def long_s(self) -> float:
        """How long exports take at most, but for few."""
        return self.median_s * math.exp(_STANDARD_CERTAIN * self.spread)

    def few_more_s(self, part: float, elapsed_s: float) -> float:
        """Return `quantile_s`, where that may be long after `elapsed_s`."""
        if math.log(elapsed_s) > self._model_logarithm - self.spread:
            return elapsed_s
        return self.quantile_s(part, elapsed_s)

    def part_within(self, elapsed_s: float) -> float:
        """Return which part of exports takes no longer than `elapsed_s`."""
        if elapsed_s <= 0:
            return 0.0
        over = (math.log(elapsed_s) - self._model_logarithm) / self.spread
        return 0.5 * math.erfc(-over / ROOT_2)

    def has_moved(self) -> bool:
        """Tell whether what is believed has changed by much since it last had."""
        logarithm, spread, early, correction, tells = self._planned
        off = abs(self._model_logarithm - logarithm) + abs(self.spread - spread)
        off += abs(self._early - early) + abs(self._correction - correction)
        if off < WORTH_A_PLAN and tells == self.tell_progress:
            return False
        self._planned = (
            self._model_logarithm, self.spread, self._early, self._correction, self.tell_progress,
        )  # fmt: skip
        return True

    # The first look

    @property
    def first_s(self) -> float:
        """When to look first: all but a few exports take longer.

        Corrected by whether too many or too few had ended: those that are known to have taken some
        time say little of the shortest ones.
        """
        unlikely = VERY_UNLIKELY if self.tell_progress else UNLIKELY
        return math.exp(self._model_logarithm + self._early - unlikely * self.spread)

    def answered_first(self, elapsed_s: float, *, completed: bool) -> None:
        """Learn from the answer to a first look, if it was made about when `first_s` said.

        Long before the distribution is known this tells whether too many exports end before it.
        """
        if self._bounded < ENOUGH or self.tell_progress:
            return
        if elapsed_s <= EARLY_ENOUGH * self.first_s:
            change = -(1 - FEW) if completed else FEW
            self._early = min(1.5, max(-1.5, self._early + _CALIBRATION * change))

    # Where calls are scarce

    def certain_s(self, elapsed_s: float) -> float:
        """Return when an export that has not completed after `elapsed_s` almost certainly has."""
        return max(elapsed_s, self.quantile_s(CERTAIN, elapsed_s) * math.exp(self._correction))

    def answered_certain(self, *, completed: bool) -> None:
        """Learn from an answer to a call made as late as `certain_s` said."""
        change = -(1 - CERTAIN) if completed else CERTAIN
        self._correction = min(1.5, max(-1.5, self._correction + _CALIBRATION * change))

    # Percentages

    @property
    def are_percentages_believed(self) -> bool:
        """Whether exports end about when their percentages say."""
        return self._broken <= _BROKEN_BELIEVED + 0.2 * self._kept

    @property
    def tell_progress(self) -> bool:
        """Whether there are percentages that can be believed."""
        return self.resolution < _WHOLE and self.are_percentages_believed

    def percentage_seen(self, percent: float) -> None:
        """Learn from a percentage: the steps they come in are their common divisor."""
        if 0 < percent < _WHOLE:
            self.resolution = math.gcd(self.resolution, max(1, int(percent)))

    def percentages_kept(self, *, kept: bool) -> None:
        """Record whether an export ended when its percentages said."""
        if kept:
            self._kept += 1
        else:
            self._broken += 1
