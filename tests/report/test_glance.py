"""A glance at a run tells how far it is, how fast it goes and what is wrong."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.at_once import ExportsLimit
from collector.report.glance import Counts, Watch
from collector.report.phase_counts import PhaseCounts
from tests.support.looking import (
    BEGAN,
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
from tests.support.simulation import (
    Service,
    Simulation,
    lists_of_answers,
    quick,
    selected,
)

if TYPE_CHECKING:
    from collector.model.answers import Outcome
    from collector.report.glance import Glance, Limit

# Counts


def test_a_run_that_has_not_begun_cannot_be_looked_at() -> None:
    with pytest.raises(ValueError, match="has not begun"):
        Watch(RunState()).glance(BEGAN)


def test_servers_are_counted_by_phase_in_all_and_by_project() -> None:
    run = Run(7, projects=2)
    run.add(*started(0), *completed(1), *completed(2), stored(2, 50), failed(4))
    run.add(e.ExportRequested(at=at(1), server=6))
    glance = run.look(2)
    assert glance.counts == Counts(7, 2, 2, 1, 1, 1)
    assert {one.name: one.counts for one in glance.projects} == {
        "p0": Counts(4, 0, 2, 0, 1, 1),
        "p1": Counts(3, 2, 0, 1, 0, 0),
    }
    assert {one.name: one.bytes for one in glance.projects} == {"p0": 50, "p1": 0}


def test_who_does_a_run_and_since_when_is_told() -> None:
    run = Run()
    run.add(counted(30, 3))
    glance = run.look(40.5)
    assert (glance.run_id, glance.host, glance.user, glance.pid) == ("r", "h", "u", 1)
    assert (glance.started_at, glance.at, glance.last_event_at) == (at(0), at(40.5), at(30))
    assert (glance.elapsed_s, glance.state) == (40.5, "running")


def test_a_run_whose_process_is_gone_has_lasted_until_its_last_event() -> None:
    run = Run()
    run.add(counted(30, 3))
    glance = run.look(4000, alive=False)
    assert (glance.elapsed_s, glance.state) == (30, "interrupted")


def test_projects_with_failures_come_first_then_those_in_trouble_then_those_with_most_left() -> (
    None
):
    run = Run(20, projects=4, endpoints=("https://a", "https://b", "https://c", "https://d"))
    run.add(*completed(0), stored(0, 1), *completed(4), stored(4, 1))  # p0 has less left
    run.add(failed(1), failed(5), failed(2))
    run.add(e.EndpointWentDown(at=at(1), endpoint="https://d", message="refused"))
    glance = run.look(2)
    assert [(one.name, one.trouble) for one in glance.projects] == [
        ("p1", None),
        ("p2", None),
        ("p3", "endpoint down"),
        ("p0", None),
    ]


@quick
@given(lists_of_answers(6), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_a_tally_is_what_a_count_of_all_rows_gives(
    answers: list[list[Outcome]], pauses: list[int]
) -> None:
    events = Simulation(Service(sequences=answers), selected(6, projects=2)).run().events
    state = RunState()
    counted = PhaseCounts(state)
    for number, event in enumerate(events):
        apply(state, event)
        if number % pauses[number % len(pauses)] and number < len(events) - 1:
            continue
        counted.refresh()
        assert counted.phases == {**dict.fromkeys(counted.phases, 0)} | Counter(
            row.phase for row in state.servers
        )
        assert sum(one.bytes for one in counted.projects) == state.bytes
        assert sum(one.left for one in counted.projects) == state.pending == counted.left
        assert {one for project in counted.projects for one in project.begun} == {
            row.server for row in state.servers if row.phase == "ready" and row.begun
        }
        assert set(counted.failed) == {row.server for row in state.servers if row.failure}


# Rates


def steady(run: Run, until: int, calls: int = 50, every: int = 1) -> Glance:
    """Let calls be counted every 5 seconds, and look now and then."""
    glance = run.look(0)
    for second in range(1, until + 1):
        if not second % 5:
            run.add(counted(second, calls, arrived=1_000_000))
        if not second % every:
            glance = run.look(second)
    return glance


@pytest.mark.parametrize("every", [1, 3, 10])
def test_rates_are_those_of_the_last_quarter_of_a_minute_however_often_one_looks(
    every: int,
) -> None:
    run = Run()
    assert steady(run, 60, every=every).calls_per_s == pytest.approx(10)
    assert run.look(60).bytes_per_s == pytest.approx(200_000)
    for second in range(65, 90, 5):
        run.add(counted(second, 100))
        run.look(second)
    assert run.look(85).calls_per_s == pytest.approx(20)
    assert run.look(85).bytes_per_s == 0


def test_between_two_counts_a_rate_stays_what_it_is() -> None:
    run = Run()
    rates = [steady(run, 60).calls_per_s, *(run.look(60 + one).calls_per_s for one in (1, 3, 4.9))]
    assert rates == pytest.approx([10] * 4)


def test_when_no_count_comes_any_more_rates_fall_to_nothing() -> None:
    run = Run()
    steady(run, 60)
    rates = [run.look(60 + second).calls_per_s for second in range(0, 30, 3)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0


def test_projects_have_rates_of_their_own_that_add_up() -> None:
    run = Run(projects=3)
    for second in range(0, 60, 5):
        run.add(counted(second, 5), counted(second, 20, project=2))
        run.look(second)
    glance = run.look(55)
    assert {one.name: one.calls_per_s for one in glance.projects} == pytest.approx(
        {"p0": 1, "p1": 0, "p2": 4}
    )
    assert glance.calls_per_s == pytest.approx(5)


def test_nothing_goes_on_in_a_run_that_has_ended_or_whose_process_is_gone() -> None:
    run = Run()
    assert steady(run, 60).calls_per_s > 0
    gone = run.look(61, alive=False)
    run.add(e.RunEnded(at=at(61), reason="stopped"))
    for glance in (gone, run.look(61)):
        assert (glance.calls_per_s, glance.bytes_per_s, glance.time_left) == (0, 0, None)
        assert (glance.troubles, glance.slowest) == ([], [])


def test_a_run_that_is_taken_up_is_counted_anew() -> None:
    run = Run()
    steady(run, 60)
    run.add(e.RunEnded(at=at(61), reason="stopped"))
    run.add(e.RunResumed(at=at(1000), collector_version="0", host="h", user="u", pid=2, argv=()))
    assert run.look(1001).calls_per_s == 0
    run.add(counted(1005, 100))
    assert run.look(1005).calls_per_s == pytest.approx(20)


def test_who_joins_a_run_late_is_told_the_average_at_first() -> None:
    run = Run()
    run.add(e.RunEstimated(at=at(0), servers=6, seconds=1, requests=1, bytes=1))
    run.add(*(counted(second, 50) for second in range(5, 105, 5)))
    assert run.look(101).calls_per_s == pytest.approx(10)


def test_a_process_that_knows_better_tells_bytes_as_they_arrive() -> None:
    run = Run()
    for second in range(10):
        glance = run.look(second, arrived=1_000 * second)
    assert glance.bytes_per_s == pytest.approx(1_000)
    assert run.look(30, arrived=9_000).bytes_per_s == 0


# Bytes


def test_bytes_are_those_that_are_stored_and_those_of_downloads_under_way() -> None:
    run = Run(projects=2)
    run.add(*completed(0), begun(0, 100), *completed(1), begun(1, None), counted(5, 0, arrived=60))
    assert run.look(5).bytes == 60
    assert run.look(5, arrived=75).bytes == 75
    run.add(stored(0, 100), counted(6, 0, arrived=40))
    glance = run.look(6)
    assert glance.bytes == 100
    assert {one.name: one.bytes for one in glance.projects} == {"p0": 100, "p1": 0}


def test_bytes_that_a_failed_download_lost_are_not_counted_for_long() -> None:
    run = Run(projects=1)
    run.add(*completed(0), begun(0, 100), counted(5, 0, arrived=90), begun(0, 100, 6))
    run.add(counted(10, 0, arrived=90))
    assert run.look(10).bytes == 100  # of 180 that arrived: no more than the archive has
    run.add(stored(0, 100), counted(11, 0, arrived=10))
    assert run.look(11).bytes == 100
    run.add(*completed(1), begun(1, 50), counted(15, 0, arrived=20))
    assert run.look(15).bytes == 120


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.integers(0, 1 << 32))
def test_bytes_never_go_back_while_no_download_fails(sizes: list[int], seed: int) -> None:
    random = Random(seed)  # noqa: S311  # keeps no secret
    run = Run(len(sizes), projects=2)
    arrived, shown, left = 0, 0, dict(enumerate(sizes))
    for server, size in enumerate(sizes):
        run.add(*completed(server), begun(server, random.choice([size, None])))
    uncounted = [0, 0]
    while left:
        server = random.choice(sorted(left))
        some = random.randint(1, left[server])
        arrived += some
        uncounted[server % 2] += some
        left[server] -= some
        if not left[server]:
            del left[server]
            run.add(stored(server, sizes[server]))
        if random.random() < 0.3:
            for project in (0, 1):
                run.add(counted(0, 0, project=project, arrived=uncounted[project]))
            uncounted = [0, 0]
        bytes_now = run.look(0, arrived=arrived).bytes
        assert shown <= bytes_now <= arrived
        shown = bytes_now
    assert shown == sum(sizes)


# Limits


def of_limits(run: Run) -> tuple[float, str, str | None, str] | None:
    limit: Limit | None = run.look(2).limit
    return None if limit is None else (limit.per_second, limit.scope, limit.name, limit.source)


def test_no_limit_is_told_where_none_is_known() -> None:
    assert of_limits(Run()) is None


def test_the_smallest_limit_that_holds_all_work_is_told() -> None:
    run = Run(credentials=("ops",), endpoints=("https://e",))
    run.add(learned("user", "ops at https://e", 40, window_s=2), learned("ip", "https://e", 30))
    assert of_limits(run) == (20, "user", "ops at https://e", "told")
    assert run.look(2).limit == run.look(2).limit
    run.add(learned("app", "ops at https://e", 5, source="refuted"))
    run.add(learned("endpoint", "https://e", 5e-300, window_s=1e-320))  # no service means that
    assert of_limits(run) == (20, "user", "ops at https://e", "told")


def test_limits_of_several_accounts_add_up_if_all_that_have_work_are_known() -> None:
    run = Run(6, projects=3, credentials=("a", "b", "c"))
    run.add(learned("user", "a", 10), learned("user", "b", 4, source="estimated"))
    assert of_limits(run) is None
    run.add(learned("user", "c", 1))
    assert of_limits(run) == (15, "user", None, "told")
    for server in (2, 5):
        run.add(*completed(server), stored(server, 1))
    assert of_limits(run) == (14, "user", None, "told")


def test_what_the_inventory_allows_is_a_limit_of_each_project() -> None:
    run = Run(6, projects=2, requests_per_second=3.0)
    assert of_limits(run) == (6, "project", None, "inventory")
    run.add(learned("project", "p1", 1), learned("project", "p0", 100))
    assert of_limits(run) == (4, "project", None, "inventory")


def test_limits_of_single_calls_count_where_every_call_that_is_left_has_one() -> None:
    run = Run(2, endpoints=("https://e",))
    run.add(learned("api", "start_export at https://e", 2))
    assert of_limits(run) is None
    run.add(learned("api", "ask_status at https://e", 3))
    run.add(learned("api", "fetch_archive at https://e", 4))
    assert of_limits(run) == (9, "api", None, "told")
    run.add(*started(0), *started(1))
    assert of_limits(run) == (7, "api", None, "told")


def at_once(project: int, limit: int) -> e.ExportsLimitLearned:
    return e.ExportsLimitLearned(
        at=at(0), scope="project", name=f"p{project}", limit=limit, source="estimated"
    )


def test_how_many_exports_may_run_at_once_is_told_where_that_holds_the_run() -> None:
    run = Run(8, projects=2)
    assert run.look(2).exports_limit is None
    run.add(at_once(0, 3), at_once(1, 2))
    assert run.look(2).exports_limit == ExportsLimit(5, 2, "estimated")
    run.add(learned("user", "ops", 1), counted(1, 4), counted(4, 6))
    assert run.look(4).limit is not None
    assert run.look(4).exports_limit is None, "calls are what holds it"
    for server in (0, 2, 4, 6):
        run.add(*completed(server))
    assert run.look(60).exports_limit == ExportsLimit(2, 1, "estimated")
    for server in (1, 3, 5, 7):
        run.add(*started(server))
    assert run.look(60).exports_limit is None, "none waits"


def test_exports_at_once_that_the_inventory_allows_are_a_limit_of_each_project() -> None:
    run = Run(6, projects=3, exports_in_flight=2)
    assert run.look(2).exports_limit == ExportsLimit(6, 3, "inventory")
    run.add(e.ExportsLimitLearned(at=at(0), scope="user", name="ops", limit=3, source="estimated"))
    assert run.look(2).exports_limit == ExportsLimit(3, 3, "estimated")


def test_a_run_without_work_is_held_by_no_limit() -> None:
    run = Run(1, requests_per_second=3.0)
    run.add(*completed(0), stored(0, 1))
    assert of_limits(run) is None


# Trouble


def test_each_trouble_is_one_sentence_and_names_who_is_in_it() -> None:
    run = Run(projects=2, endpoints=("https://e", "https://f"))
    run.add(
        e.EndpointWentDown(at=at(10), endpoint="https://e", message="connection refused"),
        e.DownloadsPaused(at=at(10), message="no space left on device"),
        e.SignInPaused(at=at(10), credential="ops", message="503", hint="h", until=at(90)),
        e.WaitAsked(at=at(10), scope="user", name="ops at https://e", until=at(200)),
        e.WaitAsked(at=at(10), scope="project", name="p0", until=at(50), server=3),
        e.WaitAsked(at=at(10), scope="ip", name="https://e", until=at(20)),
        e.PermissionDoubted(at=at(10), project=1, call="fetch_archive", message="403 no"),
    )
    glance = run.look(40)
    assert glance.troubles == [
        "https://e has not answered for 30 s: connection refused",
        "Downloads are paused, since the disk takes none: no space left on device",
        "Credential ops cannot sign in: 503",
        "The service asks to wait 2 min 40 s with the account ops at https://e",
        "The service asks to wait 10 s with the server s3",
        "Project p1 may not be allowed to download archives: 403 no",
    ]
    assert {one.name: one.trouble for one in glance.projects} == {
        "p0": "endpoint down, cannot sign in",
        "p1": "cannot sign in, permission in doubt",
    }


def test_many_troubles_of_a_kind_are_a_few_sentences() -> None:
    run = Run(projects=1)
    for number in range(50):
        run.add(e.EndpointWentDown(at=at(number), endpoint=f"https://e{number}", message="no"))
    told = run.look(60).troubles
    assert told[0] == "https://e0 has not answered for 1 min: no"
    assert told[3:] == ["47 more endpoints are down"]


def test_what_is_over_is_no_trouble() -> None:
    run = Run(endpoints=("https://e",))
    run.add(
        e.EndpointWentDown(at=at(10), endpoint="https://e", message="no"),
        e.EndpointCameBack(at=at(11), endpoint="https://e"),
        e.DownloadsPaused(at=at(10), message="no"),
        e.DownloadsWentOn(at=at(11)),
        e.SignInPaused(at=at(10), credential="ops", message="503", hint="h", until=at(90)),
        e.SignInWentOn(at=at(11), credential="ops"),
    )
    glance = run.look(12)
    assert glance.troubles == []
    assert [one.trouble for one in glance.projects] == [None]


# The slowest, and failures


def test_servers_that_take_longer_than_their_project_makes_normal_are_named() -> None:
    run = Run(40, projects=2)
    run.add(*(event for server in range(40) for event in started(server, server)))
    for project, median_s in ((0, 100.0), (1, 1000.0)):
        run.add(
            e.DurationsLearned(at=at(50), project=project, exports=9, median_s=median_s, spread=0.5)
        )
    assert run.look(110).slowest == []
    slow = run.look(330).slowest  # the 99th percentile is 320 s in p0, 3200 s in p1
    assert [(one.project, one.name, one.phase, one.for_s) for one in slow] == [
        ("p0", "s0", "exporting", 330),
        ("p0", "s2", "exporting", 328),
        ("p0", "s4", "exporting", 326),
        ("p0", "s6", "exporting", 324),
        ("p0", "s8", "exporting", 322),
    ]


def test_a_download_that_takes_far_longer_than_the_others_is_slow() -> None:
    run = Run(10, projects=1)
    for server in range(10):
        run.add(*completed(server), begun(server, 10))
    run.look(1)
    for server in range(9):
        run.add(stored(server, 10, 20))
    assert run.look(79).slowest == []
    (slow,) = run.look(90).slowest
    assert (slow.name, slow.phase, slow.for_s) == ("s9", "downloading", 90)


def test_servers_that_only_wait_for_their_turn_are_not_slow() -> None:
    run = Run(10)
    run.add(*completed(0))
    assert run.look(100_000).slowest == []


def test_the_latest_failures_are_told_with_their_projects() -> None:
    run = Run(20, projects=2)
    run.add(*(failed(server, server, f"no {server}") for server in range(9)))
    told = run.look(20).failures
    assert [(one.name, one.project, one.message) for one in told[:2]] == [
        ("s8", "p0", "no 8"),
        ("s7", "p1", "no 7"),
    ]
    assert len(told) == 5
    run.add(e.ServerRetried(at=at(30), server=8))
    assert run.look(31).failures[0].name == "s7"


# Before anybody looked


def test_who_looks_at_a_journal_for_the_first_time_sees_how_fast_it_has_been() -> None:
    run = Run(6, projects=2)
    for second in (5, 10, 15, 20, 25):
        for project, calls in ((0, 50), (1, 10)):
            event = counted(second, calls, project=project, arrived=1000 * calls)
            run.add(event)
            run.watch.follow(event)
    glance = run.look(25)
    assert glance.calls_per_s == 12.0
    assert glance.bytes_per_s == 12_000.0
    assert {one.name: one.calls_per_s for one in glance.projects} == {"p0": 10.0, "p1": 2.0}


def test_looks_that_tell_nothing_are_remembered() -> None:
    run = Run()
    for second in range(20):
        run.watch.look(BEGAN.timestamp() + second, arrived=700 * second)
    assert run.look(20, arrived=14_000).bytes_per_s == 700.0


def test_what_was_counted_in_parts_at_one_time_is_one_count() -> None:
    run = Run(6, projects=2)
    run.add(counted(5, 50))
    run.look(5)
    run.add(counted(10, 50))
    run.look(10)
    run.add(counted(10, 50, project=1))
    assert run.look(10).calls_per_s == 20.0
