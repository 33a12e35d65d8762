from __future__ import annotations

import bisect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.engine import events as e
from collector.engine.answers import (
    Call,
    ExportSaid,
    ExportState,
    Heard,
    LimitTold,
    Problem,
    ProblemKind,
    Scope,
    ScopeKind,
)
from collector.engine.pacing import Disbelieved, Learned, Pacer
from tests.engine.simulation import (
    ANY_SERVER,
    HiddenLimit,
    Service,
    Simulation,
    gaps,
    problem,
    quick,
    selected,
)

POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE
API = Scope(ScopeKind.API, "e start_export")
USER = Scope(ScopeKind.USER, "acme")
PROJECT = Scope(ScopeKind.PROJECT, "p")
SCOPES = (API, USER, PROJECT)


def most_in_any(window_s: float, times: list[float]) -> int:
    """Return how many of `times` the fullest window holds that is just shorter than `window_s`."""
    return max(
        bisect.bisect_left(times, at_s + window_s - 1e-6) - number
        for number, at_s in enumerate(times)
    )


def told(limit: int, window_s: float = 1.0, kind: ScopeKind = ScopeKind.USER) -> Heard:
    return Heard(limits=(LimitTold(kind, limit, window_s),))


def throttled(**facts: object) -> Problem:
    return problem(ProblemKind.THROTTLED, **facts)


def first_told(heard: Heard) -> dict[tuple[int, Call], list[ExportSaid | Problem]]:
    """A script in which the very first answer states limits."""
    return {(0, POST): [ExportSaid("x", ExportState.COMPLETED, "completed", heard=heard)]}


def used(sim: Simulation) -> float:
    """Return calls a second while exports waited, the first seconds aside."""
    posts = sim.times(POST)
    times = [at_s for at_s in sim.times() if posts[0] + 2 <= at_s <= posts[-1]]
    return (len(times) - 1) / (times[-1] - times[0])


def sent_freely(pacer: Pacer, calls: int, now_s: float) -> float:
    """Send calls as soon as they may leave, from `now_s` on; return when the last one left."""
    for _ in range(calls):
        now_s = max(now_s, pacer.next_at(SCOPES, now_s))
        pacer.sent(SCOPES, now_s)
    return now_s


# Limits that are stated


@quick
@given(
    limit=st.integers(1, 40),
    window_s=st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    latency_s=st.sampled_from([0.002, 0.02, 0.2, 0.5]),
    fixed=st.booleans(),
    kind=st.sampled_from(sorted(ScopeKind)),
    seed=st.integers(0, 100),
)
def test_a_limit_once_stated_is_never_exceeded(
    limit: int, window_s: float, latency_s: float, fixed: bool, kind: ScopeKind, seed: int
) -> None:
    only = f"e {POST}" if kind is ScopeKind.API else None
    hidden = HiddenLimit(kind, limit, window_s, fixed=fixed, only=only)
    script = first_told(told(limit, window_s, kind))
    service = Service([hidden], script={row: list(said) for row, said in script.items()})
    sim = Simulation(service, selected(40), latency_s=latency_s, seed=seed).run()
    assert hidden.refused == 0
    assert sim.state.collected == 40


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(("limit", "window_s"), [(10, 1.0), (20, 2.0), (100, 60.0)])
def test_a_limit_that_a_429_states_costs_little_and_is_used_fully(
    limit: int, window_s: float, fixed: bool
) -> None:
    hidden = HiddenLimit(ScopeKind.USER, limit, window_s, fixed=fixed)
    sim = Simulation(Service([hidden], lambda _server: 0.5), selected(300)).run()
    assert hidden.refused <= 6  # those that were under way when the first was refused
    whole_windows = 0.9 if window_s < 60 else 0.8  # 9 windows, of which the last is cut
    assert used(sim) >= whole_windows * limit / window_s


def test_all_limits_that_are_stated_hold_together() -> None:
    heard = Heard(limits=(LimitTold(ScopeKind.USER, 10, 1.0), LimitTold(ScopeKind.IP, 60, 30.0)))
    limits = [HiddenLimit(ScopeKind.USER, 10), HiddenLimit(ScopeKind.IP, 60, 30.0)]
    service = Service(limits)
    service.script |= {row: list(said) for row, said in first_told(heard).items()}
    assert Simulation(service, selected(60)).run().state.collected == 60
    assert service.refused == 0


def test_a_limit_stated_for_one_kind_of_call_slows_no_other() -> None:
    hidden = HiddenLimit(ScopeKind.API, 2, only=f"e {POST}")
    sim = Simulation(Service([hidden], lambda _server: 0.1), selected(40)).run()
    assert hidden.refused <= 3
    assert sim.times(FETCH)[-1] - sim.times(POST)[-1] < 5


def test_a_share_of_a_stated_limit_is_used_and_no_more() -> None:
    for share, most in ((0.5, 10), (0.07, 1), (0.99, 19)):
        service = Service()
        service.script |= {row: list(said) for row, said in first_told(told(20)).items()}
        sim = Simulation(service, selected(100, share=share)).run()
        times = sim.times()[1:]
        assert most_in_any(1.0, times) <= most
        assert used(sim) >= 0.9 * most


