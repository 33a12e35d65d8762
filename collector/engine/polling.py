"""When a status is worth asking for."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

SOONEST_S = 0.5
"""No export is asked about more often than this."""
LATEST_S = 60.0
"""None is left unasked for longer."""
FIRST_ASK_S = 1.0
GROWTH = 0.4
"""With nothing known, the next wait as a part of the time since the start."""
OVERDUE_GROWTH = 0.15
"""As `GROWTH`, once the time by which it was expected has passed."""
_SAMPLES = 1000
_ENOUGH = 5
_QUANTILES = (0.5, 0.75, 0.9, 0.97)


@dataclass(slots=True)
class Durations:
    """How long completed exports took in this run, in seconds; the latest thousand of them."""

    _sorted: list[float] = field(default_factory=list)
    _order: list[float] = field(default_factory=list)

    def add(self, duration_s: float) -> None:
        """Remember that an export was found completed after `duration_s`."""
        if len(self._order) >= _SAMPLES:
            oldest = self._order.pop(0)
            del self._sorted[bisect.bisect_left(self._sorted, oldest)]
        self._order.append(duration_s)
        bisect.insort(self._sorted, duration_s)

    def next_likely_s(self, elapsed_s: float) -> float | None:
        """Return the next duration, over `elapsed_s`, at which many were found completed."""
        if len(self._sorted) < _ENOUGH:
            return None
        for quantile in _QUANTILES:
            likely = self._sorted[int(quantile * (len(self._sorted) - 1))]
            if likely > elapsed_s:
                return likely
        return None


@dataclass(slots=True)
class Progress:
    """What the answers about one running export have said so far; times on the engine's clock."""

    started_s: float
    asked_s: float | None = None
    percent: float | None = None
    percent_s: float = 0.0
    """When `percent` was first heard."""

    def heard(self, percent: float | None, now_s: float) -> None:
        """Take note of an answer that said "not yet"."""
        self.asked_s = now_s
        if percent is not None and percent != self.percent:
            self.percent, self.percent_s = percent, now_s


def ask_at(export: Progress, durations: Durations, now_s: float) -> float:
    """Return when to ask about `export` next, on the engine's clock; it may be now."""
    since = export.started_s if export.asked_s is None else export.asked_s
    elapsed_s = since - export.started_s
    expected_s = _expected_s(export, durations, elapsed_s)
    if expected_s is not None:
        wait_s = expected_s - elapsed_s
    elif export.asked_s is None:
        wait_s = FIRST_ASK_S
    else:
        overdue = export.percent is not None and export.percent > 0
        wait_s = elapsed_s * (OVERDUE_GROWTH if overdue else GROWTH)
    return max(now_s, since + min(LATEST_S, max(SOONEST_S, wait_s)))


def _expected_s(export: Progress, durations: Durations, elapsed_s: float) -> float | None:
    """Return the duration at which `export` is expected to complete; None if that has passed."""
    if export.percent is None or not 0 < export.percent < 100:  # noqa: PLR2004  # per cent
        return durations.next_likely_s(elapsed_s)
    expected = (export.percent_s - export.started_s) * 100 / export.percent
    return expected if expected > elapsed_s else None
