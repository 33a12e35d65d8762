"""What is remembered: entries with their dates, how two sets become one, and what is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from collector.model.answers import Scope, ScopeKind
from collector.model.prior import Prior, PriorDurations, PriorExports, PriorLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model import events as e
    from collector.model.state import RunState

KEPT_FOR = timedelta(days=30)
ENTRIES_KEPT = 1000
"""Of each kind; the oldest are dropped."""
REFUTED = "refuted"
"""What a run has found not to hold: it takes an older entry's place, and is not kept."""
SOURCES = ("told", "estimated", REFUTED)
"""What a run has found out itself, as `LimitLearned` says it."""
LARGEST_LIMIT = 1_000_000
LONGEST_S = 86_400.0
WIDEST_SPREAD = 10.0


@dataclass(frozen=True, slots=True)
class RememberedDurations:
    """How long exports of a project took, and when that was known."""

    at: str
    exports: int
    median_s: float
    spread: float


class Dated(Protocol):
    """What was learned at a time."""

    @property
    def at(self) -> str:
        """When, as the journal writes it."""


EntryT = TypeVar("EntryT", bound=Dated)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known from earlier runs: limits by scope, durations by endpoint and project's id."""

    limits: Mapping[Key, e.LimitLearned] = field(default_factory=dict)
    exports_limits: Mapping[Key, e.ExportsLimitLearned] = field(default_factory=dict)
    durations: Mapping[Key, RememberedDurations] = field(default_factory=dict)

    def known(self, state: RunState) -> Prior:
        """Return what a run begins with: of what is older and what its journal says, the latest."""
        own = learned_by(state)
        limits = standing(merged(self.limits, own.limits))
        exports_limits = merged(self.exports_limits, own.exports_limits)
        durations = merged(self.durations, own.durations)
        return Prior(
            limits=tuple(
                PriorLimit(_scope(key), entry.limit, entry.window_s, entry.source)
                for key, entry in limits.items()
            ),
            exports=tuple(
                PriorExports(_scope(key), entry.limit) for key, entry in exports_limits.items()
            ),
            durations={
                row.project: PriorDurations(entry.exports, entry.median_s, entry.spread)
                for row in state.projects
                if (entry := durations.get((row.endpoint, row.id))) is not None
            },
        )


def learned_by(state: RunState) -> Remembered:
    """Return what a run has learned itself: not what it only remembers."""
    return Remembered(
        {key: one for key, one in state.limits.items() if _is_own(one) and is_limit(one)},
        {key: one for key, one in state.exports_limits.items() if _is_own(one) and is_count(one)},
        {
            (row.endpoint, row.id): entry
            for project, one in state.durations.items()
            for row in (state.projects[project],)
            for entry in (RememberedDurations(one.at, one.exports, one.median_s, one.spread),)
            if are_durations(entry)
        },
    )


def _is_own(entry: e.LimitLearned | e.ExportsLimitLearned) -> bool:
    return entry.source in SOURCES


def _scope(key: Key) -> Scope:
    kind, name = key
    return Scope(ScopeKind(kind), name)


def merged(older: Mapping[Key, EntryT], newer: Mapping[Key, EntryT]) -> dict[Key, EntryT]:
    """Return the entries of both; of two with one key, the one that was learned last."""
    merged = dict(older)
    for key, entry in newer.items():
        there = merged.get(key)
        if there is None or date(there) <= date(entry):
            merged[key] = entry
    return merged


def standing(limits: Mapping[Key, e.LimitLearned]) -> dict[Key, e.LimitLearned]:
    """Leave out those that were refuted."""
    return {key: entry for key, entry in limits.items() if entry.source != REFUTED}


def grown(
    older: Mapping[Key, RememberedDurations], newer: Mapping[Key, RememberedDurations]
) -> dict[Key, RememberedDurations]:
    """Return the newer ones, each known from no fewer exports than before: a run begins with those.

    So a run of one server takes nothing from what a hundred have shown.
    """
    return {
        key: replace(entry, exports=max(entry.exports, older[key].exports if key in older else 0))
        for key, entry in newer.items()
    }


def date(entry: Dated) -> datetime:
    """Read when something was learned.

    Raises:
        ValueError: it is no time.
    """
    at = datetime.fromisoformat(entry.at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def fresh(found: Remembered, now: datetime) -> Remembered:
    """Leave out what is old, or dated where a clock was wrong, and the oldest of too many."""

    def of(entries: Mapping[Key, EntryT]) -> dict[Key, EntryT]:
        dated = ((abs(now - date(entry)), key, entry) for key, entry in entries.items())
        fresh = sorted((one for one in dated if one[0] <= KEPT_FOR), key=lambda one: one[0])
        return {key: entry for _, key, entry in fresh[:ENTRIES_KEPT]}

    return Remembered(of(found.limits), of(found.exports_limits), of(found.durations))


# What is believable: nothing else is written, and a file that holds something else is damaged


def is_limit(entry: e.LimitLearned) -> bool:
    """Whether a service may have such a limit."""
    return (
        _is_dated(entry)
        and _is_within(entry.limit, LARGEST_LIMIT)
        and _is_within(entry.window_s, LONGEST_S)
    )


def is_count(entry: e.ExportsLimitLearned) -> bool:
    """Whether a service may let so many exports run."""
    return _is_dated(entry) and _is_within(entry.limit, LARGEST_LIMIT)


def are_durations(entry: RememberedDurations) -> bool:
    """Whether exports may take so long."""
    return (
        _is_dated(entry)
        and _is_within(entry.exports, math.inf)
        and _is_within(entry.median_s, LONGEST_S)
        and 0 <= entry.spread <= WIDEST_SPREAD
    )


def _is_dated(entry: Dated) -> bool:
    try:
        date(entry)
    except ValueError:
        return False
    return True


def _is_within(value: float, most: float) -> bool:
    return 0 < value <= most