def test_projects_that_share_an_account_keep_the_smaller_share_of_it() -> None:
    pacer = Pacer()
    pacer.use(SCOPES, share=0.5)
    pacer.use((API, USER), share=0.9)
    pacer.passed(SCOPES, told(20, 100.0).limits, 0.0, 0.1)
    assert sent_freely(pacer, 10, 1.0) == 1.0
    assert pacer.next_at(SCOPES, 1.0) >= 101


def test_calls_made_before_a_limit_was_stated_count_against_it() -> None:
    pacer = Pacer()
    last_s = sent_freely(pacer, 8, 0.0)
    pacer.passed(SCOPES, told(10, 100.0).limits, 0.0, last_s)
    assert sent_freely(pacer, 2, last_s) == last_s
    assert pacer.next_at(SCOPES, last_s) >= 100


def test_a_limit_stated_anew_holds_in_place_of_the_old_one() -> None:
    pacer = Pacer()
    pacer.passed(SCOPES, told(10, 100.0).limits, 0.0, 0.1)
    assert pacer.passed(SCOPES, told(10, 100.0).limits, 0.0, 0.1) == []
    assert pacer.passed(SCOPES, told(3, 100.0).limits, 0.0, 0.1) == [
        Learned(USER, 3, 100.0, "told")
    ]
    assert sent_freely(pacer, 3, 1.0) == 1.0
    assert pacer.next_at(SCOPES, 1.0) >= 101


@pytest.mark.parametrize(
    ("limit", "window_s"),
    [(0, 1.0), (-5, 1.0), (10**9, 1.0), (10, 0.0), (10, -1.0), (10, 1e9), (10, math.nan)],
)
def test_a_limit_that_cannot_be_meant_is_not_believed(limit: int, window_s: float) -> None:
    pacer = Pacer()
    (news,) = pacer.passed(SCOPES, told(limit, window_s).limits, 0.0, 0.1)
    assert isinstance(news, Disbelieved)
    assert news.scope == USER
    sim = Simulation(Service(), selected(20))
    sim.service.script[ANY_SERVER, ASK] = [
        ExportSaid("x", ExportState.COMPLETED, "completed", heard=told(limit, window_s))
    ] * 20
    assert sim.run().state.collected == 20
    assert sim.now_s < 10
    assert len(sim.of(e.HintDisbelieved)) == 1


# Retry-After


def test_the_time_that_a_429_asks_for_is_waited_in_its_scope() -> None:
    pacer = Pacer()
    pacer.sent(SCOPES, 0.0)
    news = pacer.throttled(
        SCOPES, throttled(retry_after_s=30.0, throttled_by=ScopeKind.PROJECT), 0.0, 1.0
    )
    assert pacer.next_at(SCOPES, 1.0) == 31.0
    assert pacer.next_at((API, USER), 5.0) <= 5.0
    assert not any(isinstance(item, Disbelieved) for item in news)


def test_a_time_to_wait_is_believed_up_to_a_quarter_of_an_hour() -> None:
    pacer = Pacer()
    pacer.sent(SCOPES, 0.0)
    news = pacer.throttled(SCOPES, throttled(retry_after_s=86_400.0), 0.0, 1.0)
    assert pacer.next_at(SCOPES, 1.0) == 901.0
    assert sum(isinstance(item, Disbelieved) for item in news) == 1


@pytest.mark.parametrize("retry_after_s", [-1.0, -1e9, math.nan])
def test_a_time_to_wait_that_is_none_is_told_and_ignored(retry_after_s: float) -> None:
    pacer = Pacer()
    pacer.sent(SCOPES, 0.0)
    news = pacer.throttled(SCOPES, throttled(retry_after_s=retry_after_s), 0.0, 1.0)
    assert sum(isinstance(item, Disbelieved) for item in news) == 1
    assert pacer.next_at(SCOPES, 1.0) < 10


def test_a_run_waits_as_it_is_asked_to() -> None:
    service = Service(script={(5, POST): [throttled(retry_after_s=40.0)]})
    sim = Simulation(service, selected(20)).run()
    assert max(gaps(sim.times())) >= 40
    assert sim.state.collected == 20
    assert not sim.of(e.HintDisbelieved)


# Limits that are found out


def test_a_bare_429_halves_the_rate_and_it_recovers_fast_then_slowly() -> None:
    pacer = Pacer()
    pacer.passed(SCOPES, told(1000).limits, 0.0, 0.0)
    for number in range(101):
        pacer.sent(SCOPES, number / 100)
    (news,) = pacer.throttled(SCOPES, throttled(), 1.0, 1.05)
    assert isinstance(news, Learned)
    assert news.limit == pytest.approx(50, rel=0.05)
    rate = pacer._pace(USER).rate
    assert rate(1.05) == pytest.approx(50, rel=0.05)
    assert rate(6.05) == pytest.approx(90, rel=0.05)
    assert rate(11.05) == pytest.approx(100, rel=0.05)
    assert rate(61.05) < 250


