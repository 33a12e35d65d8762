from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.pacing.gateway import Limit, Neighbour
from collector.engine.pacing.findings import Disbelieved, Learned
from collector.engine.pacing.pacer import Pacer
from collector.model import events as e
from collector.model.answers import (
    NO_METADATA,
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    Problem,
    ResponseMetadata,
    Scope,
    ScopeKind,
)
from collector.model.prior import Prior
from tests.support.greedy import (
    USER,
    Answer,
    Gate,
    Greedy,
    most_in_any,
    rate,
    scopes,
    throttled,
    told,
)
from tests.support.simulation import (
    ANY_SERVER,
    HiddenLimit,
    Service,
    Simulation,
    gaps,
    quick,
    selected,
)

if TYPE_CHECKING:
    from collector.engine.pacing.tracks import Track

POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE


def by_hand(share: float = 1.0) -> tuple[Pacer, Track]:
    """Return a pacer and the track of the exports of its project."""
    pacer = Pacer(Prior())
    return pacer, pacer.track(POST, scopes(POST), share=share)


def first_told(metadata: ResponseMetadata) -> dict[tuple[int, Call], list[ExportSaid | Problem]]:
    """A script in which the very first answer states limits."""
    return {(0, POST): [ExportSaid("x", ExportState.COMPLETED, "completed", metadata=metadata)]}


def used(sim: Simulation) -> float:
    """Return calls a second while exports waited, the first seconds aside."""
    posts = sim.times(POST)
    times = [at_s for at_s in sim.times() if posts[0] + 2 <= at_s <= posts[-1]]
    return (len(times) - 1) / (times[-1] - times[0])


def sent_freely(pacer: Pacer, track: Track, calls: int, now_s: float) -> float:
    """Send calls as soon as they may leave, from `now_s` on; return when the last one left."""
    for _ in range(calls):
        now_s = max(now_s, pacer.next_at(track))
        pacer.sent(track, now_s)
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
def test_a_limit_once_stated_is_hardly_ever_exceeded(
    limit: int, window_s: float, latency_s: float, fixed: bool, kind: ScopeKind, seed: int
) -> None:
    # Where calls overtake each other by more than the gap between them, some refusals are cheaper.
    assume(0.4 * latency_s < max(window_s / limit, 0.05 * window_s))
    only = f"e {POST}" if kind is ScopeKind.API else None
    hidden = HiddenLimit(kind, limit, window_s, fixed=fixed, only=only)
    script = first_told(told(limit, window_s, kind))
    service = Service([hidden], script={row: list(said) for row, said in script.items()})
    sim = Simulation(service, selected(40), latency_s=latency_s, seed=seed).run()
    assert hidden.refused <= 2
    assert sim.state.collected == 40


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(("limit", "window_s"), [(10, 1.0), (20, 2.0), (100, 60.0)])
def test_a_limit_that_a_429_states_costs_little_and_is_used_fully(
    limit: int, window_s: float, fixed: bool
) -> None:
    hidden = HiddenLimit(ScopeKind.USER, limit, window_s, fixed=fixed)
    sim = Simulation(Service([hidden], lambda _server: 0.5), selected(300)).run()
    assert hidden.refused <= 3
    whole_windows = 0.9 if window_s < 60 else 0.8  # 9 windows, of which the last is cut
    assert used(sim) >= whole_windows * limit / window_s


def test_all_limits_that_are_stated_hold_together() -> None:
    heard = ResponseMetadata(
        limits=(LimitTold(ScopeKind.USER, 10, 1.0), LimitTold(ScopeKind.IP, 60, 30.0))
    )
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


@pytest.mark.parametrize(("share", "most"), [(0.5, 10), (0.07, 1), (0.99, 19), (0.04, 1)])
def test_a_share_of_a_stated_limit_is_used_and_no_more(share: float, most: int) -> None:
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 20, 1.0), shape="headers"), share=share).run(20)
    times = [at_s for at_s in greedy.of() if at_s >= 1]
    assert most_in_any(1.0, times) == most
    assert len(times) >= 18 * most


def test_projects_that_share_an_account_keep_the_smaller_share_of_it() -> None:
    pacer, track = by_hand(share=0.5)
    pacer.track(POST, scopes(POST, "q"), share=0.9)
    pacer.passed(track, told(20, 100.0).limits, 0.0, 0.1)
    assert sent_freely(pacer, track, 10, 1.0) == 1.0
    assert pacer.next_at(track) >= 101


