from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from collector.model import events as e
from collector.model.ceilings import Ceilings
from collector.model.state import Phase, RunState, apply
from tests.support.simulation import (
    Service,
    SimulatedWall,
    Simulation,
    lists_of_answers,
    quick,
    selected,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.model.answers import Outcome

    Fold = Callable[[Iterable[e.Event]], RunState]

AT = SimulatedWall().stamp(0)
LATER = SimulatedWall().stamp(60)


def resumed() -> e.RunResumed:
    return e.RunResumed(at=LATER, collector_version="0", host="h", user="u", pid=2, argv=())


def stored(server: int, size: int = 10) -> e.ArchiveStored:
    return e.ArchiveStored(
        at=AT, server=server, path="p/a", file_name="a", bytes=size, sha256="ab", members=1,
        covers_from=None, covers_to=None,
    )  # fmt: skip


def failed_try(server: int, *, doubtful: bool = False, anew: bool = False) -> e.AttemptFailed:
    return e.AttemptFailed(
        at=LATER, server=server, stage="export", kind="cut", code=None, http_status=None,
        message="m", request_id=None, attempt=1, doubtful=doubtful, anew=anew, polls=2,
    )  # fmt: skip


def failure(server: int) -> e.ServerFailed:
    return e.ServerFailed(
        at=LATER, server=server, stage="export", kind="cut", code=None, http_status=None,
        message="m", request_id=None, attempts=2, hint="h", polls=0,
    )  # fmt: skip


@quick
@given(answers=lists_of_answers(servers=4))
def test_the_fold_of_the_journal_is_the_live_state(answers: list[list[Outcome]]) -> None:
    sim = Simulation(Service(sequences=answers), selected(4, projects=2)).run()
    sim.record([sim.scheduler.ending(sim.now_s)])
    folded = RunState()
    for event in sim.events:
        apply(folded, event)
    assert folded == sim.state


@quick
@given(answers=lists_of_answers(servers=3))
def test_a_run_taken_up_after_any_event_ends_every_server(answers: list[list[Outcome]]) -> None:
    whole = Simulation(Service(sequences=copy.deepcopy(answers)), selected(3)).run()
    first = len(selected(3))
    for cut in range(first, len(whole.events), 1 + len(whole.events) // 4):
        service = Service(sequences=copy.deepcopy(answers))
        sim = Simulation(service, [*whole.events[:cut], resumed()]).run()
        assert sim.state.pending == 0 or sim.state.down


def test_every_event_can_be_applied(folded: Fold) -> None:
    facts = {
        "RunResumed": resumed(),
        "CredentialNamed": e.CredentialNamed(
            at=AT, name="ops", kind="token", account="ops", options={}
        ),
        "EndpointsVouched": e.EndpointsVouched(at=AT, mark="ab"),
        "ProjectNotListed": e.ProjectNotListed(
            at=AT,
            project=0,
            kind="forbidden",
            code="c",
            http_status=403,
            message="m",
            request_id=None,
            attempts=1,
            hint="h",
        ),
        "ExportRequested": e.ExportRequested(at=AT, server=0),
        "ExportNotStarted": e.ExportNotStarted(at=AT, server=0, kind="throttled"),
        "ExportStarted": e.ExportStarted(at=AT, server=0, export_id="x"),
        "ExportReused": e.ExportReused(
            at=AT, server=0, export_id="x", requested_at=AT, run="r", age_s=2.0
        ),
        "ExportCompleted": e.ExportCompleted(at=AT, server=0, polls=1),
        "ArchiveStored": stored(0),
        "ArchiveLost": e.ArchiveLost(at=AT, server=0, message="m"),
        "AttemptFailed": failed_try(0),
        "ServerFailed": failure(0),
        "ServerRetried": e.ServerRetried(at=AT, server=0),
        "JournalRepaired": e.JournalRepaired(
            at=AT, old_sha256="ab", lines_kept=3, kept_as="k", message="m"
        ),
        "RunEnded": e.RunEnded(at=AT, reason="finished"),
        "RunEstimated": e.RunEstimated(at=AT, servers=1, seconds=2.5, requests=3, bytes=4),
        "CallsCounted": e.CallsCounted(at=AT, project=0, calls=2, throttled=1),
        "LimitLearned": e.LimitLearned(
            at=AT, scope="user", name="ops", limit=10, window_s=1, source="told"
        ),
        "ExportsLimitLearned": e.ExportsLimitLearned(
            at=AT, scope="project", name="p", limit=20, source="estimated"
        ),
        "DurationsLearned": e.DurationsLearned(
            at=AT, project=0, exports=20, median_s=134.0, spread=0.8
        ),
        "HintDisbelieved": e.HintDisbelieved(at=AT, scope="user", name="ops", message="m"),
        "WaitAsked": e.WaitAsked(at=AT, scope="user", name="ops", until=AT),
        "ClockOffsetSeen": e.ClockOffsetSeen(at=AT, offset_s=1.0),
        "ClockJumped": e.ClockJumped(at=AT, jump_s=60.0),
        "WordUnknown": e.WordUnknown(at=AT, server=0, word="odd"),
        "DownloadBegun": e.DownloadBegun(
            at=AT, server=0, file_name="a.tar.gz", length=None, validator='"v"', resumed=0
        ),
        "DownloadsPaused": e.DownloadsPaused(at=AT, message="m"),
        "DownloadsWentOn": e.DownloadsWentOn(at=AT),
        "EndpointWentDown": e.EndpointWentDown(at=AT, endpoint="e", message="m"),
        "EndpointCameBack": e.EndpointCameBack(at=AT, endpoint="e"),
        "SignInPaused": e.SignInPaused(at=AT, credential="ops", message="m", hint="h", until=AT),
        "SignInWentOn": e.SignInWentOn(at=AT, credential="ops"),
        "CredentialStopped": e.CredentialStopped(
            at=AT, credential="ops", project=None, servers=3, message="m", hint="h"
        ),
        "PermissionDoubted": e.PermissionDoubted(at=AT, project=0, call="ask_status", message="m"),
        "PermissionConfirmed": e.PermissionConfirmed(at=AT, project=0, call="ask_status"),
        "PermissionMissing": e.PermissionMissing(
            at=AT, project=0, call="ask_status", servers=3, message="m", hint="h"
        ),
    }
    of_selection = {type(event).__name__ for event in selected(1)}
    assert facts.keys() | of_selection == e.EVENTS.keys()
    for event in facts.values():
        folded([*selected(1), event])


@pytest.mark.parametrize(
    ("before", "kind", "phase"),
    [
        ([], "cut", Phase.QUEUED),
        (["started"], "unreadable", Phase.EXPORTING),
        (["started"], "export_failed", Phase.QUEUED),
        (["started", "completed"], "invalid_archive", Phase.READY),
        (["started", "completed"], "forgotten", Phase.QUEUED),
    ],
)
def test_a_failed_server_that_is_retried_goes_on_from_what_it_has(
    folded: Fold, before: list[str], kind: str, phase: Phase
) -> None:
    known = {
        "started": e.ExportStarted(at=AT, server=0, export_id="x"),
        "completed": e.ExportCompleted(at=AT, server=0, polls=1),
    }
    stages = {"cut": "export", "unreadable": "status", "export_failed": "export"}
    failed = replace(failure(0), kind=kind, stage=stages.get(kind, "download"))
    history = [e.ExportRequested(at=AT, server=0), *(known[name] for name in before), failed]
    state = folded([*selected(1), *history, e.ServerRetried(at=LATER, server=0)])
    row = state.servers[0]
    assert (row.phase, row.failure, row.tries, state.failed) == (phase, None, 0, 0)
    assert row.posts == 1


def test_what_is_no_event_is_not_applied() -> None:
    with pytest.raises(KeyError):
        apply(RunState(), e.Event(at=AT))


def test_a_resumed_run_makes_posts_without_an_answer_once_more(folded: Fold) -> None:
    state = folded(
        [
            *selected(3),
            e.ExportRequested(at=AT, server=0),
            e.ExportRequested(at=AT, server=1),
            e.ExportStarted(at=AT, server=1, export_id="x"),
            resumed(),
        ]
    )
    assert [row.phase for row in state.servers] == [Phase.QUEUED, Phase.EXPORTING, Phase.QUEUED]
    assert state.servers[0].since == LATER
    assert state.servers[2].since == AT
    assert state.resumed == 1


def test_a_run_that_was_killed_has_lost_its_last_counts(folded: Fold) -> None:
    ended = e.RunEnded(at=AT, reason="stopped")
    assert not folded([*selected(1), resumed()]).counters_exact
    assert folded([*selected(1), ended, resumed()]).counters_exact
    assert not folded([*selected(1), ended, resumed(), resumed()]).counters_exact
    assert folded([*selected(1), ended, resumed()]).ended is None


def test_a_selection_cut_short_is_no_selection(folded: Fold) -> None:
    assert folded(selected(3)).selected
    *events, _, end = selected(3)
    assert not folded([*events, end]).selected
    assert not folded(selected(3)[:-1]).selected


def test_a_lost_archive_is_due_again_and_no_longer_counted(folded: Fold) -> None:
    lost = e.ArchiveLost(at=LATER, server=0, message="not there")
    state = folded([*selected(2), stored(0, 10), stored(1, 5), lost])
    assert (state.collected, state.bytes, state.pending) == (1, 5, 1)
    assert state.servers[0].phase is Phase.READY
    assert state.servers[0].archive is None
    assert folded([*selected(2), lost]) == folded(selected(2))


def test_a_doubtful_post_counts_as_an_export_and_is_remembered(folded: Fold) -> None:
    asked = e.ExportRequested(at=AT, server=0)
    row = folded([*selected(1), asked, failed_try(0, doubtful=True)]).servers[0]
    assert (row.phase, row.posts, row.tries, row.doubtful) == (Phase.QUEUED, 1, 1, 1)
    events = [*selected(1), asked, failed_try(0, doubtful=True), asked]
    events.append(e.ExportStarted(at=AT, server=0, export_id="x"))
    row = folded(events).servers[0]
    assert (row.posts, row.tries, row.doubtful) == (2, 0, 0)


def test_a_post_that_was_refused_counts_as_none(folded: Fold) -> None:
    refused = e.ExportNotStarted(at=LATER, server=0, kind="throttled")
    row = folded([*selected(1), e.ExportRequested(at=AT, server=0), refused]).servers[0]
    assert (row.phase, row.posts, row.tries) == (Phase.QUEUED, 0, 0)


def test_a_post_that_failed_for_good_counts_as_an_export_tried(folded: Fold) -> None:
    asked = e.ExportRequested(at=AT, server=0)
    row = folded([*selected(1), asked, failure(0)]).servers[0]
    assert (row.phase, row.posts) == (Phase.FAILED, 1)
    row = folded([*selected(1), failure(0)]).servers[0]
    assert (row.phase, row.posts) == (Phase.FAILED, 0)


def test_calls_for_status_up_to_a_failure_are_counted(folded: Fold) -> None:
    events = [*selected(1), failed_try(0), replace(failure(0), polls=3)]
    assert folded(events).servers[0].polls == 5


def test_counts_add_up_by_project(folded: Fold) -> None:
    counts = [e.CallsCounted(at=AT, project=1, calls=5, throttled=1)] * 2
    state = folded([*selected(2, projects=2), *counts])
    assert [(row.requests, row.throttled) for row in state.projects] == [(0, 0), (10, 2)]


def test_bytes_that_arrive_are_those_of_archives_on_their_way_until_one_is_stored(
    folded: Fold,
) -> None:
    came = e.CallsCounted(at=AT, project=0, calls=0, throttled=0, arrived=30)
    (row,) = folded([*selected(2), came, came]).projects
    assert (row.arrived, row.arriving) == (60, 60)
    (row,) = folded([*selected(2), came, came, stored(0, 50)]).projects
    assert (row.arrived, row.arriving) == (60, 10)
    (row,) = folded([*selected(2), came, stored(0, 50), came]).projects
    assert (row.arrived, row.arriving) == (60, 10)
    assert folded([*selected(2), came, stored(0, 50)]).projects[0].arriving == -20
    assert folded([*selected(2), came, stored(0, 50), resumed(), came]).projects[0].arriving == 30


def test_the_latest_count_of_calls_tells_when_it_was_made(folded: Fold) -> None:
    count = e.CallsCounted(at=AT, project=0, calls=5, throttled=1)
    later = e.ClockOffsetSeen(at="2026-11-23T09:00:00.000Z", offset_s=1.0)
    assert folded([*selected(1), count, later]).counted_at == AT


def test_a_project_named_again_keeps_its_counts(folded: Fold) -> None:
    count = e.CallsCounted(at=AT, project=0, calls=5, throttled=1)
    again = selected(1, requests_per_second=3.0)[1]
    (row,) = folded([*selected(1), count, again]).projects
    assert (row.requests, row.throttled, row.requests_per_second) == (5, 1, 3.0)


def test_an_endpoint_is_down_until_it_is_back_or_the_run_is_taken_up(folded: Fold) -> None:
    down = e.EndpointWentDown(at=AT, endpoint="e", message="m")
    back = e.EndpointCameBack(at=AT, endpoint="e")
    assert folded([*selected(1), down]).down == {"e": down}
    assert folded([*selected(1), down, back]).down == {}
    assert folded([*selected(1), down, resumed()]).down == {}


def test_the_answers_of_a_resumed_run_go_on_from_its_rows() -> None:
    started = [
        *selected(1),
        e.ExportRequested(at=AT, server=0),
        e.ExportStarted(at=AT, server=0, export_id="x0"),
        resumed(),
    ]
    sim = Simulation(Service(), started, Ceilings(), now_s=60.0).run()
    assert sim.service.exports[0] == 0
    assert sim.state.servers[0].phase is Phase.COLLECTED


def test_a_copy_does_not_see_what_is_applied_later(folded: Fold) -> None:
    state = folded(selected(2))
    copy = state.copied()
    assert copy == state
    down = e.EndpointWentDown(at=AT, endpoint="e", message="refused")
    for event in (e.ExportRequested(at=AT, server=0), down, e.ServerRetried(at=AT, server=1)):
        apply(state, event)
    assert copy == folded(selected(2))
    assert copy != state


def test_a_copy_shares_nothing_that_changes(folded: Fold) -> None:
    state = folded(selected(2))
    copy = state.copied()
    for one in fields(state):
        value = getattr(state, one.name)
        if not is_dataclass(value) and value.__hash__ is None:
            assert getattr(copy, one.name) is not value, one.name
