"""What is remembered: dated entries, how to merge two sets, and which values are plausible."""

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
"""Entries of each kind; the oldest beyond that are dropped."""
REFUTED = "refuted"
"""A limit that a run has refuted: it replaces an older entry, and is not kept itself."""
SOURCES = ("told", "estimated", REFUTED)
"""Sources of `LimitLearned` that a run has found out itself."""
LARGEST_LIMIT = 1_000_000
LONGEST_S = 86_400.0
LONGEST_MODEL = 200
"""Characters of a model's name."""
WIDEST_SPREAD = 10.0


@dataclass(frozen=True, slots=True)
class RememberedDurations:
    """How long exports of a project took, and when that was learned."""

    at: str
    exports: int
    median_s: float
    spread: float


class Dated(Protocol):
    """Something learned at a certain time."""

    @property
    def at(self) -> str:
        """The time, as the journal writes it."""


EntryT = TypeVar("EntryT", bound=Dated)
Key = tuple[str, str]
ModelKey = tuple[str, str, str]
KeyT = TypeVar("KeyT", Key, ModelKey)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier runs have learned: limits by scope, durations by endpoint and project id.

    Those of one model's servers are by endpoint, project id and model.
    """

    limits: Mapping[Key, e.LimitLearned] = field(default_factory=dict)
    exports_limits: Mapping[Key, e.ExportsLimitLearned] = field(default_factory=dict)
    durations: Mapping[Key, RememberedDurations] = field(default_factory=dict)
    of_models: Mapping[ModelKey, RememberedDurations] = field(default_factory=dict)

    def known(self, state: RunState) -> Prior:
        """Return what a run starts with: the latest of these and of what its journal has."""
        own = learned_by(state)
        limits = unrefuted(merged(self.limits, own.limits))
        exports_limits = merged(self.exports_limits, own.exports_limits)
        durations = merged(self.durations, own.durations)
        of_models = merged(self.of_models, own.of_models)
        projects = {(row.endpoint, row.id): row.project for row in state.projects}
        return Prior(
            limits=tuple(
                PriorLimit(_scope(key), entry.limit, entry.window_s, entry.source)
                for key, entry in limits.items()
            ),
            exports=tuple(
                PriorExports(_scope(key), entry.limit) for key, entry in exports_limits.items()
            ),
            durations={
                project: _prior(durations[key])
                for key, project in projects.items()
                if key in durations
            },
            of_models={
                (projects[endpoint, project], model): _prior(entry)
                for (endpoint, project, model), entry in of_models.items()
                if (endpoint, project) in projects
            },
        )


def learned_by(state: RunState) -> Remembered:
    """Return what a run has learned itself, without what it remembered from earlier ones."""
    return Remembered(
        {key: one for key, one in state.limits.items() if _is_own(one) and is_limit(one)},
        {key: one for key, one in state.exports_limits.items() if _is_own(one) and is_count(one)},
        {
            (row.endpoint, row.id): entry
            for project, one in state.durations.items()
            for row in (state.projects[project],)
            for entry in (_remembered(one),)
            if are_durations(entry)
        },
        {
            (row.endpoint, row.id, model): entry
            for (project, model), one in state.of_models.items()
            for row in (state.projects[project],)
            for entry in (_remembered(one),)
            if are_durations(entry) and is_model(model)
        },
    )


def _remembered(one: e.DurationsLearned) -> RememberedDurations:
    return RememberedDurations(one.at, one.exports, one.median_s, one.spread)


def _prior(entry: RememberedDurations) -> PriorDurations:
    return PriorDurations(entry.exports, entry.median_s, entry.spread)


def _is_own(entry: e.LimitLearned | e.ExportsLimitLearned) -> bool:
    return entry.source in SOURCES


def _scope(key: Key) -> Scope:
    kind, name = key
    return Scope(ScopeKind(kind), name)


def merged(older: Mapping[KeyT, EntryT], newer: Mapping[KeyT, EntryT]) -> dict[KeyT, EntryT]:
    """Merge two sets of entries; for the same key, the one learned last wins."""
    merged = dict(older)
    for key, entry in newer.items():
        there = merged.get(key)
        if there is None or date(there) <= date(entry):
            merged[key] = entry
    return merged


def unrefuted(limits: Mapping[Key, e.LimitLearned]) -> dict[Key, e.LimitLearned]:
    """Drop the refuted ones."""
    return {key: entry for key, entry in limits.items() if entry.source != REFUTED}


def better_founded(
    older: Mapping[KeyT, RememberedDurations], newer: Mapping[KeyT, RememberedDurations]
) -> dict[KeyT, RememberedDurations]:
    """Return the newer ones that are based on no fewer exports than before.

    So a run of one server does not replace what a hundred have shown.
    """
    return {
        key: replace(entry, exports=max(entry.exports, older[key].exports if key in older else 0))
        for key, entry in newer.items()
    }


def date(entry: Dated) -> datetime:
    """Parse the time when something was learned.

    Raises:
        ValueError: it is not a time.
    """
    at = datetime.fromisoformat(entry.at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def fresh(found: Remembered, now: datetime) -> Remembered:
    """Drop entries that are old or from the future, and the oldest if there are too many."""

    def of(entries: Mapping[KeyT, EntryT]) -> dict[KeyT, EntryT]:
        dated = ((abs(now - date(entry)), key, entry) for key, entry in entries.items())
        fresh = sorted((one for one in dated if one[0] <= KEPT_FOR), key=lambda one: one[0])
        return {key: entry for _, key, entry in fresh[:ENTRIES_KEPT]}

    return Remembered(
        of(found.limits), of(found.exports_limits), of(found.durations), of(found.of_models)
    )


# Plausible values: nothing else is written, and a file with anything else is damaged


def is_limit(entry: e.LimitLearned) -> bool:
    """Whether a service may have such a limit on calls."""
    return (
        _is_dated(entry)
        and _is_within(entry.limit, LARGEST_LIMIT)
        and _is_within(entry.window_s, LONGEST_S)
    )


def is_count(entry: e.ExportsLimitLearned) -> bool:
    """Whether a service may have such a limit on exports."""
    return _is_dated(entry) and _is_within(entry.limit, LARGEST_LIMIT)


def are_durations(entry: RememberedDurations) -> bool:
    """Whether exports may take so long."""
    return (
        _is_dated(entry)
        and _is_within(entry.exports, math.inf)
        and _is_within(entry.median_s, LONGEST_S)
        and 0 <= entry.spread <= WIDEST_SPREAD
    )


def is_model(name: str) -> bool:
    """Whether a model may be called so."""
    return 0 < len(name) <= LONGEST_MODEL and name.isprintable()


def _is_dated(entry: Dated) -> bool:
    try:
        date(entry)
    except ValueError:
        return False
    return True


def _is_within(value: float, most: float) -> bool:
    return 0 < value <= most
