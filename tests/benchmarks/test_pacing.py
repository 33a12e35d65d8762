from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing import oracle, promises, run, scenarios, simulate, trace
from benchmarks.pacing.driver import Wire
from benchmarks.pacing.gateway import Gateway, Limit, Neighbour
from benchmarks.pacing.service import LONG_S, SHORT_S, Service, durations, percent
from collector.model.actions import StartExport
from collector.model.answers import Call, Problem, Scope, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

WIRE = Wire(latency_s=2.0, jitter=0.0, download_s=0.1, journal_s=0.0)
POST = Call.START_EXPORT
TEN_A_SECOND = Limit(ScopeKind.USER, 10, 1.0)


def scopes(project: int, call: Call) -> tuple[Scope, ...]:
    return (
        Scope(ScopeKind.API, call),
        Scope(ScopeKind.USER, "a"),
        Scope(ScopeKind.PROJECT, str(project)),
    )


def gateway(*limits: Limit, exports_running: int | None = None, seed: int = 1) -> Gateway:
    return Gateway(limits, exports_running=exports_running, scopes=scopes, seed=seed)


def bound(
    durations_s: Sequence[float],
    *limits: Limit,
    exports_running: int | None = None,
    projects: int = 1,
    wire: Wire = WIRE,
) -> oracle.Bound:
    return oracle.bound(
        lambda: gateway(*limits, exports_running=exports_running), durations_s,
        projects=projects, wire=wire,
    )  # fmt: skip


def post(server: int, now_s: float) -> StartExport:
    return StartExport(server, now_s, asks_limits=True, running=0, intent=None)


def passes(made: Gateway, at_s: float, call: Call = POST) -> bool:
    if made.blocks(0, call, at_s) is not None:
        return False
    made.take(0, call, at_s, 1.0)
    return True


def test_bound_of_one_server_is_its_export_and_two_latencies_and_its_download() -> None:
    """The POST's way there, the status's way back that overlaps nothing, and the download."""
    assert bound([100.0]).makespan_s == pytest.approx(1.0 + 100.0 + 2.0 + 1.0 + 0.1)


def test_bound_does_not_ask_before_it_knows_the_export() -> None:
    assert bound([0.5]).makespan_s == pytest.approx(1.0 + 2.0 + 2.0 + 1.0 + 0.1)


def test_bound_without_limits_is_that_of_the_longest_export() -> None:
    alone = bound([300.0]).makespan_s
    assert bound([5.0, 300.0, 20.0]).makespan_s == alone


def test_bound_uses_every_call_of_a_quota_and_no_more() -> None:
    no_wire = Wire(latency_s=0.0, jitter=0.0, download_s=0.0, journal_s=0.0)
    homes = bound([0.0] * 100, TEN_A_SECOND, wire=no_wire)
    assert homes.makespan_s == pytest.approx(29.0)  # 300 calls: 10 at 0 s, the last 10 at 29 s


def test_bound_waits_for_exports_that_may_not_run_beside_one_another() -> None:
    homes = bound([10.0] * 6, exports_running=2)
    assert homes.makespan_s == pytest.approx(1.0 + 30.0 + 2.0 + 1.0 + 0.1)


def test_bound_gives_each_project_its_own_limit() -> None:
    own = Limit(ScopeKind.PROJECT, 1, 1.0)
    shared = Limit(ScopeKind.USER, 1, 1.0)
    no_wire = Wire(latency_s=0.0, jitter=0.0, download_s=0.0, journal_s=0.0)
    one = bound([0.0] * 20, shared, projects=2, wire=no_wire).makespan_s
    two = bound([0.0] * 20, own, projects=2, wire=no_wire).makespan_s
    assert one == pytest.approx(59.0)
    assert two == pytest.approx(29.0)


def test_bound_takes_the_better_order() -> None:
    long_last = [1.0] * 30 + [500.0]
    best = bound(long_last, Limit(ScopeKind.USER, 1, 10.0)).makespan_s
    assert best < 31 * 30  # ready first would start the long one only then