def test_calls_made_before_a_limit_was_stated_count_against_it() -> None:
    pacer, track = by_hand()
    last_s = sent_freely(pacer, track, 8, 0.0)
    pacer.passed(track, told(10, 100.0).limits, 0.0, last_s)
    assert sent_freely(pacer, track, 2, last_s) == last_s
    assert pacer.next_at(track) >= 100


def test_a_limit_stated_anew_holds_in_place_of_the_old_one() -> None:
    pacer, track = by_hand()
    pacer.passed(track, told(10, 100.0).limits, 0.0, 0.1)
    assert list(pacer.passed(track, told(10, 100.0).limits, 0.0, 0.1)) == []
    news = pacer.passed(track, told(3, 100.0).limits, 0.0, 0.1)
    assert list(news) == [Learned(USER, 3, 100.0, "told")]
    assert sent_freely(pacer, track, 3, 1.0) == 1.0
    assert pacer.next_at(track) >= 101


@pytest.mark.parametrize(
    ("limit", "window_s"),
    [
        (0, 1.0), (-5, 1.0), (10**6, 1.0), (10**9, 1.0), (10, 0.0), (10, -1.0), (10, 1e9),
        (10, math.inf), (10, math.nan),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_meant_is_told_and_survived(limit: int, window_s: float) -> None:
    pacer, track = by_hand()
    (news,) = pacer.passed(track, told(limit, window_s).limits, 0.0, 0.1)
    assert isinstance(news, Disbelieved)
    assert news.scope == USER
    metadata = told(limit, window_s)
    done = ExportSaid("x", ExportState.COMPLETED, "completed", metadata=metadata)
    sim = Simulation(Service(script={(ANY_SERVER, ASK): [done] * 20}), selected(20)).run()
    assert sim.state.collected == 20
    assert len(sim.of(e.HintDisbelieved)) == 1


@pytest.mark.parametrize("limit", [0, -1, 10**6])
def test_a_429_that_states_nonsense_does_not_make_it_hammer(limit: int) -> None:
    gate = Gate(Limit(ScopeKind.USER, 5, 1.0))

    def answer(track: Track, at_s: float, asked: bool) -> Answer:
        said = gate(track, at_s, asked)
        return throttled(told(limit), throttled_by=ScopeKind.USER) if said != NO_METADATA else said

    greedy = Greedy(answer).run(120)
    assert len(greedy.refused) <= 20
    assert rate(greedy.let_through(), 60, 120) >= 4
    assert any(isinstance(news, Disbelieved) for news in greedy.news)


# Limits that change, and others who use them


@pytest.mark.parametrize("shape", ["words", "headers"])
def test_a_limit_that_is_lowered_is_followed_at_once(shape: str) -> None:
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0, changes=((30.0, 8),)), shape=shape)
    greedy = Greedy(gate).run(90)
    assert len(greedy.refused) <= 20
    assert rate(greedy.let_through(), 40, 90) >= 0.95 * 8


def test_a_raised_limit_is_heard_of_within_a_minute_where_headers_tell_it() -> None:
    gate = Gate(Limit(ScopeKind.USER, 8, 1.0, changes=((30.0, 20),)), shape="headers")
    greedy = Greedy(gate).run(140)
    assert greedy.refused == []
    assert rate(greedy.of(), 95, 140) >= 0.95 * 20
    asked = [left.at_s for left in greedy.left if left.asked and left.at_s > 1]
    assert 1 <= len(asked) <= 64


def test_a_raised_limit_that_only_refusals_tell_is_found_by_single_calls_and_rarely() -> None:
    gate = Gate(Limit(ScopeKind.USER, 8, 1.0, changes=((30.0, 20),)), shape="words")
    greedy = Greedy(gate).run(1500)
    before = [left for left in greedy.refused if left.at_s < 30]
    assert len(greedy.refused) - len(before) <= 10
    assert rate(greedy.of(), 1400, 1500) >= 0.95 * 20


def test_a_stated_limit_that_never_changes_is_hardly_ever_tested() -> None:
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 20, 1.0), shape="words")).run(1500)
    assert len(greedy.refused) <= 2 + 0.001 * len(greedy.left)


@pytest.mark.parametrize("shape", ["words", "headers"])
def test_room_is_left_for_a_neighbour_and_taken_back_when_it_is_gone(shape: str) -> None:
    neighbour = Neighbour(busy_s=60.0, idle_s=600.0)
    gate = Gate(Limit(ScopeKind.USER, 20, 1.0, neighbour=neighbour), shape=shape)
    greedy = Greedy(gate).run(200)
    assert len([left for left in greedy.refused if left.at_s < 60]) <= 0.06 * 60 * 20
    assert rate(greedy.let_through(), 10, 60) >= 0.85 * 10
    assert rate(greedy.let_through(), 120, 200) >= 0.95 * 20
    assert not [left for left in greedy.refused if left.at_s > 120]


