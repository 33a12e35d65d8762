"""Whose limit it is that nobody names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.engine.pacing.findings import Learned
from collector.engine.pacing.pacer import Pacer
from collector.model import events as e
from collector.model.answers import Call, Scope, ScopeKind
from collector.model.prior import Prior
from tests.support.greedy import scopes, throttled
from tests.support.simulation import HiddenLimit, Service, Simulation, selected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model.answers import Problem

POST = Call.START_EXPORT
EACH = 5
"""Calls that may be refused for each scope that has a limit."""


class SometimesNamed(HiddenLimit):
    """Names itself in every other 429."""

    def refuses(self, scopes: tuple[Scope, ...], now_s: float) -> Problem | None:
        self.names = self.refused % 2 == 1
        return super().refuses(scopes, now_s)


def limited(  # a fleet, and what it meets with
    kind: ScopeKind,
    *,
    projects: int,
    named: bool,
    servers: int = 60,
    limit: int = 6,
    only: str | None = None,
    credentials: Sequence[str] = ("ops",),
    requests_per_second: float | None = None,
    of: type[HiddenLimit] = HiddenLimit,
) -> tuple[Simulation, HiddenLimit]:
    """Run a fleet of exports of three seconds behind a limit that says no number."""
    hidden = of(kind, limit, tells=False, names=named, only=only)
    events = selected(
        servers, projects=projects, credentials=credentials,
        requests_per_second=requests_per_second,
    )  # fmt: skip
    sim = Simulation(Service([hidden], lambda _server: 3.0), events).run()
    assert sim.state.collected == servers
    return sim, hidden


def ends(sim: Simulation) -> dict[int, float]:
    """Return when the last call of each project left."""
    return {project: at_s for at_s, _, project in sim.sent}


def standing(sim: Simulation) -> set[str]:
    """Return the kinds of scope of which a limit is held to be known in the end."""
    return {one.scope for one in sim.state.limits.values() if one.source != "refuted"}


@pytest.mark.parametrize(
    ("kind", "projects", "servers"),
    [
        (ScopeKind.USER, 1, 60), (ScopeKind.USER, 2, 60), (ScopeKind.USER, 6, 60),
        (ScopeKind.USER, 40, 60), (ScopeKind.PROJECT, 1, 60), (ScopeKind.PROJECT, 2, 120),
        (ScopeKind.PROJECT, 6, 360), (ScopeKind.PROJECT, 40, 400),
    ],
)  # fmt: skip
def test_a_limit_that_nobody_names_is_kept_to_like_one_that_is_named(
    kind: ScopeKind, projects: int, servers: int
) -> None:
    named, _ = limited(kind, projects=projects, servers=servers, named=True)
    nameless, hidden = limited(kind, projects=projects, servers=servers, named=False)
    owners = projects if kind is ScopeKind.PROJECT else 1
    assert nameless.now_s <= 1.1 * named.now_s
    assert hidden.refused <= max(EACH * owners, 0.01 * len(nameless.sent))


@pytest.mark.parametrize("projects", [2, 6])
def test_accounts_behind_one_limit_of_an_address_are_held_to_it_together(projects: int) -> None:
    credentials = ["a", "b"]
    named, _ = limited(ScopeKind.IP, projects=projects, credentials=credentials, named=True)
    nameless, hidden = limited(
        ScopeKind.IP, projects=projects, credentials=credentials, named=False
    )
    assert nameless.now_s <= 1.1 * named.now_s
    assert hidden.refused <= EACH
    assert standing(nameless) == {"ip"}


def test_accounts_with_a_limit_each_are_not_held_to_one_together() -> None:
    credentials = ["a", "b"]
    named, _ = limited(ScopeKind.USER, projects=2, servers=200, credentials=credentials, named=True)
    nameless, _ = limited(
        ScopeKind.USER, projects=2, servers=200, credentials=credentials, named=False
    )
    assert nameless.now_s <= 1.1 * named.now_s
    assert standing(nameless) == {"user"}


@pytest.mark.parametrize(("projects", "servers"), [(2, 480), (6, 720)])
def test_one_project_with_a_limit_of_its_own_does_not_hold_up_the_others(
    projects: int, servers: int
) -> None:
    of_it = {"servers": servers, "limit": 2, "only": "p0"}
    named, _ = limited(ScopeKind.PROJECT, projects=projects, named=True, **of_it)  # type: ignore[arg-type]  # by name
    nameless, _ = limited(ScopeKind.PROJECT, projects=projects, named=False, **of_it)  # type: ignore[arg-type]  # as above
    whole_s = ends(named)[0]
    for project in range(1, projects):
        assert ends(nameless)[project] <= ends(named)[project] + 0.1 * whole_s


def test_a_limit_on_one_kind_of_call_is_told_from_one_of_each_project() -> None:
    nameless, hidden = limited(
        ScopeKind.API, projects=6, servers=120, limit=4, only=f"e {POST}", named=False
    )
    assert standing(nameless) == {"api"}
    assert hidden.refused <= 2 * EACH


def test_projects_with_a_limit_each_are_not_remembered_as_one_account() -> None:
    nameless, _ = limited(ScopeKind.PROJECT, projects=6, servers=360, named=False)
    assert standing(nameless) == {"project"}
    refuted = [one for one in nameless.of(e.LimitLearned) if one.source == "refuted"]
    assert {one.scope for one in refuted} == {"user"}


@pytest.mark.parametrize("kind", [ScopeKind.USER, ScopeKind.PROJECT])
def test_a_limit_that_is_named_now_and_then_is_kept_to_as_well(kind: ScopeKind) -> None:
    named, _ = limited(kind, projects=2, servers=120, named=True)
    mixed, hidden = limited(kind, projects=2, servers=120, named=False, of=SometimesNamed)
    assert mixed.now_s <= 1.1 * named.now_s
    assert hidden.refused <= EACH * 2


def test_a_ceiling_that_a_person_wrote_holds_whoever_owns_the_limit() -> None:
    nameless, hidden = limited(
        ScopeKind.USER, projects=2, servers=60, requests_per_second=4.0, named=False
    )
    for project in (0, 1):
        times = [at_s for at_s, _, of in nameless.sent if of == project]
        assert all(later - sooner >= 1.0 for sooner, later in zip(times, times[4:], strict=False))
    assert hidden.refused <= EACH


def test_calls_of_a_burst_that_are_refused_are_not_counted_as_let_through() -> None:
    pacer = Pacer(Prior())
    track = pacer.track(POST, scopes(POST), share=1.0)
    for number in range(8):
        pacer.sent(track, 0.001 * number)
    for number in range(5):
        pacer.passed(track, (), 0.001 * number, 0.1 + 0.001 * number)
    for number in (7, 6, 5):
        pacer.throttled(track, throttled(), 0.001 * number, 0.11)
    pacer.sent(track, 2.0)
    news = [
        *pacer.throttled(track, throttled(), 2.0, 2.1),
        *pacer.throttled(track, throttled(), 2.2, 2.3),
    ]
    assert pacer.rate(track.scopes[1]) <= 5.0
    assert all(isinstance(one, Learned) for one in news)