def test_one_burst_of_429s_is_one_lesson() -> None:
    pacer = Pacer()
    for number in range(40):
        pacer.sent(SCOPES, number / 40)
    lessons = [pacer.throttled(SCOPES, throttled(), number / 40, 1.1) for number in range(20, 40)]
    assert [len(news) for news in lessons] == [1] + [0] * 19
    paused_s = pacer.next_at(SCOPES, 1.1)
    assert paused_s < 1.5


def test_429s_again_and_again_pause_a_scope_for_longer_each_time_and_not_for_ever() -> None:
    pacer = Pacer()
    now_s, pauses = 0.0, []
    for _ in range(12):
        pacer.sent(SCOPES, now_s)
        pacer.throttled(SCOPES, throttled(), now_s, now_s + 0.1)
        next_s = pacer.next_at(SCOPES, now_s + 0.1)
        pauses.append(next_s - now_s)
        now_s = next_s
    assert pauses == sorted(pauses)
    assert 30 <= pauses[-1] <= 61
    pacer.sent(SCOPES, now_s)
    pacer.passed(SCOPES, (), now_s, now_s + 0.1)
    pacer.passed(SCOPES, told(100).limits, now_s, now_s + 0.1)
    pacer.sent(SCOPES, now_s + 1)
    pacer.throttled(SCOPES, throttled(heard=told(100)), now_s + 1, now_s + 1.1)
    assert pacer.next_at(SCOPES, now_s + 1.1) - (now_s + 1.1) == pytest.approx(0.25)


@pytest.mark.parametrize("kind", [ScopeKind.USER, ScopeKind.PROJECT])
def test_bare_429s_are_few_over_a_thousand_servers(kind: ScopeKind) -> None:
    hidden = HiddenLimit(kind, 20, tells=False, names=kind is not ScopeKind.USER)
    sim = Simulation(Service([hidden]), selected(1000)).run()
    assert 0 < hidden.refused < 0.02 * len(sim.sent)
    assert used(sim) > 0.5 * 20


@pytest.mark.parametrize("latency_s", [0.02, 1.5, 4.0])
def test_a_slow_service_is_not_given_less_for_being_slow(latency_s: float) -> None:
    hidden = HiddenLimit(ScopeKind.USER, 5, tells=False)
    sim = Simulation(Service([hidden]), selected(12), latency_s=latency_s).run()
    assert sim.state.collected == 12
    assert hidden.refused > 0
    assert sim.now_s < 120


def test_only_the_scope_that_a_429_names_is_slowed() -> None:
    ends = []
    for only in ("nobody", "p0"):
        hidden = HiddenLimit(ScopeKind.PROJECT, 2, tells=False, only=only)
        sim = Simulation(Service([hidden]), selected(100, projects=2)).run()
        ends.append([max(at for at, _, of in sim.sent if of == project) for project in (0, 1)])
    assert ends[1][0] > 5 * ends[0][0]
    assert ends[1][1] <= 1.05 * ends[0][1]


def test_a_429_without_a_name_slows_the_account() -> None:
    pacer = Pacer()
    pacer.sent(SCOPES, 0.0)
    (news,) = pacer.throttled(SCOPES, throttled(), 0.0, 0.1)
    assert news.scope == USER


# Where nothing is known


def test_an_account_of_which_nothing_is_known_is_asked_slowly_at_first() -> None:
    sim = Simulation(Service(), selected(1000)).run()
    times = sim.times()
    for second in (1, 2):  # 16 a second at first, twice as many each half second
        calls = 16 * 0.5 / math.log(2) * (4**second - 1)
        assert 0.8 * calls <= bisect.bisect_left(times, second) <= calls + 2
    assert sim.times(POST)[-1] < 15


def test_each_account_starts_slowly_by_itself() -> None:
    sim = Simulation(Service(), selected(40, projects=2, credentials=["a", "b"])).run()
    early = [of for at_s, _, of in sim.sent if at_s < 1]
    assert early.count(0) >= 15
    assert early.count(1) >= 15


# Limits that a person wrote


@pytest.mark.parametrize(
    ("requests_per_second", "calls", "window_s"),
    [(5.0, 5, 1.0), (0.5, 1, 2.0), (2.5, 2, 0.8), (1.0, 1, 1.0)],
)
def test_a_ceiling_is_never_exceeded_and_used_fully(
    requests_per_second: float, calls: int, window_s: float
) -> None:
    events = selected(20, requests_per_second=requests_per_second)
    sim = Simulation(Service(), events).run()
    assert most_in_any(window_s, sim.times()) <= calls
    assert used(sim) >= 0.95 * requests_per_second


def test_a_ceiling_holds_for_each_project_by_itself() -> None:
    sim = Simulation(Service(), selected(40, projects=2, requests_per_second=4.0)).run()
    of_both = [[at_s for at_s, _, of in sim.sent if of == project] for project in (0, 1)]
    assert [most_in_any(1.0, times) for times in of_both] == [4, 4]
    assert most_in_any(1.0, sim.times()) > 4
