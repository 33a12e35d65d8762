from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing.gateway import Limit, Neighbour
from collector.engine.pacing.findings import Learned
from collector.model import events as e
from collector.model.answers import Call, ScopeKind
from collector.model.prior import Prior, PriorExports, PriorLimit
from tests.support.greedy import USER, Gate, Greedy, rate, scopes, throttled
from tests.support.simulation import HiddenLimit, Service, Simulation, selected

if TYPE_CHECKING:
    from collector.model.actions import Request
    from collector.model.answers import Outcome, Scope

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS
EVERY_S = 600.0


def believed(greedy: Greedy) -> Learned:
    """Return what is held to be true in the end."""
    return [news for news in greedy.news if isinstance(news, Learned)][-1]


# A rate that nobody tells


@pytest.mark.parametrize("shape", ["bare", "retry_after", "named"])
@pytest.mark.parametrize(
    ("limit", "window_s", "windows"),
    [
        (10, 1.0, "sliding"), (100, 10.0, "sliding"), (200, 60.0, "sliding"),
        (10, 1.0, "fixed"), (200, 60.0, "fixed"), (10, 1.0, "bucket"), (100, 10.0, "bucket"),
        (200, 60.0, "bucket"),
    ],
)  # fmt: skip
def test_a_limit_that_nobody_tells_is_found_out_and_used(
    limit: int, window_s: float, windows: str, shape: str
) -> None:
    gate = Gate(Limit(ScopeKind.USER, limit, window_s, windows), shape=shape)
    greedy = Greedy(gate).run(EVERY_S)
    assert rate(greedy.let_through(), 120, EVERY_S) >= 0.85 * limit / window_s
    assert len(greedy.refused) <= max(0.02 * len(greedy.left), 10)


def test_no_lesson_is_learned_twice_from_calls_that_left_together() -> None:
    greedy = Greedy(Gate(refuses_all=lambda _track, at_s: 1 < at_s < 1.2), latency_s=0.3)
    greedy.run(1.6)
    assert len(greedy.refused) > 1
    assert len(greedy.news) <= 1


def test_refusals_again_and_again_are_answered_by_ever_longer_waits() -> None:
    greedy = Greedy(Gate(refuses_all=lambda _track, at_s: at_s > 1)).run(EVERY_S)
    assert len(greedy.refused) <= 30
    assert greedy.waited_s < 900


def test_after_a_time_when_nothing_passed_a_rate_that_was_known_is_used_again() -> None:
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0), refuses_all=lambda _track, at_s: 60 < at_s < 180)
    greedy = Greedy(gate).run(400)
    assert rate(greedy.let_through(), 300, 400) >= 0.9 * 20


def test_a_limit_that_nobody_tells_is_followed_when_it_is_halved() -> None:
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0, changes=((100.0, 10),)))
    greedy = Greedy(gate).run(400)
    assert rate(greedy.let_through(), 200, 400) >= 0.9 * 10
    assert len(greedy.refused) <= 0.03 * len(greedy.left)


def test_a_limit_that_nobody_tells_is_followed_when_it_is_doubled() -> None:
    gate = Gate(Limit(ScopeKind.USER, 10, 1.0, changes=((100.0, 20),)))
    greedy = Greedy(gate).run(500)
    assert rate(greedy.let_through(), 300, 500) >= 0.9 * 20
    assert len(greedy.refused) <= 0.03 * len(greedy.left)


def test_a_neighbour_is_given_way_without_a_word_of_it() -> None:
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0, neighbour=Neighbour(busy_s=60.0, idle_s=60.0)))
    greedy = Greedy(gate).run(EVERY_S)
    assert rate(greedy.let_through(), 120, EVERY_S) >= 0.85 * 15
    assert len(greedy.refused) <= 0.03 * len(greedy.left)


@pytest.mark.parametrize("kind", [ScopeKind.USER, ScopeKind.PROJECT])
def test_bare_429s_are_few_over_a_thousand_servers(kind: ScopeKind) -> None:
    hidden = HiddenLimit(kind, 20, tells=False, names=kind is not ScopeKind.USER)
    sim = Simulation(Service([hidden]), selected(1000)).run()
    assert 0 < hidden.refused < 0.01 * len(sim.sent)
    times = sim.times()
    assert rate(times, 20, times[-1] / 2) > 0.9 * 20


@pytest.mark.parametrize("latency_s", [0.02, 1.5, 4.0])
def test_a_slow_service_is_not_given_less_for_being_slow(latency_s: float) -> None:
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 5, 1.0)), latency_s=latency_s).run(300)
    assert rate(greedy.let_through(), 100, 300) >= 0.85 * 5


# Whose limit it is


def test_a_limit_on_exports_alone_that_nobody_tells_is_used_by_them() -> None:
    hidden = HiddenLimit(ScopeKind.API, 2, tells=False, names=False, only=f"e {POST}")
    service = Service([hidden], lambda _server: 20.0, percent=lambda part: 100 * part)
    sim = Simulation(service, selected(300)).run()
    posts = sim.times(POST)
    assert hidden.refused <= 10
    assert posts[-1] < 1.2 * 300 / 2


def test_a_limit_of_the_account_slows_every_kind_of_call() -> None:
    gate = Gate(Limit(ScopeKind.USER, 10, 1.0))
    greedy = Greedy(gate, calls=(POST, ASK)).run(120)
    assert believed(greedy).scope == USER
    assert rate(greedy.let_through(), 20, 120) >= 0.9 * 10
    assert rate(greedy.of(ASK), 20, 120) == pytest.approx(5, rel=0.1)
    assert len(greedy.refused) <= 20


