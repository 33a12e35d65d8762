"""When the latest of many exports will have completed, by chance.

Exports take a log-normally distributed time. Those that are queued start evenly; of those that run
it is known that they take longer than they have taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST_S: Final = 1e8
_SLICES: Final = 10
_PRECISION: Final = 0.02
_NARROWEST: Final = 0.02
_FEW: Final = 3.0
_FAT: Final = 0.0005
_FATTER: Final = 2.0
_NEAR: Final = 0.5
"""So many exports follow no rule: theirs is a distribution that is so many times as wide."""
_ROOT_2: Final = math.sqrt(2)
_TINY: Final = 1e-300
_IMPOSSIBLE: Final = 1e-9


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

    @property
    def is_behind(self) -> bool:
        """Whether many more run, as it seems, than by chance would: they were not asked about."""
        running = sorted(self.running)
        if not running:
            return False
        slower = sum(exports for _, exports, _ in running) / 2
        middle_s = running[len(running) // 2].for_s
        return slower > _FEW + 2 * self.started * _longer(self, middle_s)

    def believed(self) -> Iterator[Running]:
        """Yield those that run, the longest first; not those that must have completed."""
        least, slower = (0.0 if self.is_behind else 1.0), 0.0
        for for_s, exports, _ in sorted(self.running, reverse=True):
            still = _longer(self, for_s)
            expected = 2 * self.started * (still if least else _by_rule(self, for_s))
            believed = min(exports, least + expected - slower)
            if believed > 0:
                slower += believed
                yield Running(for_s, believed, still)


def merged(groups: Iterable[Group], most: int) -> list[Group]:
    """Return the largest groups, with the exports of the others in the most similar of them."""
    by_size = sorted(groups, key=lambda one: -(one.queued + len(one.servers)))
    kept = by_size[:most]
    for other in by_size[most:]:
        like = min(kept, key=lambda one: abs(math.log(one.median_s / other.median_s)))
        like.started += other.started
        like.queued += other.queued
        like.servers += other.servers
    return kept


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
            later = _even_longer(group, for_s, after_s, still)
            logarithm += exports * _log_of_rest(min(1.0, later))
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


def _even_longer(group: Group, for_s: float, after_s: float, still: float) -> float:
    """Return the chance that an export takes longer still that has taken so long."""
    if still < _IMPOSSIBLE:  # it follows no rule at all: the longer it took, the longer it takes
        return (for_s / (for_s + after_s)) ** 2
    return _longer(group, for_s + after_s) / still


def _longer(group: Group, seconds: float) -> float:
    """Return the chance that an export takes longer."""
    if seconds <= 0:
        return 1.0
    away = _away(group, seconds)
    if away < _NEAR:
        return 0.5 * math.erfc(away)
    return 0.5 * ((1 - _FAT) * math.erfc(away) + _FAT * math.erfc(away / _FATTER))


def _by_rule(group: Group, seconds: float) -> float:
    """Return the same of one that follows the rule."""
    return 0.5 * math.erfc(_away(group, seconds)) if seconds > 0 else 1.0


def _away(group: Group, seconds: float) -> float:
    return (math.log(seconds) - math.log(group.median_s)) / (
        _ROOT_2 * max(_NARROWEST, group.spread)
    )
