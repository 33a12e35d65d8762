from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from collector.engine.polling.groups import Groups
from collector.model import events as e
from collector.model.answers import Call, ScopeKind
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior, PriorDurations, pooled
from collector.model.state import RunState, apply
from tests.support.simulation import HiddenLimit, Service, Simulation, selected

if TYPE_CHECKING:
    from collections.abc import Callable

POST, ASK, FETCH = Call
FAST_S, SLOW_S = 5.0, 60.0


def modelled(servers: int, model: Callable[[int], str | None], projects: int = 1) -> list[e.Event]:
    """Return the first events of a run whose servers are of some models."""
    return [
        replace(event, model=model(event.server)) if isinstance(event, e.ServerSelected) else event
        for event in selected(servers, projects=projects)
    ]


def half(server: int) -> str:
    return "slow" if server % 2 else "fast"


def duration_s(server: int) -> float:
    """Return what an export takes: within a tenth of its model's."""
    usual_s = SLOW_S if server % 2 else FAST_S
    return usual_s * (0.9 + 0.2 * (server * 7919 % 101) / 100)


def statuses(model: Callable[[int], str | None], known: Prior | None = None) -> tuple[int, float]:
    """Return how many statuses 300 servers took, and when the last archive was home."""
    limit = HiddenLimit(ScopeKind.USER, 20)
    sim = Simulation(
        Service([limit], duration_s), modelled(300, model), known=known or Prior()
    ).run()
    assert sim.state.collected == 300
    return len(sim.times(ASK)), sim.now_s


def groups_of(events: list[e.Event], known: Prior | None = None) -> Groups:
    state = RunState()
    for event in events:
        apply(state, event)
    return Groups(state, known or Prior())


def test_statuses_of_two_models_are_asked_for_when_each_is_likely_to_be_ready() -> None:
    alike, together_s = statuses(lambda _server: None)
    apart, apart_s = statuses(half)
    assert apart - 300 < 0.5 * (alike - 300)
    assert apart_s < 1.1 * together_s


def test_what_was_known_of_models_before_saves_statuses_from_the_first_one_on() -> None:
    of_models = {
        (0, "fast"): PriorDurations(200, FAST_S, 0.1),
        (0, "slow"): PriorDurations(200, SLOW_S, 0.1),
    }
    both = pooled(400, [(1, one) for one in of_models.values()])
    of_project, _ = statuses(half, Prior(durations={0: both}))
    together, _ = statuses(lambda _server: None, Prior(durations={0: both}))
    apart, _ = statuses(half, Prior(of_models=of_models))
    assert apart - 300 < 0.5 * (together - 300)
    assert apart <= of_project


def test_durations_of_models_are_learned_beside_their_projects() -> None:
    sim = Simulation(Service(duration_s=duration_s), modelled(200, half)).run()
    fast, slow = sim.state.of_models[0, "fast"], sim.state.of_models[0, "slow"]
    assert (fast.exports, slow.exports) == (100, 100)
    assert fast.median_s == pytest.approx(FAST_S, rel=0.2)
    assert slow.median_s == pytest.approx(SLOW_S, rel=0.2)
    both = sim.state.durations[0]
    assert both.exports == 200
    assert fast.median_s < both.median_s < slow.median_s
    assert both.spread > 1.0


def test_a_project_of_one_model_or_of_none_known_has_one_group() -> None:
    models: tuple[str | None, ...] = (None, "fast")
    for model in models:
        (group,) = groups_of(modelled(40, partial(lambda one, _server: one, model))).all
        assert group.model == model


def test_models_of_few_servers_are_taken_together_unless_they_are_known() -> None:
    def model(server: int) -> str | None:
        return {0: "rare", 1: None}.get(server, "common")

    events = modelled(40, model)
    assert [group.model for group in groups_of(events).all] == [None, "common"]
    known = Prior(of_models={(0, "rare"): PriorDurations(9, 7.0, 0.2)})
    groups = groups_of(events, known)
    assert {group.model for group in groups.all} == {None, "common", "rare"}
    rare = next(group for group in groups.all if group.model == "rare")
    assert rare.durations.median_s == 7.0


def test_a_model_that_nothing_is_known_of_is_thought_to_be_as_its_project() -> None:
    known = Prior(durations={0: PriorDurations(50, 33.0, 0.4)})
    groups = groups_of(modelled(40, half), known)
    assert {group.durations.median_s for group in groups.all} == {33.0}


def test_each_project_has_groups_of_its_own() -> None:
    groups = groups_of(modelled(60, lambda server: "ab"[server // 2 % 2], projects=2))
    assert [(group.project, group.model) for group in groups.all] == [
        (0, None), (0, "a"), (0, "b"), (1, None), (1, "a"), (1, "b"),
    ]  # fmt: skip
    assert [group.project for group in groups.of_project(1)] == [1, 1, 1]


def test_pooled_durations_lie_between_their_parts_and_spread_over_both() -> None:
    one, other = PriorDurations(10, 5.0, 0.1), PriorDurations(10, 80.0, 0.1)
    both = pooled(20, [(1, one), (1, other)])
    assert both.median_s == pytest.approx(20.0)
    assert both.spread > 1.3
    assert pooled(10, [(3, one)]).median_s == pytest.approx(5.0)


def test_a_deadline_withholds_exports_only_where_all_models_are_too_slow() -> None:
    of_models = {
        (0, "fast"): PriorDurations(50, FAST_S, 0.1),
        (0, "slow"): PriorDurations(50, 600.0, 0.1),
    }
    limit = HiddenLimit(ScopeKind.USER, 5)
    service = Service([limit], lambda server: 600.0 if server % 2 else FAST_S)
    sim = Simulation(
        service, modelled(200, half), Ceilings(deadline_s=60.0), known=Prior(of_models=of_models)
    ).run()
    assert sim.state.collected > 30