def test_headers_that_tell_what_is_left_spare_the_neighbour_most_refusals() -> None:
    refused = []
    for shape in ("words", "headers"):
        neighbour = Neighbour(busy_s=60.0, idle_s=60.0)
        gate = Gate(Limit(ScopeKind.USER, 20, 1.0, neighbour=neighbour), shape=shape)
        refused.append(len(Greedy(gate).run(600).refused))
    assert refused[1] < refused[0] / 2


def test_headers_that_contradict_the_429s_are_disbelieved_and_told() -> None:
    gate = Gate(Limit(ScopeKind.USER, 10, 1.0), shape="words")

    def answer(track: Track, at_s: float, asked: bool) -> Answer:
        said = gate(track, at_s, asked)
        return told(50) if said == NO_METADATA and asked else said

    greedy = Greedy(answer).run(1000)
    assert any(isinstance(news, Disbelieved) for news in greedy.news)
    assert len(greedy.refused) <= 0.03 * len(greedy.left)
    assert rate(greedy.let_through(), 100, 1000) >= 0.9 * 10


def test_a_service_that_tells_no_limits_is_asked_for_them_once_a_scope() -> None:
    greedy = Greedy(Gate(), calls=(POST, ASK)).run(1000, most=3000)
    asked = [left for left in greedy.left if left.asked]
    assert asked[-1].at_s < 1
    assert len(asked) <= 10


# Retry-After


def test_the_time_that_a_429_asks_for_is_waited_in_its_scope_alone() -> None:
    pacer, track = by_hand()
    other = pacer.track(POST, scopes(POST, "q"), share=1.0)
    pacer.sent(track, 0.0)
    problem = throttled(retry_after_s=30.0, throttled_by=ScopeKind.PROJECT)
    news = pacer.throttled(track, problem, 0.0, 1.0)
    assert pacer.next_at(track) >= 31.0
    assert pacer.next_at(other) <= 5.0
    assert not any(isinstance(item, Disbelieved) for item in news)


@pytest.mark.parametrize("kind", [None, ScopeKind.USER, ScopeKind.API, ScopeKind.PROJECT])
@pytest.mark.parametrize("retry_after_s", [31_536_000.0, 86_400.0, math.inf, -1.0, -1e9, math.nan])
def test_a_time_to_wait_that_cannot_be_meant_is_told_and_blocks_for_a_quarter_of_an_hour_at_most(
    retry_after_s: float, kind: ScopeKind | None
) -> None:
    pacer, track = by_hand()
    pacer.sent(track, 0.0)
    problem = throttled(retry_after_s=retry_after_s, throttled_by=kind)
    news = pacer.throttled(track, problem, 0.0, 1.0)
    assert sum(isinstance(item, Disbelieved) for item in news) == 1
    assert pacer.next_at(track) <= 1 + 900


def test_a_time_to_wait_is_obeyed_up_to_a_quarter_of_an_hour() -> None:
    pacer, track = by_hand()
    pacer.sent(track, 0.0)
    pacer.throttled(track, throttled(retry_after_s=900.0), 0.0, 1.0)
    assert pacer.next_at(track) == 901.0


def test_a_run_waits_as_it_is_asked_to() -> None:
    service = Service(script={(5, POST): [throttled(retry_after_s=40.0)]})
    sim = Simulation(service, selected(20)).run()
    assert max(gaps(sim.times())) >= 39
    assert sim.state.collected == 20
    assert not sim.of(e.HintDisbelieved)


def test_a_retry_after_of_a_year_does_not_stop_a_run() -> None:
    service = Service(script={(5, POST): [throttled(retry_after_s=31_536_000.0)]})
    sim = Simulation(service, selected(20)).run()
    assert sim.state.collected == 20
    assert sim.now_s < 2000
    assert len(sim.of(e.HintDisbelieved)) == 1


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


def test_a_ceiling_holds_whatever_higher_limit_is_stated() -> None:
    gate = Gate(Limit(ScopeKind.USER, 100, 1.0), shape="headers")
    greedy = Greedy(gate, requests_per_second=5.0).run(20)
    assert most_in_any(1.0, greedy.of()) == 5


def test_a_scope_that_no_limit_binds_lets_everything_leave() -> None:
    pacer, track = by_hand()
    assert sent_freely(pacer, track, 1000, 7.0) == 7.0
    assert pacer.rate(Scope(ScopeKind.USER, "acme")) == math.inf
