"""Scenarios: what the file says, and what one seed makes of it."""

from __future__ import annotations

import functools
import itertools
import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pacing import oracle
from benchmarks.pacing.driver import Wire
from benchmarks.pacing.gateway import Gateway, Limit, Neighbour
from benchmarks.pacing.service import LONG_S, SHORT_S, Service, distribution, durations
from collector.model.answers import Call, Scope, ScopeKind
from collector.model.prior import Prior, PriorDurations

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).with_name("scenarios.toml")
DEFAULT_WIRE = Wire()
SPECIAL = frozenset({"changed", "neighbour", "jitter", "noticing", "unnamed"})
"""Classes that are named for what happens and not computed."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A fleet and what it meets with.

    Attributes:
        kind: its class: quota, between, duration, concurrency, or one of `SPECIAL`.
        seed: the first; each next one is one more.
        shape: what a 429 says, as in `service`.
        accounts: projects take turns at them, as servers do at projects.
        sizes: how many turns each project has at servers in a round; absent: one.
        exports_s: one export in a hundred is shorter than the first, one longer than the second.
        exports_running: how many the service lets run at once in a project.
        stated: the inventory says so.
        changes: (part of the bound's makespan, factor on the limit at first).
        even: the projects have to be served alike.
        polling: there is quota to spare, and polls are counted.
        exports_s: one export in a hundred is shorter than the one, and one longer than the other.
        remembered: earlier runs have learned how long exports take.
        deadline_s: when the run is to end.
    """

    name: str
    kind: str
    seed: int = 1
    servers: int = 1000
    limits: tuple[Limit, ...] = ()
    shape: str = "words"
    percents: str = "ones"
    wire: Wire = DEFAULT_WIRE
    projects: int = 1
    accounts: int = 1
    sizes: tuple[int, ...] = ()
    exports_s: tuple[float, float] = (SHORT_S, LONG_S)
    exports_running: int | None = None
    stated: bool = False
    changes: tuple[tuple[float, float], ...] = ()
    even: bool = False
    polling: bool = False
    remembered: bool = False
    deadline_s: float = math.inf

    def scopes(self, project: int, call: Call) -> tuple[Scope, ...]:
        """Return the scopes of a project's call."""
        account = f"a{project % self.accounts}"
        return (
            Scope(ScopeKind.API, f"e {call}"),
            Scope(ScopeKind.USER, account),
            Scope(ScopeKind.APP, account),
            Scope(ScopeKind.IP, "e"),
            Scope(ScopeKind.PROJECT, f"p{project}"),
            Scope(ScopeKind.ENDPOINT, "e"),
        )

    @functools.cached_property
    def turns(self) -> tuple[int, ...]:
        """The projects of the first servers, until all is said again."""
        sizes = self.sizes or (1,) * self.projects
        return tuple(project for project, size in enumerate(sizes) for _ in range(size))

    def project_of(self, server: int) -> int:
        """Return a server's project."""
        return self.turns[server % len(self.turns)]

    @property
    def named(self) -> Scenario:
        """The same, where a 429 says whose limit it is about."""
        return replace(self, shape="named")

    @property
    def tells(self) -> bool:
        """Whether the service tells its limits, or has none."""
        return not (self.limits or self.exports_running) or self.shape in ("words", "headers")


