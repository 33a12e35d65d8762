from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.engine import events as e
from collector.engine.answers import Call, ExportSaid, ExportState, ProblemKind
from collector.engine.gates import Ceilings
from collector.engine.polling import Durations, Progress, ask_at
from collector.engine.state import Phase
from tests.engine.simulation import Service, Simulation, gaps, problem, quick, selected

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS


def polls(service: Service, servers: int = 1) -> tuple[Simulation, float]:
    """Return a run to its end, and the status calls it made for each server."""
    sim = Simulation(service, selected(servers)).run()
    return sim, len(sim.times(ASK)) / servers


def late_s(sim: Simulation, service: Service, server: int) -> float:
    """Return how long after an export's end it was found completed."""
    began_s = sim.times(POST, server)[-1]
    return sim.times(ASK, server)[-1] - began_s - service.duration_s(server)


@pytest.mark.parametrize("duration_s", [3.0, 20.0, 50.0])
def test_an_export_that_tells_its_progress_is_asked_about_twice(duration_s: float) -> None:
    service = Service(duration_s=lambda _server: duration_s, percent=lambda part: 100 * part)
    sim, asked = polls(service)
    assert asked <= 3
    assert late_s(sim, service, 0) < 1


def test_an_export_of_many_minutes_is_looked_at_every_minute() -> None:
    service = Service(duration_s=lambda _server: 1500.0, percent=lambda part: int(100 * part))
    sim, asked = polls(service)
    assert max(gaps(sim.times(ASK))) <= 61
    assert asked < 1.5 * 1500 / 60


def test_progress_in_steps_costs_few_calls() -> None:
    service = Service(duration_s=lambda _server: 60.0, percent=lambda part: 25 * int(4 * part))
    _, asked = polls(service)
    assert asked < 20


@pytest.mark.parametrize("percent", [0.0, -3.0])
def test_a_percentage_that_tells_nothing_is_as_good_as_none(percent: float) -> None:
    sim, _ = polls(Service(duration_s=lambda _server: 300.0, percent=lambda _part: percent))
    plain, _ = polls(Service(duration_s=lambda _server: 300.0))
    assert sim.times(ASK) == plain.times(ASK)


@pytest.mark.parametrize("percent", [99.0, 100.0, 250.0])
def test_an_export_that_is_said_to_be_almost_done_is_found_done_soon(percent: float) -> None:
    service = Service(duration_s=lambda _server: 100.0, percent=lambda _part: percent)
    sim, asked = polls(service)
    assert late_s(sim, service, 0) < 0.16 * 100
    assert asked < 35


def test_without_progress_the_wait_grows_with_the_time_that_has_gone() -> None:
    service = Service(duration_s=lambda _server: 900.0)
    sim, asked = polls(service)
    waits = gaps(sim.times(ASK))
    assert asked < 35
    assert waits == pytest.approx(sorted(waits), abs=0.1)
    assert 59 < waits[-1] < 61


def test_durations_that_were_seen_are_expected_of_later_exports() -> None:
    rng = random.Random(4)  # noqa: S311  # a test's own
    lasts = [rng.uniform(19.0, 21.0) for _ in range(400)]
    service = Service(duration_s=lambda server: lasts[server])
    sim = Simulation(service, selected(400), Ceilings(exports_in_flight={0: 40})).run()
    first = [len(sim.times(ASK, server)) for server in range(10)]
    last = [len(sim.times(ASK, server)) for server in range(390, 400)]
    assert sum(first) / 10 > 5
    assert sum(last) / 10 < 3.5
    assert sum(late_s(sim, service, server) for server in range(390, 400)) / 10 < 6


def test_few_durations_are_not_yet_a_rule() -> None:
    durations = Durations()
    for _ in range(4):
        durations.add(20.0)
    assert durations.next_likely_s(1.0) is None
    durations.add(20.0)
    assert durations.next_likely_s(1.0) == 20.0
    assert durations.next_likely_s(20.0) is None


