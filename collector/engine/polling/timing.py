"""When a status is worth asking for.

For each export there are two times. The *early* one is for when calls are to spare: the end is
noticed soon after, and the waits grow with the time that has passed. The *certain* one is for
when every call is wanted elsewhere: the answer is almost sure to be "completed".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from collector.engine.polling.durations import KNOWN_BY_FEW, UNLIKELY, Evidence

if TYPE_CHECKING:
    from collector.engine.polling.durations import ExportDurations

SOONEST_S = 0.5
"""No export is asked about more often than this,"""
AT_ONCE_S = 0.05
"""and none for the first time before this."""
FIRST_ASK_S = 1.0
"""The first exports of a project are asked about after this long, and twice that, and so on, though
calls are scarce."""
POLLS_ON_AVERAGE = 11.3
"""So many calls an export are thought right where it says nothing of its progress; with the looks
that find out how long exports take it comes to twelve."""
WIDEST = 0.155
"""No gap between two looks is a larger part of the time gone,"""
FEW_MORE = 0.025
"""unless so few of those that still ran are thought to end within it:"""
WIDEST_AT_FIRST = 1.5
"""then the next look is at no more than so many times the time gone."""
LIKELY, POSSIBLE = 0.5, 0.2
"""Before a deadline that not all can keep, an answer need not be more likely than the one; where a
call is to spare, than the other."""
LEFT, LEFT_S = 0.25, 1.0
"""How long before a deadline it is looked once more: a part of the time since the last look, and
at least so long."""
FINE = 10
"""Percentages in steps of at most so much tell the end by a single look."""


class Pressure(Enum):
    """How much an early notice is worth: the gap between two looks, as a part of the time gone."""

    USUAL = math.inf
    """As wide as `POLLS_ON_AVERAGE` makes it."""
    DEADLINE = 1e6
    """Not all can be home in time: as usual, and a status is due as soon as it is likely."""
    PLACES = 0.04
    """Exports wait for places: a status is worth an export."""
    LAST = 0.015
    """The last exports of the run: everything waits for them."""


class Ask(NamedTuple):
    """When to ask, on the engine's clock."""

    early_s: float
    certain_s: float


class FirstLook(NamedTuple):
    """When to look for the first time at exports of a project.

    Attributes:
        early_s, certain_s: as in `Ask`, in seconds after an export began.
        thought_certain_s: as in `Progress`, likewise.
        deadline_s: on the engine's clock, when the run is to end.
    """

    early_s: float
    certain_s: float
    thought_certain_s: float
    deadline_s: float

    def early_at(self, began_s: float) -> float:
        """Return when to look with a call to spare; not sooner for one that began later."""
        return min(began_s + self.early_s, before_deadline(began_s, self.deadline_s))

    def certain_at(self, began_s: float) -> float:
        """Return when to look where calls are scarce; not sooner for one that began later."""
        return max(began_s + self.certain_s, self.early_at(began_s))


def before_deadline(looked_s: float, deadline_s: float) -> float:
    """Return when to look once more before a deadline; infinite where there is no time to.

    Args:
        looked_s: when it was looked last, or the export began.
        deadline_s: both on the engine's clock.
    """
    at_s = deadline_s - max(LEFT_S, LEFT * (deadline_s - looked_s))
    return at_s if at_s >= looked_s + SOONEST_S else math.inf


@dataclass(slots=True)
class Progress:
    """What the answers about one running export have said so far.

    Attributes:
        started_s: when it began, on the engine's clock.
        elapsed_s: how long it had run when it was last said not to have completed.
        low_s, high_s: by its percentages it takes longer than the one, no longer than the other.
        evidence: what it has added to what is known of durations.
        scout: it is asked about early, to learn from it: after so many times `SOONEST_S`; 0: no
            scout.
        curious: a scout that is asked about though calls are scarce.
        certain_s: on the engine's clock, when it was last thought almost certain to have completed.
    """

    started_s: float
    elapsed_s: float = 0.0
    low_s: float = 0.0
    high_s: float = math.inf
    evidence: Evidence = field(default_factory=Evidence)
    scout: float = 0.0
    curious: bool = False
    certain_s: float = math.inf

    def not_yet(
        self, percent: float | None, durations: ExportDurations, sent_s: float, now_s: float
    ) -> None:
        """Learn from an answer that said "not yet" to a call that left at `sent_s`."""
        before_s, self.elapsed_s = self.elapsed_s, max(self.elapsed_s, sent_s - self.started_s)
        if percent is None or not 0 <= percent < 100:  # noqa: PLR2004  # per cent
            durations.learn(self.evidence, self.elapsed_s, math.inf)
            return
        durations.percentage_seen(percent)
        if self.elapsed_s > self.high_s and before_s <= self.high_s:
            durations.percentages_kept(kept=False)
        most_s = now_s - self.started_s + (now_s - sent_s)
        low_s = 100 * self.elapsed_s / (percent + durations.resolution)
        high_s = 100 * most_s / percent if percent else math.inf
        if low_s < self.high_s and high_s > self.low_s:
            self.low_s, self.high_s = max(self.low_s, low_s), min(self.high_s, high_s)
        else:  # not as even as it seemed: the latest word counts
            self.low_s, self.high_s = low_s, high_s
        if durations.are_percentages_believed and self.elapsed_s < self.high_s:
            durations.learn(self.evidence, max(self.low_s, self.elapsed_s), self.high_s)
        else:
            durations.learn(self.evidence, self.elapsed_s, math.inf)