def test_a_throttled_project_is_slowed_and_the_run_of_another_is_not() -> None:
    ends = []
    for only in ("nobody", "p0"):
        hidden = HiddenLimit(ScopeKind.PROJECT, 2, tells=False, only=only)
        sim = Simulation(Service([hidden]), selected(100, projects=2)).run()
        posts = [sent for sent in sim.sent if sent.action.call is POST]
        ends.append([max(at for at, _, of in posts if of == project) for project in (0, 1)])
    assert ends[1][0] > 5 * ends[0][0]
    assert ends[1][1] <= 1.05 * ends[0][1] + 1


def test_a_429_without_a_name_is_put_down_to_the_account() -> None:
    gate = Gate(Limit(ScopeKind.USER, 5, 1.0))
    greedy = Greedy(gate, projects=["p0", "p1"]).run(60)
    assert believed(greedy).scope == USER
    assert rate(greedy.of(project="p0"), 10, 60) == pytest.approx(2.5, rel=0.15)


# Exports that run at once


def test_statuses_go_on_while_exports_wait_for_places() -> None:
    greedy = Greedy(Gate(), calls=(POST, ASK), export_s=60.0, exports_running=5)
    greedy.run(120, most=20_000)
    assert len(greedy.of(ASK)) > 1000
    assert len(greedy.refused) <= 20


def test_a_run_whose_exports_may_not_run_at_once_comes_home() -> None:
    running: dict[int, float] = {}
    service = Service(duration_s=lambda _server: 20.0)
    usual = service.answer

    def answer(action: Request, passed: tuple[Scope, ...], now_s: float) -> Outcome:
        alive = sum(ends_s > now_s for ends_s in running.values())
        if action.call is POST and alive >= 4:
            service.calls[POST] += 1
            return throttled()
        if action.call is POST:
            running[action.server] = now_s + 20.0
        return usual(action, passed, now_s)

    service.answer = answer  # type: ignore[method-assign, assignment]
    sim = Simulation(service, selected(80)).run()
    assert sim.state.collected == 80
    assert sim.of(e.ExportsLimitLearned)[-1].limit == pytest.approx(4, abs=1)
    assert sum(row.throttled for row in sim.state.projects) <= 25
    assert sim.now_s < 2 * 80 / 4 * 20


# The start, and what earlier runs have learned


def test_an_account_of_which_nothing_is_known_is_asked_by_few_calls_at_once() -> None:
    greedy = Greedy(Gate(), latency_s=1.0).run(20)
    assert len(greedy.of()) < 20 * 8
    greedy.run(600, most=20_000)
    assert len(greedy.left) == 20_000


def test_each_account_starts_by_itself() -> None:
    sim = Simulation(Service(), selected(40, projects=2, credentials=["a", "b"])).run()
    early = [of for at_s, action, of in sim.sent if at_s < 1 and action.call is Call.START_EXPORT]
    assert early.count(0) == early.count(1) == 20


def test_what_is_known_is_used_from_the_first_call_on() -> None:
    known = Prior((PriorLimit(USER, 10, 1.0, "told"),))
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 10, 1.0)), known=known).run(60)
    assert len([at_s for at_s in greedy.of() if at_s < 0.01]) == 10
    assert len(greedy.refused) <= 5
    assert rate(greedy.of(), 0, 60) >= 0.95 * 10


def test_what_is_known_is_given_up_where_the_service_says_otherwise() -> None:
    known = Prior((PriorLimit(USER, 50, 1.0, "told"),))
    gate = Gate(Limit(ScopeKind.USER, 5, 1.0), shape="words")
    greedy = Greedy(gate, known=known).run(60)
    assert len(greedy.refused) <= 50
    assert rate(greedy.let_through(), 5, 60) >= 0.95 * 5


@pytest.mark.parametrize("limit", [5, 40])
def test_what_is_known_is_given_up_where_refusals_or_their_absence_contradict_it(
    limit: int,
) -> None:
    known = Prior((PriorLimit(USER, 14, 1.0, "estimated"),))
    greedy = Greedy(Gate(Limit(ScopeKind.USER, limit, 1.0)), known=known).run(900)
    assert rate(greedy.let_through(), 600, 900) >= 0.85 * limit
    assert len(greedy.refused) <= 0.03 * len(greedy.left)


def test_exports_that_once_ran_at_once_are_started_and_no_more_are_refused_than_asked() -> None:
    known = Prior((), (PriorExports(scopes(POST)[2], 5),))
    greedy = Greedy(
        Gate(), calls=(POST,), export_s=30.0, exports_running=5, known=known
    ).run(300)  # fmt: skip
    assert len(greedy.of(POST)) - len(greedy.refused) >= 0.85 * 5 * 10
    assert len(greedy.refused) <= 8


def test_exports_that_once_ran_at_once_are_no_bound_where_more_are_let_through() -> None:
    known = Prior((), (PriorExports(scopes(POST)[2], 2),))
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0), shape="headers")
    greedy = Greedy(
        gate, calls=(POST, ASK), export_s=20.0, exports_running=20, known=known
    ).run(1800)  # fmt: skip
    assert rate(greedy.of(POST), 1500, 1800) >= 0.5 * 20 / 20
