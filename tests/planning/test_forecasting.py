from __future__ import annotations

import random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from collector.model.prior import PriorDurations
from collector.planning.forecasting import (
    LONGEST_S,
    Work,
    home_by,
    last_export_s,
    makespan_s,
    mean_s,
)

DURATIONS = PriorDurations(exports=100, median_s=135.0, spread=0.8)


def work(
    queued: int, *, posts_s: float = 0.0, calls_s: float = 0.0, spread: float = 0.8, ready: int = 0
) -> Work:
    durations = PriorDurations(exports=100, median_s=135.0, spread=spread)
    return Work(queued, 0, ready, posts_s, calls_s, durations)


works = st.builds(
    Work,
    queued=st.integers(0, 100_000),
    exporting=st.integers(0, 1000),
    ready=st.integers(0, 1000),
    posts_s=st.floats(0, 1e5),
    calls_s=st.floats(0, 1e6),
    durations=st.builds(
        PriorDurations,
        exports=st.just(1),
        median_s=st.floats(0.001, 86_400),
        spread=st.floats(0, 10),
    ),
)


@given(works, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_later_deadline_brings_no_fewer_home_and_never_more_than_there_are(
    some: Work, early_s: float, late_s: float
) -> None:
    early_s, late_s = sorted((early_s, late_s))
    early, late = home_by(some, early_s), home_by(some, late_s)
    assert 0 <= early <= late * (1 + 1e-9) + 1e-6
    assert late <= some.servers * (1 + 1e-9)


@given(works)
def test_a_run_takes_no_less_than_its_calls_and_its_longest_export(some: Work) -> None:
    assert LONGEST_S >= makespan_s(some) >= some.calls_s
    assert makespan_s(some) >= last_export_s(some) * (1 - 1e-3)


@given(works)
def test_nearly_all_are_home_when_it_is_over(some: Work) -> None:
    whole_s = makespan_s(some)
    assert whole_s == LONGEST_S or home_by(some, whole_s) >= some.servers * (1 - 1e-3) - 2


def test_without_servers_it_takes_no_time() -> None:
    assert makespan_s(work(0)) == 0
    assert home_by(work(0), 60) == 0


@pytest.mark.parametrize(("servers", "posts_s"), [(10, 0.0), (1000, 100.0), (1000, 2000.0)])
def test_it_agrees_with_exports_drawn_by_lot(servers: int, posts_s: float) -> None:
    rng = random.Random(4)  # noqa: S311  # draws durations, keeps no secret
    ends = sorted(
        max(
            posts_s * number / servers + rng.lognormvariate(4.905, 0.8)  # ln 135
            for number in range(servers)
        )
        for _ in range(201)
    )
    assert makespan_s(work(servers, posts_s=posts_s)) == pytest.approx(ends[100], rel=0.08)


def test_while_the_quota_binds_a_third_of_the_calls_brings_servers_home() -> None:
    bound = work(10_000, posts_s=10_000.0, calls_s=30_000.0, spread=0.1)
    assert home_by(bound, 15_000.0) == pytest.approx(5000, rel=0.05)


def test_before_the_first_export_is_complete_only_what_is_ready_comes_home() -> None:
    assert home_by(work(100, spread=0.1), 60.0) < 1
    assert home_by(work(100, spread=0.1, ready=7), 60.0) == pytest.approx(7, abs=0.1)


def test_the_mean_is_that_of_the_law() -> None:
    assert mean_s(DURATIONS) == pytest.approx(185.9, abs=0.1)