def ask_at(export: Progress, durations: ExportDurations, pressure: Pressure) -> Ask:
    """Return when to ask about `export` next."""
    elapsed_s = export.elapsed_s
    least_s = elapsed_s + SOONEST_S if elapsed_s else AT_ONCE_S
    if durations.are_percentages_believed and elapsed_s < export.high_s < math.inf:
        early_s = _by_percentage(export, durations, pressure)
        certain_s = max(early_s, export.high_s)
    elif export.curious:
        growth = 4 if pressure is Pressure.DEADLINE else 2
        certain_s = max(growth / 2 * FIRST_ASK_S, growth * elapsed_s)
        early_s = min(certain_s, _by_duration(export, durations, pressure))
    elif pressure is Pressure.DEADLINE and durations.known_from >= KNOWN_BY_FEW:
        early_s = durations.quantile_s(POSSIBLE, elapsed_s)
        certain_s = durations.quantile_s(LIKELY, elapsed_s)
    else:
        early_s = _by_duration(export, durations, pressure)
        if pressure is Pressure.DEADLINE:
            certain_s = max(early_s, durations.quantile_s(LIKELY, elapsed_s))
        else:
            certain_s = max(early_s, durations.certain_s(elapsed_s))
            export.certain_s = export.started_s + certain_s
    if export.scout and not elapsed_s and pressure is not Pressure.DEADLINE:
        early_s = min(early_s, export.scout * SOONEST_S)
    started_s = export.started_s
    return Ask(started_s + max(least_s, early_s), started_s + max(least_s, certain_s))


def _by_percentage(export: Progress, durations: ExportDurations, pressure: Pressure) -> float:
    """Look once more for a nearer estimate, if it is still wide; else when it says the end is."""
    low_s, high_s = max(export.low_s, export.elapsed_s), export.high_s
    fine = durations.resolution <= FINE
    wide = min(1.035 if fine else 1.08, 1 + pressure.value)
    if high_s <= wide * low_s:
        return high_s
    if fine and export.elapsed_s < 0.5 * low_s:
        return 0.6 * low_s
    middle_s = math.sqrt(low_s * high_s)
    step = durations.resolution / 100
    steps = math.ceil(1.02 * export.elapsed_s / middle_s / step)
    return middle_s * min(1.0, steps * step)


def _by_duration(export: Progress, durations: ExportDurations, pressure: Pressure) -> float:
    """Look when the shortest exports end, then at times that grow by the same factor.

    While hardly any has ended, by a larger one: scouts are there to tell.
    """
    elapsed_s = export.elapsed_s
    if durations.are_percentages_believed and export.low_s > elapsed_s:
        # Said to be at 0: look when the first step is as likely as not to have been taken.
        step_s = durations.quantile_s(0.5, export.low_s) * durations.resolution / 100
        return max(1.1 * elapsed_s, step_s)
    if not elapsed_s:
        return durations.first_s
    usual = min(WIDEST, math.exp(UNLIKELY * durations.spread / (POLLS_ON_AVERAGE - 1)) - 1)
    next_s = elapsed_s * (1 + min(usual, pressure.value))
    if pressure is Pressure.LAST:
        unlikely_s = durations.first_s
    else:
        unlikely_s = durations.few_more_s(FEW_MORE, elapsed_s)
    return max(next_s, min(unlikely_s, WIDEST_AT_FIRST * elapsed_s))
