"""Turns that a service can take, and after which a run has to be as good as before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing.gateway import Limit, Neighbour
from collector.engine.pacing.findings import Disbelieved
from collector.engine.polling.durations import Evidence, ExportDurations
from collector.model.answers import (
    NO_METADATA,
    Call,
    ExportSaid,
    ExportState,
    ProblemKind,
    ScopeKind,
)
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior, PriorLimit
from collector.model.state import Phase
from tests.support.greedy import USER, Answer, Gate, Greedy, rate, told
from tests.support.simulation import Service, Simulation, problem, selected

if TYPE_CHECKING:
    from collector.engine.pacing.tracks import Track

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS


@pytest.mark.parametrize("shape", ["bare", "named"])
def test_headers_that_contradict_429s_without_words_neither_stop_nor_hurry(shape: str) -> None:
    gate = Gate(Limit(ScopeKind.USER, 10, 1.0), shape=shape)

    def answer(track: Track, at_s: float, asked: bool) -> Answer:
        said = gate(track, at_s, asked)
        return told(50) if said == NO_METADATA and asked else said

    greedy = Greedy(answer).run(1000)
    assert rate(greedy.let_through(), 100, 1000) >= 0.85 * 10
    assert len(greedy.refused) <= 0.03 * len(greedy.left)
    assert any(isinstance(news, Disbelieved) for news in greedy.news)


@pytest.mark.parametrize("said", [1.0, 1e-9])
def test_an_export_stuck_at_the_start_is_given_up_in_time(said: float) -> None:
    service = Service(duration_s=lambda _server: 1e9, percent=lambda _part: said)
    sim = Simulation(service, selected(2), Ceilings(export_s=1800.0)).run()
    assert 1800 <= sim.times(ASK)[-1] <= 1800 * 1.4
    assert {row.phase for row in sim.state.servers} == {Phase.FAILED}


def test_an_export_that_says_far_too_little_and_then_nothing_is_asked_about_again() -> None:
    said = [ExportSaid("y", ExportState.RUNNING, "Running", percent=p) for p in (None, 2e-36, None)]
    sim = Simulation(Service(script={(0, ASK): [*said]}), selected(1)).run(until_s=10_000)
    assert sim.state.collected == 1


def test_after_a_minute_in_which_nothing_passed_at_the_start_a_run_is_fast_again() -> None:
    gate = Gate(
        Limit(ScopeKind.USER, 20, 1.0), refuses_all=lambda _track, at_s: 0.1 < at_s < 60
    )  # fmt: skip
    greedy = Greedy(gate).run(600)
    assert rate(greedy.let_through(), 300, 600) >= 0.5 * 20


def test_five_bare_429s_at_the_start_do_not_make_two_servers_take_half_an_hour() -> None:
    service = Service(
        duration_s=lambda _server: 2.0, script={(0, POST): [problem(ProblemKind.THROTTLED)] * 5}
    )
    assert Simulation(service, selected(2, first=[0])).run().now_s < 600


def test_a_limit_by_the_minute_that_nobody_tells_is_followed_when_it_is_halved() -> None:
    gate = Gate(Limit(ScopeKind.USER, 200, 60.0, changes=((200.0, 100),)))
    greedy = Greedy(gate).run(900)
    assert rate(greedy.let_through(), 400, 900) >= 0.8 * 100 / 60


def test_a_neighbour_in_a_limit_by_the_minute_does_not_stop_a_run() -> None:
    neighbour = Neighbour(busy_s=60.0, idle_s=60.0)
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 200, 60.0, neighbour=neighbour))).run(600)
    assert rate(greedy.let_through(), 120, 600) >= 0.7 * 100 / 60


def test_fixed_windows_of_ten_seconds_that_nobody_tells_cost_few_refusals() -> None:
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 100, 10.0, "fixed"), shape="bare")).run(600)
    assert rate(greedy.let_through(), 120, 600) >= 0.85 * 10
    assert len(greedy.refused) <= 0.02 * len(greedy.left)


def test_what_is_known_is_not_exceeded_with_the_first_calls() -> None:
    known = Prior((PriorLimit(USER, 10, 1.0, "told"),))
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 10, 1.0)), known=known).run(5)
    assert greedy.refused == []


def test_an_export_found_completed_at_the_instant_it_began_is_learned_from() -> None:
    learned = ExportDurations()
    learned.learn(Evidence(), 0.0, 0.0)  # a clock that went back a little between the two
    assert 0 < learned.median_s < math.inf
