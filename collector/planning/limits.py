"""Which limits apply to which calls, and how long a run takes under each alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.model.answers import Call, ScopeKind
from collector.model.lifecycle import LIFECYCLE
from collector.model.prior import PriorDurations, pooled
from collector.planning.forecasting import LONGEST_S, mean_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.model.answers import Scope
    from collector.model.prior import Prior, PriorExports, PriorLimit
    from collector.model.state import ProjectRow, RunState
    from collector.providers.connecting import Scopes

ASSUMED_CALLS = 10
ASSUMED_WINDOW_S = 1.0
"""The assumed limit of an account where nothing is known: a guess, reported as one."""
ASSUMED_DURATIONS = PriorDurations(exports=0, median_s=135.0, spread=0.8)
"""The assumed duration of exports where nothing is known: one in a hundred over a quarter hour."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, and how long a run takes under it alone.

    Attributes:
        what: what it limits: `calls`, running `exports`, or `bytes`.
        scope: who shares it: a kind of scope, or `run`.
        name: the scope's name.
        limit: how many; for calls and bytes, in `window_s`.
        window_s: None for exports.
        used: how many of these a run would use.
        source: `inventory`, `remembered` from earlier runs, or `assumed`.
        seconds: how long all work under it takes.
        starts_s: how long starting every export takes under it.
        covers: the calls that it applies to, each as its project's number and its kind.
    """

    what: str
    scope: str
    name: str
    limit: float
    window_s: float | None
    used: float
    source: str
    seconds: float
    starts_s: float = 0.0
    covers: frozenset[tuple[int, Call]] = field(default=frozenset(), repr=False)


class CallLimits:
    """The limits on what is left of a run.

    Attributes:
        calls: by project, how many servers still need each kind of call; projects with none are
            left out.
    """

    def __init__(self, state: RunState, scopes: Scopes, known: Prior) -> None:
        self._state = state
        self._known = known
        self.calls: dict[int, Counter[Call]] = defaultdict(Counter)
        for (project, phase), servers in Counter(
            (row.project, row.phase) for row in state.servers
        ).items():
            for call in LIFECYCLE[phase].calls:
                self.calls[project][call] += servers
        self._models: dict[int, Counter[str | None]] = defaultdict(Counter)
        for row in state.servers:
            if Call.ASK_STATUS in LIFECYCLE[row.phase].calls:
                self._models[row.project][row.selected.model] += 1
        self._passing: dict[Scope, set[tuple[int, Call]]] = defaultdict(set)
        for project in self.calls:
            for call in Call:
                for scope in scopes(project, call):
                    self._passing[scope].add((project, call))

    def durations(self, project: int) -> tuple[PriorDurations, str]:
        """Return the expected duration of a project's exports, and whether it is known.

        Where that of some models is, it counts by how many of their servers still need an export.
        """
        known = self._known
        found = known.durations.get(project)
        own = {
            model: known.of_models[project, model]
            for model in self._models[project]
            if model is not None and (project, model) in known.of_models
        }
        if not own:
            return (ASSUMED_DURATIONS, "assumed") if found is None else (found, "remembered")
        if len(self._models[project]) == 1:
            return next(iter(own.values())), "remembered"
        rest = ASSUMED_DURATIONS if found is None else found
        parts = [
            (count, own.get(model or "", rest)) for model, count in self._models[project].items()
        ]
        exports = max(one.exports for one in (rest, *own.values()))
        return pooled(exports, parts), "remembered"

    def all(self) -> Iterator[Limit]:
        """Yield every known or assumed limit, except the one on bytes."""
        spoken_of = {project for project in self.calls if self._met_none(project)}
        for limit in self._known.limits:
            if covers := self._passing.get(limit.scope):
                spoken_of |= {project for project, _ in covers}
                yield self._remembered(limit, covers)
        yield from self._assumed(spoken_of)
        for exports in self._known.exports:
            if covers := self._passing.get(exports.scope):
                yield self._remembered_exports(exports, covers)
        for project in self.calls:
            yield from self._written(self._state.projects[project])

    def _met_none(self, project: int) -> bool:
        """Whether as many exports went through before without meeting a limit."""
        found = self._known.durations.get(project)
        return found is not None and found.exports >= self.calls[project][Call.START_EXPORT]

    def _remembered(self, limit: PriorLimit, covers: set[tuple[int, Call]]) -> Limit:
        kind, name = limit.scope
        return self._of_calls(
            kind.value, name, limit.limit, limit.window_s,
            used=self._used(limit.limit, covers), source="remembered", covers=covers,
        )  # fmt: skip

    def _assumed(self, spoken_of: set[int]) -> Iterator[Limit]:
        """Assume a limit for each account that has a project without any known limit."""
        for (kind, name), covers in self._passing.items():
            if kind is ScopeKind.USER and any(project not in spoken_of for project, _ in covers):
                yield self._of_calls(
                    kind.value, name, ASSUMED_CALLS, ASSUMED_WINDOW_S,
                    used=self._used(ASSUMED_CALLS, covers), source="assumed", covers=covers,
                )  # fmt: skip

    def _written(self, row: ProjectRow) -> Iterator[Limit]:
        """Yield a project's ceilings from the inventory."""
        covers = {(row.project, call) for call in Call}
        if (rate := row.requests_per_second) is not None:
            yield self._of_calls(
                "project", row.name, rate, 1.0, used=rate, source="inventory", covers=covers
            )
        if row.exports_in_flight is not None:
            yield self._of_exports("project", row.name, row.exports_in_flight, "inventory", covers)

    def _remembered_exports(self, exports: PriorExports, covers: set[tuple[int, Call]]) -> Limit:
        kind, name = exports.scope
        return self._of_exports(kind.value, name, exports.limit, "remembered", covers)

    def _used(self, limit: float, covers: set[tuple[int, Call]]) -> float:
        """Return how much of a learned limit is used: the smallest share of its projects."""
        share = min(self._state.projects[project].share for project, _ in covers)
        return max(1, math.floor(share * limit)) if limit >= 1 else limit

    def _of_calls(
        self, scope: str, name: str, limit: float, window_s: float, *,
        used: float, source: str, covers: set[tuple[int, Call]],
    ) -> Limit:  # fmt: skip
        calls = sum(self.calls[project][call] for project, call in covers)
        starts = sum(self.calls[project][call] for project, call in covers if _starts(call))

        def lasts_s(calls: int) -> float:
            if calls <= used:
                return 0.0  # the first window's calls take no time
            return min(LONGEST_S, (calls - used) / used * window_s)

        return Limit(
            "calls", scope, name, limit, window_s, used, source,
            lasts_s(calls), lasts_s(starts), frozenset(covers),
        )  # fmt: skip

    def _of_exports(
        self, scope: str, name: str, limit: int, source: str, covers: set[tuple[int, Call]]
    ) -> Limit:
        exports, work_s = 0, 0.0
        for project in {project for project, _ in covers}:
            here = self.calls[project][Call.ASK_STATUS]  # running exports already have places
            exports += here
            work_s += here * mean_s(self.durations(project)[0])
        mean = min(LONGEST_S, work_s / exports) if exports else 0.0
        starts_s = min(LONGEST_S, max(0, exports - limit) * mean / limit)
        starting = frozenset(cover for cover in covers if _starts(cover[1]))
        return Limit(
            "exports", scope, name, limit, None, limit, source, starts_s + mean, starts_s, starting
        )


def _starts(call: Call) -> bool:
    return call is Call.START_EXPORT


def by_project(limits: list[Limit]) -> Mapping[int, list[Limit]]:
    """Group limits by the projects that they apply to."""
    found: dict[int, list[Limit]] = defaultdict(list)
    for limit in limits:
        for project in {project for project, _ in limit.covers}:
            found[project].append(limit)
    return found
