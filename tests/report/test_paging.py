"""A run's state as a page: columns, reasons, notes, and deltas that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.model import events as e
from collector.model.rows import Phase
from collector.model.state import RunState, apply
from collector.report.building import Report
from collector.report.page import PHASES, Page, Series
from collector.report.paging import LONGEST, Paging
from tests.support.big_run import HOSTILE, BigRun, events, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SERIES = Series(1.0, [], [], [], [], [], [])
RUN = BigRun(servers=600, projects=7, failed=40, pending=30)
AT = "2026-11-23T10:00:00.000Z"


def page_of(state: RunState, paging: Paging | None = None, damage: str | None = None) -> Page:
    return (paging or Paging(state)).page(
        Report(state, lines=1, head="0" * 64),
        SERIES,
        made_at=AT,
        directory="collected/run",
        manifest_sha256=None,
        damage=damage,
    )


def test_each_server_has_its_place_in_every_column() -> None:
    state = state_of(RUN)
    servers = page_of(state).servers
    for name in servers.__struct_fields__:
        assert len(getattr(servers, name)) == RUN.servers, name
    for row in state.servers:
        assert servers.id[row.server] == row.id
        assert servers.project[row.server] == row.project
        archive = row.archive
        assert servers.bytes[row.server] == (archive and archive.bytes)
        assert servers.path[row.server] == (archive and archive.path)
        assert (PHASES[servers.phase[row.server]] == "failed") == (row.phase is Phase.FAILED)


def test_times_follow_one_another_in_seconds_since_the_run_began() -> None:
    state = state_of(RUN)
    servers = page_of(state).servers
    for row in state.servers:
        if row.archive is not None:
            times = [servers.requested, servers.completed, servers.ended]
            requested, completed, ended = (column[row.server] for column in times)
            assert requested is not None
            assert completed is not None
            assert ended is not None
            assert 0 < requested < completed <= ended


def test_reasons_of_a_demo_suggest_nothing_that_needs_its_emulator() -> None:
    state = state_of(BigRun(servers=20, projects=1, failed=10))
    assert any("--resume" in reason.hint for reason in page_of(state).reasons)
    assert state.started is not None
    state.started = replace(state.started, argv=("collector", "demo"))
    hints = [reason.hint for reason in page_of(state).reasons]
    assert any(hints)
    assert not any("--resume" in hint for hint in hints)


def test_a_server_whose_export_is_asked_for_anew_has_no_completed_one() -> None:
    state = state_of(BigRun(servers=1, projects=1))
    for event in (
        e.ArchiveLost(at=AT, server=0, message="gone"),
        e.AttemptFailed(
            at=AT, server=0, stage="download", kind="forgotten", code=None, http_status=404,
            message="gone", request_id=None, attempt=1, doubtful=False, anew=True, polls=0,
        ),
        e.ExportRequested(at=AT, server=0),
    ):  # fmt: skip
        apply(state, event)
    servers = page_of(state).servers
    assert servers.requested == [4737.0]
    assert servers.completed == servers.ended == [None]
    assert PHASES[servers.phase[0]] == "exporting"


def test_failures_that_are_alike_are_one_reason_and_each_has_its_own_words() -> None:
    state = state_of(RUN)
    page = page_of(state)
    failed = [row for row in state.servers if row.failure is not None]
    assert sum(one.servers for one in page.reasons if one.state == "failed") == len(failed) == 40
    assert len(page.reasons) < 10
    for row in failed:
        assert row.failure is not None
        reason = page.servers.reason[row.server]
        assert reason is not None
        assert page.reasons[reason].stage == row.failure.stage
        assert page.notes[str(row.server)].message == row.failure.message
        assert page.notes[str(row.server)].request_id == row.failure.request_id


def test_the_first_reason_is_the_most_frequent_failure() -> None:
    reasons = page_of(state_of(RUN)).reasons
    order = [(one.state != "failed", -one.servers) for one in reasons]
    assert order == sorted(order)


def test_a_server_whose_turn_was_not_reached_says_why() -> None:
    state = state_of(RUN)
    page = page_of(state)
    waiting = [one for one in page.reasons if one.state == "pending"]
    assert sum(one.servers for one in waiting) == state.pending == 30
    assert all(one.message == "pending when the run was stopped" for one in waiting)


def test_while_a_run_goes_on_a_server_that_waits_for_its_turn_has_no_reason() -> None:
    state = state_of(replace(RUN, running=True))
    page = page_of(state)
    for row in state.servers:
        if not row.phase.ended and row.attempt is None:
            assert page.servers.reason[row.server] is None


def test_every_text_is_printable_and_none_is_longer_than_anybody_reads() -> None:
    state = state_of(replace(RUN, hostile=True))
    assert state.started is not None
    state.started = replace(state.started, host="\x1b[31m", user="\ud800", argv=("\0", "\u202e"))
    page = page_of(state, damage="line 7: \x1b]0;x\x07")
    for text in texts_of(msgspec.to_builtins(page)):
        assert text.isprintable()
        assert len(text) <= LONGEST * 6 + 50
    everything = msgspec.json.encode(page).decode()
    assert "\\\\u001b[2J" in everything
    assert "10000 characters" in everything
    assert HOSTILE[0] in page.servers.name


def texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def test_tags_are_told_once_each() -> None:
    state = state_of(RUN)
    page = page_of(state)
    assert len(page.tags) == 60
    for row in state.servers:
        assert page.tags[page.servers.tags[row.server]] == row.tags


def test_deltas_bring_a_page_to_where_a_new_one_would_be() -> None:
    run = replace(RUN, running=True)
    every = list(events(run))
    state = RunState()
    middle = len(every) * 2 // 3
    for event in every[:middle]:
        apply(state, event)
    paging = Paging(state)
    page = page_of(state, paging)
    columns = {name: list(getattr(page.servers, name)) for name in page.servers.__struct_fields__}
    reasons, notes = page.reasons, dict(page.notes)
    for begin in range(middle, len(every), 50):
        changed: set[int] = set()
        for event in every[begin : begin + 50]:
            apply(state, event)
            changed |= {getattr(event, "server", None)} - {None}  # type: ignore[arg-type]
        report = Report(state, lines=1, head="0" * 64)
        delta = paging.delta(report, revision=begin, at=sorted(changed))
        for place, server in enumerate(delta.at):
            notes.pop(str(server), None)
            for name, column in columns.items():
                column[server] = getattr(delta.rows, name)[place]
        notes |= delta.notes
        reasons = delta.reasons or reasons
    now = page_of(state, paging)
    assert columns == {name: getattr(now.servers, name) for name in columns}
    assert (reasons, notes) == (now.reasons, now.notes)
    assert any(now.reasons)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (BigRun(servers=0, projects=0), "No servers were selected."),
        (BigRun(servers=1, projects=1), "The server was collected and verified."),
        (BigRun(servers=1200, projects=2), "All 1,200 servers collected and verified."),
        (BigRun(servers=1, projects=1, failed=1), "0 of 1 server collected; 1 failed."),
        (BigRun(servers=3, projects=1, failed=3), "None of 3 servers collected; 3 failed."),
        (
            BigRun(servers=3, projects=1, failed=1),
            "2 of 3 servers collected; 1 failed.",
        ),
        (
            BigRun(servers=4, projects=1, failed=1, pending=2),
            "Interrupted: 1 of 4 servers collected; 1 failed, 2 pending.",
        ),
        (
            BigRun(servers=4, projects=1, pending=2, running=True),
            "Running: 2 of 4 servers collected; 2 pending.",
        ),
    ],
)
def test_the_headline_is_the_verdict(run: BigRun, said: str) -> None:
    assert page_of(state_of(run)).headline == said


def test_the_headline_says_that_the_journal_is_damaged_and_that_projects_are_not_known() -> None:
    state = state_of(BigRun(servers=3, projects=1))
    apply(
        state,
        e.ProjectNotListed(
            at=AT, project=0, kind="forbidden", code=None, http_status=403, message="no",
            request_id=None, attempts=1, hint="ask",
        ),
    )  # fmt: skip
    said = page_of(state, damage="line 7: the hash does not match").headline
    assert (
        "; 1 project not listed. The journal is damaged (line 7: the hash does not match)" in said
    )


def test_a_page_and_what_has_changed_of_it_tell_when_something_happened_last() -> None:
    state = state_of(RUN)
    paging = Paging(state)
    assert page_of(state, paging).last_event_at == state.at
    report = Report(state, lines=1, head="0" * 64)
    assert paging.delta(report, revision=2, at=[]).last_event_at == state.at
