"""What a run learns of its exports, from the first second on, and what that does to its plans."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing.service import durations
from collector.engine.admission.endpoint_breaker import EndpointBreaker
from collector.engine.admission.permissions import ProjectPermissions
from collector.engine.admission.project_admission import ProjectAdmission
from collector.engine.pacing.pacer import Pacer
from collector.engine.polling.scouts import FIRST, Reports
from collector.engine.polling.timing import FirstLook, before_deadline
from collector.engine.polling.watch import ExportWatch
from collector.engine.queueing.lanes import NONE_DUE, Lane, order
from collector.engine.queueing.running_exports import RunningExports
from collector.model import events as e
from collector.model.answers import Call, ScopeKind
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior, PriorDurations
from tests.support.simulation import HiddenLimit, Service, Simulation, scopes_of, selected

if TYPE_CHECKING:
    from collections.abc import Callable

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS


def simulated(
    lasts: list[float], ceilings: Ceilings | None = None, known: Prior | None = None
) -> Simulation:
    """Return a fleet near by, with nothing limited, before its first call."""
    service = Service(duration_s=lambda server: lasts[server])
    return Simulation(
        service, selected(len(lasts)), ceilings or Ceilings(), latency_s=0.005,
        known=known or Prior(),
    )  # fmt: skip


def late_s(sim: Simulation, lasts: list[float]) -> list[float]:
    """Return how late each end was noticed, from the least to the most."""
    return sorted(
        sim.times(ASK, server)[-1] - sim.times(POST, server)[-1] - lasts_s
        for server, lasts_s in enumerate(lasts)
    )


def p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def known(median_s: float) -> Prior:
    return Prior(durations={0: PriorDurations(1000, median_s, 0.3)})


@pytest.mark.parametrize("percent", [None, 1.0])
def test_a_hundred_exports_of_a_second_are_home_soon_after_though_nothing_is_known(
    percent: float | None,
) -> None:
    lasts = durations(100, 1, 0.3, 1.5)
    sim = simulated(lasts)
    sim.service.percent = lambda part: percent and 100 * part
    sim.run()
    assert sim.state.collected == 100
    assert p95(late_s(sim, lasts)) < 1
    assert len(sim.times(ASK)) < 300


def test_a_service_that_has_its_archives_ready_is_waited_for_a_moment_and_no_longer() -> None:
    lasts = [0.0] * 12
    sim = simulated(lasts).run()
    assert late_s(sim, lasts)[-1] < 0.2


def test_a_deadline_of_six_seconds_holds_sixty_exports_of_a_second() -> None:
    sim = simulated(durations(60, 1, 0.3, 1.5), Ceilings(deadline_s=6.0)).run()
    assert sim.state.collected >= 58


@pytest.mark.parametrize("servers", [1, 5, 40, 300])
@pytest.mark.parametrize("exports_s", [(0.3, 5), (2, 200), (60, 90), (1300, 2500)])
def test_ends_are_noticed_soon_whatever_exports_take_though_nothing_is_known(
    servers: int, exports_s: tuple[float, float]
) -> None:
    lasts = durations(servers, 2, *exports_s)
    sim = simulated(lasts).run()
    late = late_s(sim, lasts)
    if servers >= 300:
        assert p95([each / max(2, 0.16 * exports_s[1]) for each in late]) < 1
        assert len(sim.times(ASK)) < 18 * servers
    assert max(late) < max(2, 0.5 * exports_s[1])


def test_a_first_look_waits_for_no_guess_once_exports_of_the_project_have_ended() -> None:
    """Those that begin later are looked at when they are likely to end."""
    lasts = [1.0] * 60
    sim = simulated(lasts, Ceilings(exports_in_flight={0: 15})).run()
    for server in range(20, 60):
        began_s = sim.times(POST, server)[-1]
        assert sim.times(ASK, server)[0] - began_s < 2


def test_exports_that_are_shorter_than_earlier_runs_knew_are_found_out() -> None:
    lasts = durations(60, 1, 0.3, 1.5)
    sim = simulated(lasts, known=known(1800.0)).run()
    assert p95(late_s(sim, lasts)) < 2


def test_every_status_is_asked_for_before_a_deadline_though_it_is_known_not_to_have_ended() -> None:
    """Known to take half an hour, all of them; then they take three minutes but for the scouts."""
    lasts = [1800.0] * FIRST + [180.0] * 40
    sim = simulated(lasts, Ceilings(deadline_s=600.0), known(1800.0)).run()
    assert sim.state.collected == 40


def test_a_look_before_the_deadline_leaves_time_for_the_archive() -> None:
    assert before_deadline(0.0, 100.0) == 75.0
    assert before_deadline(75.0, 100.0) == 93.75
    assert before_deadline(0.0, 2.0) == 1.0
    assert before_deadline(98.9, 100.0) == math.inf
    assert before_deadline(0.0, math.inf) == math.inf


def test_early_looks_are_made_with_calls_to_spare_and_no_others() -> None:
    """Only the first dozen are asked about while exports wait for the calls."""
    limit = HiddenLimit(ScopeKind.USER, 10, 60.0)
    service = Service([limit], duration_s=lambda _server: 1e5)
    sim = Simulation(service, selected(200)).run(until_s=1000.0)
    assert len(sim.times(POST)) < 200
    assert not [sent for sent in sim.sent if sent.action.call is ASK and sent.action.server > FIRST]


def test_an_answer_plans_few_of_those_that_wait_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though what is known changes with each."""
    asked = 0
    was = ExportWatch.ask_at

    def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return was(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(ExportWatch, "ask_at", counted)
    sim = simulated(durations(500, 1, 2, 90)).run()
    assert sim.state.collected == 500
    assert asked < 3 * len(sim.times(ASK))


def lane() -> Lane:
    """Return one of statuses, in which nobody waits."""
    (project,) = Simulation(Service(), selected(1)).state.projects
    track = Pacer(Prior()).track(ASK, scopes_of(project, ASK), share=1.0)
    return Lane(
        0,
        0,
        track,
        admission=ProjectAdmission(),
        permission=ProjectPermissions(0, int, []).of(Call.ASK_STATUS),
        breaker=EndpointBreaker(),
        exports=RunningExports(),
    )


PLACE = order(first=False, failed=False)


def first(early_s: float, certain_s: float, deadline_s: float = math.inf) -> FirstLook:
    return FirstLook(early_s, certain_s, certain_s, deadline_s)


def moved(change: Callable[[Lane], None]) -> Lane:
    """Return a lane in which three wait that began after 0, 5 and 10 s, at 12 s, after a change."""
    made = lane()
    made.look_first(first(100.0, 200.0), 0.0)
    for server in range(3):
        made.put_unasked(server, PLACE, 5.0 * server, 5.0 * server)
    made.wake(12.0)
    assert not made.is_ready
    assert made.rank == NONE_DUE
    assert made.wakes_s == 100.0
    change(made)
    return made


def test_what_waits_for_a_first_look_follows_each_new_estimate() -> None:
    made = moved(lambda lane: lane.look_first(first(4.0, 50.0), 12.0))
    assert made.rank == NONE_DUE
    taken = []
    while made.is_ready:
        taken.append(made.take(12.0))
    assert taken == [0, 1]
    assert made.wakes_s == 14.0
    made.wake(14.0)
    assert made.next == 2
    assert made.wakes_s == 60.0


def test_what_waits_for_a_first_look_is_due_when_it_is_certain_by_now() -> None:
    made = moved(lambda lane: lane.look_first(first(1.0, 6.0), 12.0))
    assert made.rank == 1
    assert {made.take(12.0), made.take(12.0)} == {0, 1}
    assert made.rank == NONE_DUE
    assert made.is_ready


def test_what_waits_for_a_first_look_waits_longer_where_exports_take_longer() -> None:
    made = moved(lambda lane: lane.look_first(first(400.0, 900.0), 12.0))
    made.wake(399.0)
    assert not made.is_ready
    assert made.wakes_s == 400.0
    assert len(made) == len(made.empty()) == 3


def test_the_median_is_sought_further_up_while_no_export_has_ended() -> None:
    reports = Reports(math.log(120.0))
    medians = []
    for age_s in (1.0, 10.0, 100.0, 1000.0):
        for _ in range(FIRST):
            reports.add(age_s / 10 if age_s > 1 else 0.0, age_s, ended=False)
        medians.append(math.exp(reports.logarithm))
    assert medians == sorted(medians)
    assert medians[0] == pytest.approx(120.0, rel=0.1)
    assert medians[-1] > 3000


def test_the_median_comes_down_with_the_first_exports_that_have_ended() -> None:
    reports = Reports(math.log(120.0))
    for number in range(FIRST):
        reports.add(0.0, 1.0, ended=number < 4)
    assert math.exp(reports.logarithm) < 4


def test_all_are_home_however_the_run_is_cut() -> None:
    """Ages are taken from when the export was asked for, also by a run that takes it up."""
    lasts = [90.0] * 40
    began = simulated(lasts).run(until_s=30.0)
    process = e.RunResumed(
        at=began.scheduler.ending(60.0).at, collector_version="0", host="h", user="u", pid=2,
        argv=(),
    )  # fmt: skip
    sim = Simulation(began.service, [*began.events, process], now_s=60.0).run()
    assert sim.state.collected == 40
    assert sim.now_s < 120
