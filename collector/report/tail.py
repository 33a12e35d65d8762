"""When the latest of many exports will have completed, by chance.

Exports take a log-normally distributed time. Those that are queued start evenly; of those that run
it is known that they take longer than they have taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_S: Final = 1e8
_SLICES: Final = 16
_PRECISION: Final = 0.02
_NARROWEST: Final = 0.02
_FAT: Final = 0.0005
_FATTER: Final = 2.0
"""So many exports follow no rule: theirs is a distribution that is so many times as wide."""
_ROOT_2: Final = math.sqrt(2)
_TINY: Final = 1e-300


class Running(NamedTuple):
    """Exports that have been running for `for_s` seconds; `still` is the chance of that."""

    for_s: float
    exports: float
    still: float = 1.0


@dataclass(slots=True)
class Group:
    """Exports that take equally long, by chance.

    Attributes:
        median_s, spread: as in `DurationsLearned`.
        known_from: how many exports this is known from.
        started: how many have begun.
        queued: how many are to be started.
        servers: whose exports run.
        running: for how long they have.
    """

    median_s: float
    spread: float
    known_from: int
    started: int = 0
    queued: int = 0
    servers: list[int] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)

    def off(self, errors: float) -> Group:
        """Return the same with a median and a spread that are off by so many standard errors."""
        n = max(1, self.known_from)
        changed = replace(
            self,
            median_s=self.median_s * math.exp(errors * self.spread / math.sqrt(n)),
            spread=self.spread * math.exp(errors / math.sqrt(2 * n)),
        )
        changed.running = list(changed.believed())
        return changed

    def believed(self) -> Iterator[Running]:
        """Yield those that run, the longest first.

        Where calls are scarce, many have completed and were not asked about. So no more are held
        to be slow than twice as many as by chance would be.
        """
        slower = 0.0
        for for_s, exports, _ in sorted(self.running, reverse=True):
            still = _longer(self, for_s)
            believed = min(exports, 1 + 2 * self.started * still - slower)
            if believed > 0:
                slower += believed
                yield Running(for_s, believed, still)


def latest_s(groups: Sequence[Group], starts_s: float, chance: float) -> float:
    """Return by when all exports will have completed with this chance.

    Args:
        groups: the exports.
        starts_s: how long it takes to start those that are queued.
        chance: above 0, below 1.
    """
    if not any(group.queued or group.running for group in groups):
        return 0.0
    wanted = math.log(chance)
    low_s, high_s = 0.0, 1.0
    while high_s < LONGEST_S and _chance(groups, starts_s, high_s) < wanted:
        low_s, high_s = high_s, 2 * high_s
    while high_s - low_s > _PRECISION * high_s:
        middle_s = (low_s + high_s) / 2
        if _chance(groups, starts_s, middle_s) < wanted:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def _chance(groups: Sequence[Group], starts_s: float, after_s: float) -> float:
    """Return the logarithm of the chance that all have completed by then."""
    logarithm = 0.0
    for group in groups:
        for for_s, exports, still in group.running:
            later = _longer(group, for_s + after_s)
            logarithm += exports * _log_of_rest(min(1.0, later / still))
        if group.queued:
            for part in range(_SLICES):
                begins_s = starts_s * (part + 0.5) / _SLICES
                longer = _longer(group, after_s - begins_s)
                logarithm += group.queued / _SLICES * _log_of_rest(longer)
        if logarithm < math.log(_TINY):
            break
    return logarithm


def _log_of_rest(chance: float) -> float:
    return math.log1p(-chance) if chance < 1 else -math.inf


def _longer(group: Group, seconds: float) -> float:
    """Return the chance that an export takes longer."""
    if seconds <= 0:
        return 1.0
    away = math.log(seconds / group.median_s)
    spread = _ROOT_2 * max(_NARROWEST, group.spread)
    return (1 - _FAT) * 0.5 * math.erfc(away / spread) + _FAT * 0.5 * math.erfc(
        away / (_FATTER * spread)
    )