class Trial:
    """A scenario with a seed: what is drawn, and what can be computed from it."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.durations_s = durations(scenario.servers, seed, *scenario.exports_s)

    def gateway(self) -> Gateway:
        """Return a gateway to which nothing has come yet."""
        return self._gateway(self.limits)

    def service(self) -> Service:
        """Return a service to which nothing has come yet."""
        scenario = self.scenario
        return Service(
            self.gateway(), self.durations_s, shape=scenario.shape, percents=scenario.percents
        )

    @property
    def known(self) -> Prior:
        """What earlier runs have learned."""
        scenario = self.scenario
        if not scenario.remembered:
            return Prior()
        durations = PriorDurations(scenario.servers, *distribution(*scenario.exports_s))
        return Prior(durations=dict.fromkeys(range(scenario.projects), durations))

    @functools.cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The limits, with the times at which they change."""
        scenario = self.scenario
        if not scenario.changes:
            return scenario.limits
        whole_s = self._bound(scenario.limits).makespan_s
        return tuple(
            Limit(
                limit.kind, limit.limit, limit.window_s, limit.windows, limit.only,
                tuple((part * whole_s, max(1, round(limit.limit * factor)))
                      for part, factor in scenario.changes),
                limit.neighbour, limit.of,
            )
            for limit in scenario.limits
        )  # fmt: skip

    @functools.cached_property
    def bound(self) -> oracle.Bound:
        """How soon it can be done."""
        return self._bound(self.limits)

    @functools.cached_property
    def kind(self) -> str:
        """The class that this is, by its numbers."""
        scenario = self.scenario
        longest_s = max(self.durations_s)
        quota_s = self._quota_s()
        if scenario.exports_running is not None:
            each_s = sum(self.durations_s) / scenario.projects / scenario.exports_running
            if each_s > max(quota_s, longest_s):
                return "concurrency"
        if quota_s > 3 * longest_s:
            return "quota"
        return "duration" if quota_s < longest_s / 3 else "between"

    def _quota_s(self) -> float:
        """Return how long the calls of the busiest scope take under its limit."""
        scenario = self.scenario
        calls: dict[tuple[int, str], int] = {}
        for server in range(scenario.servers):
            for call in Call:
                for scope in scenario.scopes(scenario.project_of(server), call):
                    for number, limit in enumerate(scenario.limits):
                        if limit.holds(scope, call):
                            key = number, scope.name
                            calls[key] = calls.get(key, 0) + 1
        rates = [limit.rate for limit in scenario.limits]
        return max((count / rates[number] for (number, _), count in calls.items()), default=0.0)

    def _gateway(self, limits: tuple[Limit, ...]) -> Gateway:
        scenario = self.scenario
        return Gateway(
            limits, exports_running=scenario.exports_running, scopes=scenario.scopes,
            seed=self.seed,
        )  # fmt: skip

    def _bound(self, limits: tuple[Limit, ...]) -> oracle.Bound:
        scenario = self.scenario
        return oracle.bound(
            lambda: self._gateway(limits), self.durations_s, projects=scenario.projects,
            wire=scenario.wire, project_of=scenario.project_of,
        )  # fmt: skip


def load(path: Path = FILE) -> list[Scenario]:
    """Return the scenarios of a file."""
    with path.open("rb") as file:
        tables = tomllib.load(file)["scenario"]
    return [_scenario(one) for table in tables for one in _spread(table)]


def _spread(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a scenario for each shape and number of projects, where several are listed."""
    listed = [key for key in ("shape", "projects") if isinstance(table.get(key), list)]
    for values in itertools.product(*(table[key] for key in listed)):
        name = "-".join((table["name"], *(str(value) for value in values)))
        yield table | dict(zip(listed, values, strict=True)) | {"name": name}


def _scenario(table: dict[str, Any]) -> Scenario:
    wire = {key: table.pop(key) for key in ("latency_s", "jitter") if key in table}
    return Scenario(
        kind=table.pop("class"),
        limits=tuple(_limit(dict(limit)) for limit in table.pop("limits", ())),
        wire=Wire(**wire),
        changes=tuple((part, factor) for part, factor in table.pop("changes", ())),
        sizes=tuple(table.pop("sizes", ())),
        exports_s=tuple(table.pop("exports_s", (SHORT_S, LONG_S))),
        **table,
    )


def _limit(table: dict[str, Any]) -> Limit:
    kind = ScopeKind(table.pop("kind", "user"))
    limit, window_s = table.pop("calls")
    only = table.pop("only", None)
    told = table.pop("neighbour", None)
    neighbour = None if told is None else Neighbour(**told)
    return Limit(
        kind, limit, float(window_s), only=only and Call(only), neighbour=neighbour, **table
    )
