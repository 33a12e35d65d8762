"""How long a run will still take is told as a range, from what its state shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from tests.support.looking import (
    Run,
    at,
    begun,
    completed,
    counted,
    failed,
    learned,
    started,
    stored,
)

if TYPE_CHECKING:
    from collector.report.glance import TimeLeft


def known(run: Run, median_s: float = 60.0, spread: float = 0.3, *, projects: int = 1) -> None:
    for project in range(projects):
        run.add(
            e.DurationsLearned(
                at=at(0), project=project, exports=500, median_s=median_s, spread=spread
            )
        )


def going(
    run: Run, servers: int, *, per_s: int = 2, until: int = 1_000, takes_s: int = 60
) -> dict[int, TimeLeft | None]:
    """Let exports start evenly, and take equally long; return what was told each second."""
    told: dict[int, TimeLeft | None] = {}
    begins = {server: server // per_s for server in range(servers)}
    for second in range(until):
        for server in range(max(0, per_s * (second - takes_s)), min(servers, per_s * second)):
            if begins[server] == second - 1:
                run.add(*started(server, second))
            if begins[server] == second - takes_s:
                run.add(e.ExportCompleted(at=at(second), server=server, polls=1))
                run.add(begun(server, 1000, second), stored(server, 1000, second))
        if not second % 5:
            run.add(counted(second, 5 * per_s))
        told[second] = run.look(second).time_left
        if run.state.collected == servers:
            break
    return told


def covers(told: TimeLeft | None, rest_s: float) -> bool:
    return told is not None and told.low_s <= rest_s <= told.high_s


def test_nothing_is_told_before_anything_is_known() -> None:
    assert Run(10).look(0).time_left is None
    assert Run(10).look(5).time_left is None


def test_while_no_export_has_completed_the_range_is_wide() -> None:
    run = Run(10)
    for server in range(10):
        run.add(*started(server, 1))
    told = run.look(60).time_left
    assert told is not None
    assert told.high_s > 10 * told.low_s > 0


def test_a_steady_run_tells_its_end_from_early_on() -> None:
    run = Run(600)
    known(run, spread=0.05)
    told = going(run, 600)
    ended = max(told)
    assert ended == pytest.approx(360, abs=5)
    for part in (0.1, 0.25, 0.5, 0.7):
        second = int(part * ended)
        assert covers(told[second], ended - second), (second, told[second])
    assert told[200].high_s < 2 * told[200].low_s  # type: ignore[union-attr]  # it covers


def test_a_run_that_is_looked_at_first_in_its_middle_tells_its_end_as_well() -> None:
    run = Run(600)
    known(run, spread=0.05)
    for server in range(300):
        run.add(*started(server, server / 2))
        if server < 180:
            run.add(e.ExportCompleted(at=at(server / 2 + 60), server=server, polls=1))
            run.add(stored(server, 10, server / 2 + 60))
    assert covers(run.look(150).time_left, 210)


def test_the_slowest_of_the_exports_that_run_is_waited_for() -> None:
    run = Run(100)
    known(run, median_s=600, spread=0.5)
    run.add(*(event for server in range(100) for event in started(server)))
    told = run.look(60).time_left
    assert told is not None
    # Half of a hundred exports take 600 s; with even odds the latest of them takes 2,100 s.
    assert 900 < told.low_s < 2_000 < told.high_s < 4_000


def test_downloads_that_wait_for_their_turn_take_as_long_as_their_bytes() -> None:
    run = Run(200)
    known(run)
    for server in range(200):
        run.add(*completed(server))
    size, server, ended = 5_000_000, 0, 0
    told = {}
    for second in range(600):
        if second and not second % 5:
            run.add(counted(second, 4, arrived=4 * size))
        if not second % 10 and server < 200:  # eight at a time, each 10 s: 4 MB a second
            if second:
                run.add(*(stored(one, size, second) for one in range(server - 8, server)))
            run.add(*(begun(one, size, second) for one in range(server, server + 8)))
            server += 8
            ended = second + 10
        told[second] = run.look(second).time_left
    for second in (70, 125, 180, 220):
        assert covers(told[second], ended - second), (second, told[second])
        assert told[second].high_s < 2.3 * told[second].low_s  # type: ignore[union-attr]  # it covers


def test_a_limit_of_one_project_holds_up_the_whole_run() -> None:
    run = Run(1_000, projects=2, requests_per_second=2.0)
    known(run, projects=2)
    for server in range(0, 1_000, 2):
        run.add(*completed(server), stored(server, 10, 50))
    for server in range(1, 20, 2):
        run.add(*started(server, server))
    told = run.look(50).time_left
    assert told is not None
    assert told.low_s > 1_470 / 2 / 1.3  # 500 servers of p1 at 2 calls a second


@pytest.mark.parametrize(
    "held_up",
    [
        e.EndpointWentDown(at=at(50), endpoint="e", message="no"),
        e.SignInPaused(at=at(50), credential="ops", message="no", hint="h", until=at(90)),
        e.DownloadsPaused(at=at(50), message="no"),
    ],
)
def test_nothing_is_told_while_something_holds_up_the_work_that_is_left(held_up: e.Event) -> None:
    run = Run(20)
    known(run)
    run.add(*(event for server in range(10) for event in started(server)), *completed(11))
    assert run.look(40).time_left is not None
    run.add(held_up)
    assert run.look(60).time_left is None


def test_an_endpoint_without_work_left_holds_nothing_up() -> None:
    run = Run(20, projects=2, endpoints=("https://e", "https://f"))
    known(run, projects=2)
    for server in range(20):
        run.add(failed(server) if server % 2 else started_one(server))
    for server in range(0, 20, 2):
        run.add(e.ExportStarted(at=at(1), server=server, export_id="x"))
    run.add(e.EndpointWentDown(at=at(50), endpoint="https://f", message="no"))
    assert run.look(60).time_left is not None


def started_one(server: int) -> e.Event:
    return e.ExportRequested(at=at(1), server=server)


def test_a_deadline_ends_the_range() -> None:
    run = Run(100)
    known(run, median_s=600)
    run.add(
        e.RunEstimated(at=at(0), servers=100, seconds=1, requests=1, bytes=1, deadline_at=at(200))
    )
    run.add(*(event for server in range(100) for event in started(server)))
    told = run.look(60).time_left
    assert told is not None
    assert (told.low_s, told.high_s) == (140, 145)  # what is under way gets a moment
    assert run.look(60).deadline_at == at(200)


def test_between_two_looks_a_second_passes_in_what_is_told() -> None:
    run = Run(100)
    known(run, median_s=600)
    run.add(*(event for server in range(100) for event in started(server)))
    first, second = run.look(60).time_left, run.look(61).time_left
    assert first is not None
    assert second is not None
    assert (first.low_s - second.low_s, first.high_s - second.high_s) == pytest.approx((1, 1))


def test_where_everything_has_ended_nothing_is_left() -> None:
    run = Run(1)
    run.add(*completed(0), stored(0, 10))
    told = run.look(60).time_left
    assert told is not None
    assert told.high_s <= 1
    run.add(learned("user", "ops", 10), e.RunEnded(at=at(61), reason="finished"))
    assert run.look(62).time_left is None


def test_a_run_that_is_taken_up_forgets_the_pace_of_the_process_before() -> None:
    run = Run(2_000)
    known(run)
    going(run, 2_000, per_s=10, until=100)
    run.add(e.RunEnded(at=at(100), reason="stopped"))
    run.add(
        e.RunResumed(at=at(5_000), collector_version="0", host="h", user="u", pid=2, argv=()),
        e.RunEstimated(at=at(5_000), servers=1_600, seconds=1, requests=1, bytes=1),
    )
    for second in range(1, 60):
        run.add(*started(1_000 + second, 5_000 + second))
        told = run.look(5_000 + second).time_left
    assert told is not None
    assert told.low_s > 500  # some thousand calls are left, at one a second


@pytest.mark.parametrize("queued", [0, 3])
def test_whatever_a_journal_may_hold_is_no_reason_to_stumble(queued: int) -> None:
    run = Run(12, requests_per_second=1e-6)
    run.add(learned("user", "ops", 5e-300, window_s=1e15), learned("project", "p0", 0.0))
    for server in range(12 - queued):
        run.add(*completed(server), begun(server, None if server % 2 else 1 << 62))
    run.look(1)
    for server in range(6):
        run.add(stored(server, 1 if server % 2 else 1 << 62, 2))
    run.add(*started(11), counted(3, 1 << 62, arrived=1 << 62))
    for median_s, spread in ((0.0, 0.0), (1e15, 100.0), (1e-9, 100.0), (1e15, 0.0)):
        run.add(
            e.DurationsLearned(
                at=at(4), project=0, exports=1 << 62, median_s=median_s, spread=spread
            )
        )
        for second in (5, 500, 5_000_000_000):
            told = run.look(second).time_left
            assert told is None or 0 <= told.low_s <= told.high_s < 1e15
