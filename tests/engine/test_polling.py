from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pacing.promises import polling_promise
from benchmarks.pacing.service import MEDIAN_S, SPREAD, durations, percent
from collector.engine.polling.durations import Evidence, ExportDurations
from collector.engine.polling.timing import Pressure, Progress, ask_at
from collector.model import events as e
from collector.model.actions import AskStatus
from collector.model.answers import Call, ExportSaid, ExportState, ProblemKind
from collector.model.ceilings import Ceilings
from collector.model.prior import PriorDurations
from collector.model.state import Phase
from tests.support.simulation import Service, Simulation, gaps, problem, quick, selected

if TYPE_CHECKING:
    from collections.abc import Callable

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS


def polls(service: Service, servers: int = 1) -> tuple[Simulation, float]:
    """Return a run to its end, and the status calls it made for each server."""
    sim = Simulation(service, selected(servers)).run()
    return sim, len(sim.times(ASK)) / servers


def late_s(sim: Simulation, service: Service, server: int) -> float:
    """Return how long after an export's end it was found completed."""
    began_s = sim.times(POST, server)[-1]
    return sim.times(ASK, server)[-1] - began_s - service.duration_s(server)


def asked_early(
    lasts: list[float], said: Callable[[float, int], float | None], known: PriorDurations | None
) -> tuple[float, float]:
    """Ask about exports when calls are to spare; return polls on average, and the late part's p95.

    The second half counts: by then there was something to learn from.
    """
    learned = ExportDurations(known)
    asked, late = [], []
    for number, lasts_s in enumerate(lasts):
        export = Progress(0.0)
        times, at_s = 0, 0.0
        while at_s < lasts_s:
            at_s = max(at_s, ask_at(export, learned, Pressure.USUAL).early_s)
            times += 1
            if at_s < lasts_s:
                export.not_yet(said(at_s / lasts_s, number), learned, at_s, at_s)
        low_s = max(export.elapsed_s, min(export.low_s, export.high_s))
        learned.learn(export.evidence, low_s, max(low_s, min(at_s, export.high_s)))
        if export.high_s < math.inf:
            learned.percentages_kept(kept=export.elapsed_s <= export.high_s)
        asked.append(times)
        late.append((at_s - lasts_s) / lasts_s)
    half = len(lasts) // 2
    return sum(asked[half:]) / (len(lasts) - half), sorted(late[half:])[int(0.95 * half)]


@pytest.mark.parametrize("duration_s", [3.0, 20.0, 50.0, 1500.0])
def test_an_export_that_tells_its_progress_costs_few_calls_and_is_found_done_at_once(
    duration_s: float,
) -> None:
    service = Service(duration_s=lambda _server: duration_s, percent=lambda part: 100 * part)
    sim, asked = polls(service)
    assert asked <= 20
    assert late_s(sim, service, 0) < 0.05 * duration_s + 0.6


@pytest.mark.parametrize("style", ["ones", "quarters", "none"])
def test_polls_and_lateness_are_bounded_where_calls_are_to_spare(style: str) -> None:
    promised = polling_promise(style)
    known = PriorDurations(1000, MEDIAN_S, SPREAD)
    asked, late = asked_early(
        durations(2000, 3), lambda part, number: percent(style, part, number), known
    )
    assert asked <= 1.15 * promised.polls
    assert late <= 1.15 * promised.late_p95


def test_percentages_that_are_stuck_at_99_cost_a_bounded_number_of_calls() -> None:
    asked, late = asked_early(
        durations(2000, 3), lambda part, number: percent("stuck99", part, number), None
    )
    assert asked <= 24
    assert late <= 0.25


def test_percentages_that_lie_are_given_up() -> None:
    learned = ExportDurations()
    for _ in range(20):
        export = Progress(0.0)
        for at_s in (10.0, 20.0, 40.0, 80.0):  # always nearly done
            export.not_yet(99.0, learned, at_s, at_s)
    assert not learned.are_percentages_believed


@pytest.mark.parametrize("said", [-3.0, 100.0, 250.0, math.nan])
def test_a_percentage_that_cannot_be_meant_is_as_good_as_none(said: float) -> None:
    sim, _ = polls(Service(duration_s=lambda _server: 300.0, percent=lambda _part: said))
    plain, _ = polls(Service(duration_s=lambda _server: 300.0))
    assert sim.times(ASK) == plain.times(ASK)


def test_without_progress_the_wait_grows_with_the_time_that_has_gone() -> None:
    service = Service(duration_s=lambda _server: 900.0)
    sim = Simulation(service, selected(60)).run(until_s=890.0)
    waits = gaps(sim.times(ASK, 0))
    assert len(waits) < 120
    assert waits[-1] > 3 * waits[0]


def test_durations_that_were_seen_are_expected_of_later_exports() -> None:
    rng = random.Random(4)  # noqa: S311  # a test's own
    lasts = [rng.uniform(19.0, 21.0) for _ in range(400)]
    service = Service(duration_s=lambda server: lasts[server])
    sim = Simulation(service, selected(400), Ceilings(exports_in_flight={0: 40})).run()
    late = [late_s(sim, service, server) for server in range(400)]
    assert sum(late[340:360]) / 20 < min(1.0, sum(late[:10]) / 10)


