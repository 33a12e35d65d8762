"""Whatever a service answers, a scope is tried again in time, and never much too fast."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pacing.gateway import Limit
from collector.engine.pacing.findings import Disbelieved, Learned
from collector.engine.pacing.inference import WINDOWS_S
from collector.engine.pacing.pauses import LONGEST_RETRY_AFTER_S
from collector.model.answers import NO_METADATA, Call, LimitTold, ResponseMetadata, ScopeKind
from collector.model.prior import Prior, PriorExports, PriorLimit
from tests.support.greedy import Answer, Gate, Greedy, most_in_any, scopes, throttled, told
from tests.support.simulation import quick

if TYPE_CHECKING:
    from collector.engine.pacing.tracks import Track

POST, ASK = Call.START_EXPORT, Call.ASK_STATUS
KINDS = (ScopeKind.USER, ScopeKind.API, ScopeKind.PROJECT)
NUMBERS = st.sampled_from([-math.inf, -1.0, 0.0, 1e-9, 900.0, 901.0, 31_536_000.0, math.inf,
                           math.nan])  # fmt: skip


def limits() -> st.SearchStrategy[LimitTold]:
    """Statements, many of which cannot be meant."""
    return st.builds(
        LimitTold,
        st.sampled_from(ScopeKind),
        st.integers(-1, 30) | st.just(10**6),
        st.floats(0.1, 600.0) | NUMBERS,
        st.none() | st.integers(-5, 40),
    )


def hints() -> st.SearchStrategy[ResponseMetadata]:
    return st.builds(ResponseMetadata, st.lists(limits(), max_size=2).map(tuple))


def refusals() -> st.SearchStrategy[Answer]:
    """429s of any shape and hint."""
    return st.builds(
        lambda heard, by, wait_s: throttled(heard, throttled_by=by, retry_after_s=wait_s),
        st.just(NO_METADATA) | hints(),
        st.none() | st.sampled_from(ScopeKind),
        st.none() | st.floats(-10.0, 2000.0) | NUMBERS,
    )


def answers() -> st.SearchStrategy[list[Answer]]:
    """Stretches of the same answer, so that limits are reached and not only touched."""
    stretch = st.tuples(st.just(NO_METADATA) | hints() | refusals() | st.none(), st.integers(1, 12))
    return st.lists(stretch, max_size=24).map(
        lambda stretches: [answer for answer, times in stretches for _ in range(times)]
    )


def knowns() -> st.SearchStrategy[Prior]:
    """What an earlier run may have left."""
    limit = st.builds(
        PriorLimit,
        st.sampled_from(scopes(POST)),
        st.floats(1.0, 100.0),
        st.sampled_from(WINDOWS_S[:3]),
        st.sampled_from(["told", "estimated"]),
    )
    exports = st.builds(PriorExports, st.just(scopes(POST)[2]), st.integers(1, 20))
    return st.builds(
        Prior, st.lists(limit, max_size=2).map(tuple), st.lists(exports, max_size=1).map(tuple)
    )


def longest_window_s(greedy: Greedy) -> float:
    """Return the longest window that was believed to be somebody's."""
    known = [one.window_s for one in greedy.known.limits]
    return max(known + [one.window_s for one in greedy.news if isinstance(one, Learned)] + [0.0])


@quick
@given(
    said=answers(),
    calls=st.sampled_from([(POST,), (ASK,), (POST, ASK), tuple(Call)]),
    known=knowns(),
    latency_s=st.sampled_from([0.01, 0.3, 5.0]),
    share=st.sampled_from([1.0, 0.95, 0.3]),
    export_s=st.sampled_from([0.0, 1.0, 300.0]),
)
def test_no_answers_make_a_scope_wait_for_longer_than_a_quarter_of_an_hour_and_a_window(
    said: list[Answer],
    calls: tuple[Call, ...],
    known: Prior,
    latency_s: float,
    share: float,
    export_s: float,
) -> None:
    rest = iter(said)
    greedy = Greedy(
        lambda _track, _at_s, _asked: next(rest, NO_METADATA),
        calls=calls, known=known, latency_s=latency_s, share=share, export_s=export_s,
    )  # fmt: skip
    greedy.run(math.inf, most=len(said) + 20)  # fails where nothing may ever leave
    window_s = max(longest_window_s(greedy), 600.0 if known.exports or POST in calls else 0.0)
    graced_s = 2 * window_s + 2 * latency_s
    assert greedy.waited_s <= LONGEST_RETRY_AFTER_S + graced_s + 1


