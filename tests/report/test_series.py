"""A run's series: what happened when, in bins that widen with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model import events as e
from collector.model.answers import ScopeKind
from collector.report.series import BINS, POINTS, SCOPES, Follower
from tests.support.simulation import (
    HiddenLimit,
    Service,
    SimulatedWall,
    Simulation,
    selected,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.report.page import LimitPoint, Series

STARTED = selected(1)[0]


def at(second: float) -> str:
    return SimulatedWall().stamp(second)


def counted(
    second: float, calls: int, *, throttled: int = 0, arrived: int = 0, project: int = 0
) -> e.CallsCounted:
    return e.CallsCounted(
        at=at(second), project=project, calls=calls, throttled=throttled, arrived=arrived
    )


def stored(second: float, size: int = 10) -> e.ArchiveStored:
    return e.ArchiveStored(
        at=at(second), server=0, path="p/s", file_name="a", bytes=size, sha256="0" * 64,
        members=1, covers_from=None, covers_to=None,
    )  # fmt: skip


def failed(second: float) -> e.ServerFailed:
    return e.ServerFailed(
        at=at(second), server=0, stage="status", kind="export_failed", code=None,
        http_status=None, message="no", request_id=None, attempts=1, hint="h", polls=1,
    )  # fmt: skip


def learned(
    second: float, limit: float, *, source: str = "estimated", name: str = "ops"
) -> e.LimitLearned:
    return e.LimitLearned(
        at=at(second), scope="user", name=name, limit=limit, window_s=2.0, source=source
    )


def followed(events: Iterable[e.Event]) -> Series:
    follower = Follower()
    follower.follow(STARTED)
    for event in events:
        follower.follow(event)
    return follower.series()


def values(points: list[LimitPoint]) -> list[tuple[float, float | None]]:
    return [(point.at, point.per_second) for point in points]


def test_a_run_in_which_nothing_happened_has_empty_series() -> None:
    series = followed([])
    assert (series.calls, series.collected, series.limits) == ([], [], [])


def test_a_count_is_spread_over_the_time_that_it_counts() -> None:
    series = followed([counted(5, 50, throttled=5), counted(10, 100, arrived=10)])
    assert series.step_s == 1
    assert series.calls == [10] * 5 + [20] * 5
    assert series.throttled == [1] * 5 + [0] * 5
    assert series.bytes == [0] * 5 + [2] * 5


def test_counts_of_all_projects_are_of_the_same_time() -> None:
    series = followed([counted(5, 5), counted(10, 5), counted(10, 10, project=1)])
    assert series.calls == [1] * 5 + [3] * 5


def test_a_count_after_a_silence_is_of_the_last_seconds() -> None:
    series = followed([counted(5, 5), counted(100, 10)])
    assert series.calls == [1] * 5 + [0] * 90 + [2] * 5


def test_servers_count_when_they_are_collected_or_fail() -> None:
    series = followed([stored(0), stored(0.9), failed(2), stored(2.1)])
    assert (series.collected, series.failed) == ([2, 0, 1], [0, 0, 1])


def test_bytes_are_those_of_stored_archives_in_a_journal_that_does_not_tell_what_arrives() -> None:
    assert followed([stored(1, 30), counted(2, 1)]).bytes == [0, 30]
    assert followed([stored(1, 30), counted(2, 1, arrived=7)]).bytes == [4, 3]


def test_what_came_before_the_first_event_by_a_clock_set_back_counts_at_the_origin() -> None:
    series = followed([stored(-100), counted(-50, 3)])
    assert (series.collected, series.calls) == ([1], [3])


def test_times_that_are_none_are_left_out() -> None:
    follower = Follower()
    follower.follow(e.CallsCounted(at="soon", project=0, calls=1, throttled=0))
    assert follower.series().calls == []


@pytest.mark.parametrize(("until", "step_s"), [(599, 1), (600, 2), (3_000, 8), (10_000_000, 32768)])
def test_bins_double_in_width_so_that_there_are_never_too_many(until: int, step_s: float) -> None:
    events = [stored(second) for second in range(0, until + 1, max(1, until // 5_000))]
    series = followed(events)
    assert series.step_s == step_s
    assert len(series.collected) <= BINS
    assert sum(series.collected) == len(events)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1000)), max_size=40))
def test_nothing_that_is_counted_is_lost(counts: list[tuple[float, int]]) -> None:
    counts.sort()
    series = followed(
        counted(second, calls, throttled=calls // 2, arrived=7 * calls) for second, calls in counts
    )
    assert sum(series.calls) == sum(calls for _, calls in counts)
    assert sum(series.throttled) == sum(calls // 2 for _, calls in counts)
    assert sum(series.bytes) == 7 * sum(calls for _, calls in counts)
    lengths = {len(series.calls), len(series.throttled), len(series.bytes), len(series.failed)}
    assert len(lengths) == 1
    assert max(lengths) <= BINS
    assert min([0, *series.calls]) == 0


def test_limits_are_points_at_which_they_changed() -> None:
    series = followed(
        [learned(1, 20), learned(5, 40), learned(9, 40, source="refuted"), learned(10, 6)]
    )
    assert values(series.limits) == [(1, 10), (5, 20), (9, None), (10, 3)]
    assert [point.source for point in series.limits][2] == "refuted"


def test_an_estimate_that_creeps_is_few_points_and_ends_where_it_is() -> None:
    events = [learned(second, 20 + second / 1_000) for second in range(10_000)]
    series = followed(events)
    assert len(series.limits) < 30
    latest = series.limits[-1]
    assert latest.at == 9_999
    assert latest.per_second == pytest.approx((20 + 9.999) / 2, abs=1e-3)


def test_a_limit_that_never_rests_is_some_hundred_points_at_most() -> None:
    events = [learned(second, 10 + 90 * (second % 2)) for second in range(5_000)]
    series = followed(events)
    assert len(series.limits) <= POINTS
    assert values(series.limits)[0] == (0, 5)
    assert values(series.limits)[-1] == (4_999, 50)


def test_limits_of_very_many_scopes_are_those_of_the_first() -> None:
    events = [learned(second, 10, name=f"p{second}") for second in range(1_000)]
    assert len(followed(events).limits) == SCOPES


def test_a_whole_run_adds_up_to_what_its_state_counts() -> None:
    limit = HiddenLimit(ScopeKind.USER, 5, tells=False)
    sim = Simulation(Service([limit]), selected(60, projects=2)).run()
    series = followed(sim.events)
    assert sum(series.calls) == sum(row.requests for row in sim.state.projects)
    assert sum(series.throttled) == sum(row.throttled for row in sim.state.projects) > 0
    assert sum(series.collected) == sim.state.collected == 60
    assert sum(series.bytes) == sum(row.arrived for row in sim.state.projects)
    assert series.limits