def test_the_latest_thousand_durations_are_remembered() -> None:
    durations = Durations()
    for duration_s in itertools.chain([5.0] * 1000, [90.0] * 1000):
        durations.add(duration_s)
    assert durations.next_likely_s(1.0) == 90.0


def test_an_export_stuck_at_99_per_cent_is_asked_about_ever_less() -> None:
    service = Service(
        duration_s=lambda _server: 1e9, percent=lambda part: min(99.0, part * 1e9 * 10)
    )
    sim = Simulation(service, selected(1)).run(until_s=3000)
    waits = gaps(sim.times(ASK)[10:])
    assert waits == pytest.approx(sorted(waits), abs=0.1)
    assert 59 < waits[-1] < 61
    assert len(sim.times(ASK)) < 100


@pytest.mark.parametrize("percent", [None, 99.0, 1.0])
def test_an_export_that_never_completes_is_given_up_after_an_hour(percent: float | None) -> None:
    service = Service(duration_s=lambda _server: 1e9, percent=lambda _part: percent)
    sim, asked = polls(service, 2)
    assert 3600 <= sim.times(ASK)[-1] <= 3600 + 62
    assert asked < 120
    for row in sim.state.servers:
        assert row.phase is Phase.FAILED
        assert row.failure is not None
        assert (row.failure.stage, row.failure.kind) == ("export", "export_failed")
        assert "60 minutes" in row.failure.message
    assert not sim.of(e.AttemptFailed)


def test_calls_for_status_are_counted_with_the_next_fact() -> None:
    service = Service(script={(0, ASK): [problem(ProblemKind.SERVICE_FAILED)]})
    sim, _ = polls(service)
    (failed,) = sim.of(e.AttemptFailed)
    (completed,) = sim.of(e.ExportCompleted)
    assert failed.polls == 1
    assert failed.polls + completed.polls == len(sim.times(ASK)) == sim.state.servers[0].polls


def test_calls_for_status_are_counted_once() -> None:
    failures = [problem(ProblemKind.CUT), problem(ProblemKind.CUT)]
    sim, _ = polls(Service(script={(0, Call.FETCH_ARCHIVE): [*failures]}))
    assert sim.state.servers[0].polls == len(sim.times(ASK)) > 1


def test_a_run_taken_up_remembers_when_its_exports_began() -> None:
    began = Simulation(Service(duration_s=lambda _server: 1e9), selected(1)).run(until_s=3000)
    process = e.RunResumed(
        at=began.scheduler.ending(3000).at, collector_version="0", host="h", user="u", pid=2,
        argv=(),
    )  # fmt: skip
    service = Service(script={(0, ASK): [ExportSaid("x1", ExportState.RUNNING, "Running")] * 500})
    sim = Simulation(service, [*began.events, process], now_s=3000.0).run()
    assert 3600 <= sim.times(ASK)[-1] <= 3662
    assert sim.state.failed == 1


@quick
@given(
    started_s=st.floats(0, 1e5),
    lasts=st.lists(st.floats(0, 5000), max_size=20),
    heard=st.lists(
        st.tuples(st.floats(0, 400), st.none() | st.floats(-10, 200)), min_size=1, max_size=20
    ),
)
def test_no_export_is_asked_about_more_often_than_twice_a_second_nor_less_than_once_a_minute(
    started_s: float, lasts: list[float], heard: list[tuple[float, float | None]]
) -> None:
    durations = Durations()
    for duration_s in lasts:
        durations.add(duration_s)
    export = Progress(started_s)
    asked_s = started_s
    for wait_s, percent in heard:
        next_s = ask_at(export, durations, asked_s)
        assert asked_s + 0.5 - 1e-6 <= next_s <= asked_s + 60 + 1e-6
        assert ask_at(export, durations, next_s + 100) == next_s + 100
        asked_s = next_s + wait_s
        export.heard(percent, asked_s)