@quick
@given(said=answers(), latency_s=st.sampled_from([0.01, 0.3]), jump_s=st.floats(60.0, 7200.0))
def test_a_clock_that_jumps_ahead_ends_every_wait_that_is_over_by_then(
    said: list[Answer], latency_s: float, jump_s: float
) -> None:
    rest = iter(said)
    greedy = Greedy(
        lambda _track, _at_s, _asked: next(rest, NO_METADATA),
        calls=(POST, ASK),
        latency_s=latency_s,
    )
    greedy.run(math.inf, most=len(said) // 2)
    greedy.now_s += jump_s
    greedy.run(math.inf, most=len(said) + 20)
    assert greedy.waited_s <= LONGEST_RETRY_AFTER_S + 2 * max(longest_window_s(greedy), 600.0) + 11


@quick
@given(
    limit=st.integers(1, 30),
    window_s=st.sampled_from([0.5, 1.0, 10.0, 60.0]),
    kind=st.sampled_from(KINDS),
    share=st.sampled_from([1.0, 0.95, 0.5, 0.05]),
    before=st.integers(0, 60),
    latency_s=st.sampled_from([0.01, 0.3]),
    by_words=st.booleans(),
    jump_s=st.sampled_from([0.0, 0.0, 3600.0]),
)
def test_a_believed_statement_is_kept_in_every_window_until_it_is_contradicted(
    limit: int,
    window_s: float,
    kind: ScopeKind,
    share: float,
    before: int,
    latency_s: float,
    *,
    by_words: bool,
    jump_s: float,
) -> None:
    heard = told(limit, window_s, kind)
    numbers = iter(range(10_000))

    def answer(_track: Track, _at_s: float, _asked: bool) -> Answer:
        if next(numbers) != before:
            return NO_METADATA
        return throttled(heard, throttled_by=kind) if by_words else heard

    greedy = Greedy(answer, share=share, latency_s=latency_s).run(math.inf, most=before + 200)
    if jump_s:
        greedy.now_s += jump_s
        greedy.run(math.inf, most=before + 400)
    (stated,) = [news for news in greedy.news if isinstance(news, Learned)]
    assert (stated.limit, stated.window_s) == (limit, window_s)
    last_seen_s = greedy.left[before].at_s + 1.01 * latency_s
    most = max(1, math.floor(share * limit + 1e-9))
    assert most_in_any(window_s, greedy.of(), last_seen_s + window_s) <= most


@quick
@given(
    said=answers(),
    statement=st.tuples(st.integers(1, 20), st.sampled_from([1.0, 10.0, 60.0])),
    share=st.sampled_from([1.0, 0.5]),
    latency_s=st.sampled_from([0.01, 0.3]),
)
def test_whatever_was_said_before_a_statement_is_kept_to_within_a_window(
    said: list[Answer], statement: tuple[int, float], share: float, latency_s: float
) -> None:
    """Statements that were ignored as refuted aside, the last one holds."""
    limit, window_s = statement
    heard = throttled(told(limit, window_s), throttled_by=ScopeKind.USER)
    rest = iter([*said, heard])
    greedy = Greedy(
        lambda _track, _at_s, _asked: next(rest, NO_METADATA), latency_s=latency_s, share=share
    )
    greedy.run(math.inf, most=len(said) + 1 + 100)
    told_of = [
        news
        for news in greedy.news
        if news.scope.kind is ScopeKind.USER and isinstance(news, Learned)
    ]
    # An earlier statement about another scope does no harm: calls keep both.
    last_seen_s = greedy.left[len(said)].at_s + 1.01 * latency_s
    most = max(1, math.floor(share * limit + 1e-9)) + 1  # one asks whether it still holds
    assert told_of
    assert most_in_any(window_s, greedy.of(), last_seen_s + window_s) <= most


@quick
@given(
    said=answers(),
    requests_per_second=st.sampled_from([0.1, 0.5, 1.0, 2.5, 7.0, 30.0]),
    latency_s=st.sampled_from([0.01, 0.3, 2.0]),
    known=knowns(),
    jump_s=st.sampled_from([0.0, 3600.0]),
)
def test_a_ceiling_that_a_person_wrote_is_never_exceeded_whatever_is_answered(
    said: list[Answer],
    requests_per_second: float,
    latency_s: float,
    known: Prior,
    jump_s: float,
) -> None:
    rest = iter(said)
    greedy = Greedy(
        lambda _track, _at_s, _asked: next(rest, NO_METADATA),
        calls=tuple(Call), latency_s=latency_s, known=known,
        requests_per_second=requests_per_second,
    )  # fmt: skip
    greedy.run(math.inf, most=len(said) // 2)
    greedy.now_s += jump_s
    greedy.run(math.inf, most=len(said) + 50)
    most = max(1, math.floor(requests_per_second))
    assert most_in_any(most / requests_per_second, greedy.of()) <= most


@pytest.mark.parametrize("shape", ["bare", "retry_after", "words", "headers"])
@pytest.mark.parametrize("back_s", [0.5, 5.0])
def test_a_clock_that_goes_back_a_little_neither_stops_nor_hurries(
    shape: str, back_s: float
) -> None:
    greedy = Greedy(Gate(Limit(ScopeKind.USER, 10, 1.0), shape=shape))
    for until_s in (30.0, 60.0):
        greedy.run(until_s)
        greedy.now_s -= back_s
    greedy.run(120.0)
    assert greedy.waited_s <= 70
    assert len(greedy.of()) >= 0.8 * 120 * 10
    assert len(greedy.refused) <= 0.05 * len(greedy.left)
    assert not any(isinstance(news, Disbelieved) for news in greedy.news)