def test_sliding_window_holds_its_limit_in_any_stretch() -> None:
    made = gateway(Limit(ScopeKind.USER, 2, 1.0))
    at_s = [0.0, 0.9, 0.95, 1.0, 1.5, 1.9]
    assert [passes(made, at) for at in at_s] == [True, True, False, True, False, True]


def test_fixed_windows_begin_anew_wherever_their_phase_is() -> None:
    made = gateway(Limit(ScopeKind.USER, 3, 1.0, "fixed"))
    times = [step / 100 for step in range(1000)]
    passed = [at for at in times if passes(made, at)]
    assert len(passed) in (30, 33)
    (ends_s,) = {round(at % 1, 2) for at in passed[3::3]}
    assert 0 <= ends_s < 1


def test_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    made = gateway(Limit(ScopeKind.USER, 5, 10.0, "bucket"))
    assert sum(passes(made, 0.0) for _ in range(9)) == 5
    assert [passes(made, at) for at in (1.9, 2.0, 3.0, 4.0)] == [False, True, False, True]


def test_refused_calls_do_not_count_anywhere() -> None:
    made = gateway(Limit(ScopeKind.USER, 1, 1.0), Limit(ScopeKind.API, 2, 100.0))
    assert [passes(made, at) for at in (0.0, 0.5, 1.0, 2.0)] == [True, False, True, False]
    assert passes(made, 2.0, Call.ASK_STATUS)


def test_changed_limit_holds_from_its_time_on() -> None:
    made = gateway(Limit(ScopeKind.USER, 4, 1.0, changes=((10.0, 2), (20.0, 8))))
    counts = [sum(passes(made, at) for _ in range(10)) for at in (0.0, 10.0, 15.0, 20.0)]
    assert counts == [4, 2, 2, 8]


def test_neighbour_takes_its_part_while_it_is_busy() -> None:
    made = gateway(Limit(ScopeKind.USER, 10, 1.0, neighbour=Neighbour()))
    for step in range(1, 200):
        passes(made, step / 10)  # it is there when we are not, too
    made = gateway(Limit(ScopeKind.USER, 10, 1.0, neighbour=Neighbour()))
    assert sum(passes(made, 5.05) for _ in range(20)) == 5
    assert sum(passes(made, 15.05) for _ in range(20)) == 10


def test_every_limit_says_when_it_will_let_a_call_pass() -> None:
    for windows in ("sliding", "fixed", "bucket"):
        made = gateway(Limit(ScopeKind.USER, 3, 7.0, windows))
        now_s = 0.0
        for _ in range(50):
            now_s = made.free_at(0, POST, now_s)
            assert passes(made, now_s), windows
        assert 105 <= now_s <= 112 + 1e-6


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ("words", (ScopeKind.USER, None, 1)),
        ("headers", (ScopeKind.USER, None, 1)),
        ("named", (ScopeKind.USER, None, 0)),
        ("retry_after", (None, 60.0, 0)),
        ("service", (None, None, 0)),
        ("mixed", (ScopeKind.USER, None, 1)),
        ("bare", (None, None, 0)),
    ],
)
def test_a_429_says_what_its_shape_tells(shape: str, says: tuple[object, ...]) -> None:
    made = Service(
        gateway(Limit(ScopeKind.USER, 1, 60.0)), [9.0, 9.0], shape=shape, percents="none"
    )
    made.answer(post(0, 0.0), 0, 0.0)
    answer = made.answer(post(1, 0.5), 0, 0.5)
    assert isinstance(answer, Problem)
    assert (answer.throttled_by, answer.retry_after_s, len(answer.metadata.limits)) == says


def test_headers_tell_what_is_left_with_every_answer() -> None:
    made = Service(gateway(TEN_A_SECOND), [9.0], shape="headers", percents="none")
    told_here = made.answer(post(0, 0.0), 0, 0.0).metadata
    assert [(told.limit, told.remaining) for told in told_here.limits] == [(10, 9)]


def test_one_export_in_a_hundred_is_short_and_one_is_long() -> None:
    drawn = durations(100_000, seed=1)
    assert sum(each < SHORT_S for each in drawn) / 1000 == pytest.approx(1.0, abs=0.15)
    assert sum(each > LONG_S for each in drawn) / 1000 == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("style", ["ones", "quarters", "stepped", "stuck99"])