def test_durations_are_learned_without_a_bias_to_the_short_ones() -> None:
    """Half of the exports still run: those that have ended are the short ones."""
    learned = ExportDurations()
    lasts = durations(400, 5)
    cut_s = sorted(lasts)[200]
    for lasts_s in lasts:
        evidence = Evidence()
        for looked_s in (cut_s / 4, cut_s / 2):
            if looked_s < lasts_s:
                learned.learn(evidence, looked_s, math.inf)
        if lasts_s < cut_s:
            learned.learn(evidence, 0.9 * lasts_s, 1.1 * lasts_s)
        else:
            learned.learn(evidence, cut_s, math.inf)
    ended = sorted(lasts_s for lasts_s in lasts if lasts_s < cut_s)
    truth_s = sorted(lasts)[200]
    assert learned.median_s > 1.2 * ended[100]
    assert learned.median_s == pytest.approx(truth_s, rel=0.3)


def test_durations_of_earlier_runs_are_a_start_that_this_run_corrects() -> None:
    learned = ExportDurations(PriorDurations(10_000, 1000.0, 0.2))
    assert learned.quantile_s(0.5) == pytest.approx(1000.0)
    for _ in range(200):
        learned.learn(Evidence(), 49.0, 51.0)
    assert learned.quantile_s(0.5) < 150


def test_what_was_said_of_one_export_counts_once_however_often_it_was_asked() -> None:
    learned = ExportDurations()
    evidence = Evidence()
    for at_s in range(1, 200):
        learned.learn(evidence, float(at_s), math.inf)
    for _ in range(12):
        learned.learn(Evidence(), 9.0, 11.0)
    assert learned.median_s < 30


def test_the_last_twenty_exports_are_asked_about_often() -> None:
    service = Service(duration_s=lambda server: 100.0 + server)
    sim = Simulation(service, selected(200)).run()
    late = [late_s(sim, service, server) for server in range(185, 200)]
    assert max(late) < 0.05 * 300
    waits = gaps(sim.times(ASK, 199))
    assert waits[-1] < 0.05 * 300


@pytest.mark.parametrize("said", [None, 99.0])
def test_an_export_that_never_completes_is_asked_ever_less_and_given_up(said: float | None) -> None:
    service = Service(duration_s=lambda _server: 1e9, percent=lambda _part: said)
    sim = Simulation(service, selected(2), Ceilings(export_s=1800.0)).run()
    assert 1800 <= sim.times(ASK)[-1] <= 1800 * 1.4
    times = sim.times(ASK, 0)
    assert len(times) < 500
    assert sum(at_s > 900 for at_s in times) < sum(at_s <= 900 for at_s in times) + 20
    for row in sim.state.servers:
        assert row.phase is Phase.FAILED
        assert row.failure is not None
        assert (row.failure.stage, row.failure.kind) == ("export", "export_failed")
        assert "30 minutes" in row.failure.message
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
    asked = [sent.action for sent in sim.sent if isinstance(sent.action, AskStatus)]
    assert sim.state.servers[0].polls == sum(not action.is_probe for action in asked) > 1


def test_a_run_taken_up_remembers_when_its_exports_began() -> None:
    began = Simulation(Service(duration_s=lambda _server: 1e9), selected(1)).run(until_s=3000)
    process = e.RunResumed(
        at=began.scheduler.ending(3000).at, collector_version="0", host="h", user="u", pid=2,
        argv=(),
    )  # fmt: skip
    service = Service(script={(0, ASK): [ExportSaid("x1", ExportState.RUNNING, "Running")] * 500})
    sim = Simulation(service, [*began.events, process], now_s=3000.0).run()
    assert 3600 <= sim.times(ASK)[-1] <= 3600 * 1.4
    assert sim.state.failed == 1


@quick
@given(
    started_s=st.floats(0, 1e5),
    lasts=st.lists(st.floats(0.01, 5000), max_size=20),
    heard=st.lists(
        st.tuples(st.floats(0, 400), st.none() | st.floats(1, 200)), min_size=1, max_size=20
    ),
    pressure=st.sampled_from(Pressure),
)
def test_no_export_is_asked_about_more_often_than_twice_a_second_nor_never_again(
    started_s: float,
    lasts: list[float],
    heard: list[tuple[float, float | None]],
    pressure: Pressure,
) -> None:
    learned = ExportDurations()
    for lasts_s in lasts:
        learned.learn(Evidence(), 0.9 * lasts_s, lasts_s)
    export = Progress(started_s)
    for wait_s, said in heard:
        early_s, certain_s = ask_at(export, learned, pressure)
        assert export.elapsed_s + 0.5 - 1e-6 <= early_s - started_s
        assert early_s <= certain_s < math.inf
        asked_s = early_s + wait_s
        export.not_yet(said, learned, asked_s, asked_s + 0.02)
