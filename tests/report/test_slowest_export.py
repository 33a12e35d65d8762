"""When the latest of many exports will have completed is chance, and computed as such."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.report.slowest_export import Group, Running, latest_s, merged

STANDARD = NormalDist()
SURE = 1 << 60


def group(queued: int = 0, *running: Running, spread: float = 0.5, started: int = 0) -> Group:
    return Group(100.0, spread, SURE, started, queued, [], list(running))


def told(one: Group, chance: float, starts_s: float = 0.0) -> float:
    return latest_s([one.off(0)], starts_s, chance)


def quantile_s(chance: float, spread: float = 0.5) -> float:
    return 100.0 * math.exp(spread * STANDARD.inv_cdf(chance))


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("exports", [1, 30, 1000])
def test_the_latest_of_many_is_where_all_of_them_have_ended(exports: int, chance: float) -> None:
    each = chance ** (1 / exports)
    assert told(group(exports), chance) == pytest.approx(quantile_s(each), rel=0.12)


def test_exports_that_start_later_end_later() -> None:
    assert told(group(100), 0.5, 600.0) > told(group(100), 0.5) + 300


def test_of_an_export_that_runs_it_is_known_that_it_takes_longer() -> None:
    for for_s in (50.0, 100.0, 150.0):
        still = 1 - STANDARD.cdf(math.log(for_s / 100) / 0.5)
        half_s = quantile_s(1 - still / 2) - for_s
        running = group(0, Running(for_s, 1.0), started=1)
        assert told(running, 0.5) == pytest.approx(half_s, rel=0.1)


def test_where_many_that_run_must_have_completed_none_is_held_to_be_slow() -> None:
    behind = group(0, *(Running(2_000.0 + one, 1.0) for one in range(200)), started=1_000)
    assert behind.is_behind
    assert told(behind, 0.9) < 10
    one_is_slow = group(0, Running(2_000.0, 1.0), started=1_000)
    assert not one_is_slow.is_behind
    assert told(one_is_slow, 0.9) > 500


def test_nothing_to_wait_for_takes_no_time() -> None:
    assert latest_s([group()], 100.0, 0.9) == 0
    assert latest_s([], 100.0, 0.9) == 0


def test_what_is_known_from_few_may_be_longer_or_shorter() -> None:
    few = Group(100.0, 0.5, 4, 0, 50)
    shorter_s, longer_s = (latest_s([few.off(errors)], 0.0, 0.5) for errors in (-1, 1))
    assert shorter_s < 0.75 * told(group(50), 0.5)
    assert longer_s > 1.4 * told(group(50), 0.5)


def test_few_groups_stand_for_many() -> None:
    groups = [Group(float(10**one), 0.5, 9, 1, 10 - one, [one]) for one in range(6)]
    kept = merged(groups, 2)
    assert [one.median_s for one in kept] == [1.0, 10.0]
    assert sum(one.queued for one in kept) == sum(range(5, 11))
    assert sorted(server for one in kept for server in one.servers) == [*range(6)]


@given(
    st.integers(0, 200),
    st.lists(st.floats(0, 1e5), max_size=10),
    st.floats(0.01, 2.0),
    st.floats(0, 1e4),
    st.floats(0.05, 0.9),
)
def test_a_time_is_told_of_any_exports_and_a_higher_chance_is_later(
    queued: int, running: list[float], spread: float, starts_s: float, chance: float
) -> None:
    one = group(queued, *(Running(for_s, 1.0) for for_s in running), spread=spread, started=50)
    sooner_s, later_s = told(one, chance, starts_s), told(one, min(0.99, chance + 0.05), starts_s)
    assert 0 <= sooner_s <= later_s * 1.03
    assert math.isfinite(later_s)