def test_percentages_never_go_back_and_end_below_100(style: str) -> None:
    said = [percent(style, part / 1000, 7) or 0.0 for part in range(1000)]
    assert said == sorted(said)
    assert said[-1] < 100


def test_best_lateness_is_less_with_more_polls() -> None:
    late = [oracle.best_lateness(polls, 0.818) for polls in (6, 12, 24)]
    assert late == sorted(late, reverse=True)
    assert 0.10 < late[1] < 0.14


def test_thirty_scenarios_and_more_are_of_the_class_they_name() -> None:
    loaded = scenarios.load()
    assert len({scenario.name for scenario in loaded}) == len(loaded) >= 30
    for scenario in loaded:
        if scenario.kind not in scenarios.SPECIAL and scenario.servers <= 1000:
            assert scenarios.Trial(scenario, scenario.seed).kind == scenario.kind, scenario.name


def test_lists_of_shapes_and_projects_stand_for_a_scenario_each() -> None:
    account = {s.name: s for s in scenarios.load() if s.name.startswith("account-bare-")}
    assert {s.projects for s in account.values()} >= {1, 2, 6, 40}
    assert {s.shape for s in account.values()} == {"bare"}


def test_servers_take_turns_at_projects_by_their_sizes() -> None:
    scenario = dataclasses.replace(scenarios.load()[0], projects=2, sizes=(2, 1))
    assert [scenario.project_of(server) for server in range(6)] == [0, 0, 1, 0, 0, 1]


def test_a_limit_that_nobody_names_is_held_against_one_that_is_named() -> None:
    scenario = next(s for s in scenarios.load() if s.name == "account-bare-1")
    trial = run.trialled(scenario, scenario.seed, with_baselines=False)
    named = simulate.simulate(scenarios.Trial(scenario.named, scenario.seed))
    assert (trial.reference_s, trial.reference_home_s) == (named.makespan_s, named.mean_home_s)
    late = dataclasses.replace(trial, reference_home_s=trial.ours.mean_home_s / 2)
    assert any("mean time home" in broken.what for broken in run.wrongs(scenario, late))


def test_run_that_breaks_a_promise_is_told() -> None:
    scenario = next(s for s in scenarios.load() if s.name == "words-200-60s-duration-50")
    trial = run.trialled(scenario, scenario.seed, with_baselines=True)
    assert not math.isinf(trial.ours.makespan_s)
    assert set(trial.others) == {"fixed", "twice", "backoff"}
    worse = run.wrongs(scenario, dataclasses.replace(trial, bound_s=2 * trial.ours.makespan_s))
    assert any("the bound is none" in broken.what for broken in worse)
    assert promises.promise(scenario).ratio == 1.03


def test_run_that_does_not_end_in_time_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "BOUNDS_MOST", 0)
    scenario = next(s for s in scenarios.load() if s.name == "words-200-60s-duration-50")
    trial = run.trialled(scenario, scenario.seed, with_baselines=False)
    assert "not at its end" in trial.ours.wrong
    assert any("not at its end" in broken.what for broken in run.wrongs(scenario, trial))


def test_trace_accounts_for_every_call() -> None:
    scenario = next(s for s in scenarios.load() if s.name == "words-2-60s-quota-50")
    trial = scenarios.Trial(scenario, scenario.seed)
    stretches, wrong = trace.trace(trial, 60.0)
    ours = simulate.simulate(trial)
    assert not wrong
    assert sum(each.posts + each.statuses + each.downloads for each in stretches) == ours.calls
    assert sum(each.throttled for each in stretches) == ours.throttled
    assert {each.true for each in stretches} == {2 / 60}


def test_same_seed_gives_the_same_run() -> None:
    scenario = next(s for s in scenarios.load() if s.name == "bare-20-1s-duration-50")
    first, second = (simulate.simulate(scenarios.Trial(scenario, 5)) for _ in range(2))
    assert first == second


def test_nothing_chosen_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--only", "no-such-scenario", "--seeds", "1", "--jobs", "1"]) == 1
    assert "0 scenarios" in capsys.readouterr().out
