"""How each event changes a run's state: the table that `apply` looks up.

Rows are frozen and replaced: by position in what happens to every server, since that takes half the
time. What observations change is in `observed.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from collector.model import events as e
from collector.model.observed import OF_OBSERVATIONS
from collector.model.rows import Export, Phase, ProjectRow, ServerRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.model.state import RunState


_REQUESTED, _EXPORTING, _READY = Phase.REQUESTED, Phase.EXPORTING, Phase.READY
_COLLECTED = Phase.COLLECTED


def _replace_server(state: RunState, row: ServerRow) -> None:
    state.servers[row.server] = row


def _answered(state: RunState, row: ServerRow) -> None:
    """An endpoint answers: that it once did not is no reason any more."""
    if state.was_down:
        state.was_down.pop(state.projects[row.project].endpoint, None)


def _run_started(state: RunState, event: e.RunStarted) -> None:
    state.started = state.process = event


def _run_resumed(state: RunState, event: e.RunResumed) -> None:
    """Take up the run: a POST whose answer was never written down is made once more."""
    if state.ended is None:
        state.counters_exact = False
    state.process, state.ended = event, None
    state.resumed += 1
    state.estimate = None
    state.was_down |= state.down
    state.down.clear()
    state.waits.clear()
    state.sign_ins.clear()
    state.retried.clear()
    state.paused = None
    for project in state.projects:
        if project.arriving < 0:  # what came last was never counted
            state.projects[project.project] = replace(project, arriving=0)
    for row in state.servers:
        if row.phase is Phase.REQUESTED:
            _replace_server(state, row._replace(phase=Phase.QUEUED, since=event.at))


def _credential_named(state: RunState, event: e.CredentialNamed) -> None:
    state.credentials[event.name] = event


def _project_selected(state: RunState, event: e.ProjectSelected) -> None:
    """Make a project known; one that is known goes on with other limits or credentials."""
    if event.project < len(state.projects):
        known = state.projects[event.project]
        state.projects[event.project] = replace(known, selected=event)
    else:
        state.projects.append(ProjectRow(event))


def _project_not_listed(state: RunState, event: e.ProjectNotListed) -> None:
    known = state.projects[event.project]
    state.projects[event.project] = replace(known, not_listed=event)


def _server_selected(state: RunState, event: e.ServerSelected) -> None:
    state.servers.append(ServerRow(event, event.server, event.project, event.first, event.at))


def _selection_ended(state: RunState, event: e.SelectionEnded) -> None:
    state.selected = event.servers == len(state.servers)


def _endpoints_vouched(state: RunState, event: e.EndpointsVouched) -> None:
    state.mark = event.mark


def _export_requested(state: RunState, event: e.ExportRequested) -> None:
    row = state.servers[event.server]
    state.servers[row.server] = ServerRow(
        row.selected, row.server, row.project, row.first,
        event.at, _REQUESTED, event.at, row.posts, row.polls, row.tries, row.doubtful,
        row.renewals, row.attempt, row.export, row.begun, row.archive, row.failure,
    )  # fmt: skip


def _export_not_started(state: RunState, event: e.ExportNotStarted) -> None:
    row = state.servers[event.server]
    _replace_server(state, row._replace(phase=Phase.QUEUED, since=event.at))


def _export_started(state: RunState, event: e.ExportStarted) -> None:
    row = state.servers[event.server]
    _answered(state, row)
    state.servers[row.server] = ServerRow(
        row.selected, row.server, row.project, row.first,
        event.at, _EXPORTING, row.requested_at, row.posts + 1, row.polls, 0, 0,
        row.renewals, row.attempt, Export(event.export_id, row.requested_at or event.at),
        row.begun, row.archive, row.failure,
    )  # fmt: skip


def _export_reused(state: RunState, event: e.ExportReused) -> None:
    row = state.servers[event.server]
    _replace_server(
        state,
        row._replace(
            phase=Phase.EXPORTING,
            since=event.at,
            tries=0,
            doubtful=0,
            export=Export(event.export_id, event.requested_at, reused=event),
        ),
    )


def _export_completed(state: RunState, event: e.ExportCompleted) -> None:
    row = state.servers[event.server]
    _answered(state, row)
    known = row.export
    export = known and Export(
        known.id, known.requested_at, event.at, known.reused, event.location
    )  # fmt: skip
    state.servers[row.server] = ServerRow(
        row.selected, row.server, row.project, row.first,
        event.at, _READY, row.requested_at, row.posts, row.polls + event.polls, 0, row.doubtful,
        row.renewals, row.attempt, export, row.begun, row.archive, row.failure,
    )  # fmt: skip


def _archive_stored(state: RunState, event: e.ArchiveStored) -> None:
    row = state.servers[event.server]
    _answered(state, row)
    state.collected += 1
    state.bytes += event.bytes
    project = state.projects[row.project]
    state.projects[row.project] = ProjectRow(
        project.selected, project.requests, project.throttled, project.arrived,
        project.arriving - event.bytes, project.not_listed,
    )  # fmt: skip
    state.servers[row.server] = ServerRow(
        row.selected, row.server, row.project, row.first,
        event.at, _COLLECTED, row.requested_at, row.posts, row.polls, 0, row.doubtful,
        row.renewals, None, row.export, None, event, row.failure,
    )  # fmt: skip


def _archive_lost(state: RunState, event: e.ArchiveLost) -> None:
    row = state.servers[event.server]
    if row.archive is None:
        return
    state.collected -= 1
    state.bytes -= row.archive.bytes
    _replace_server(state, row._replace(phase=Phase.READY, since=event.at, archive=None))


def _attempt_failed(state: RunState, event: e.AttemptFailed) -> None:
    row = state.servers[event.server]
    anew = event.anew
    asked_for_an_export = row.phase is Phase.REQUESTED
    _replace_server(
        state,
        row._replace(
            phase=Phase.QUEUED if anew or asked_for_an_export else row.phase,
            since=event.at if anew or asked_for_an_export else row.since,
            posts=row.posts + asked_for_an_export,
            polls=row.polls + event.polls,
            tries=0 if anew else event.attempt,
            doubtful=0 if anew else row.doubtful + event.doubtful,
            renewals=row.renewals + anew,
            attempt=event,
            begun=None if anew else row.begun,
        ),
    )


def _server_failed(state: RunState, event: e.ServerFailed) -> None:
    row = state.servers[event.server]
    state.failed += 1
    _replace_server(
        state,
        row._replace(
            phase=Phase.FAILED,
            since=event.at,
            posts=row.posts + (row.phase is Phase.REQUESTED),
            polls=row.polls + event.polls,
            begun=None,
            failure=event,
        ),
    )


def _server_retried(state: RunState, event: e.ServerRetried) -> None:
    """Go on where the server was when it failed, with nothing held against it."""
    row = state.servers[event.server]
    if row.failure is None:
        return
    state.failed -= 1
    state.retried.add(event.server)
    phase = Phase.QUEUED
    if row.export is not None and row.failure.kind not in _ENDS_AN_EXPORT:
        if row.export.completed_at is not None:
            phase = Phase.READY
        elif row.failure.stage == "status":
            phase = Phase.EXPORTING
    _replace_server(
        state,
        row._replace(
            phase=phase,
            since=event.at,
            tries=0,
            doubtful=0,
            renewals=0,
            attempt=row.failure,
            failure=None,
        ),
    )


_ENDS_AN_EXPORT = frozenset({"export_failed", "forgotten", "unknown_server"})


def _journal_repaired(state: RunState, _event: e.JournalRepaired) -> None:
    state.repairs += 1
    state.ended = None


def _run_ended(state: RunState, event: e.RunEnded) -> None:
    state.ended = event


# Each takes just its own class of event, which a mapping's type cannot say.
TRANSITIONS: Mapping[type[e.Event], Callable[[RunState, Any], None]] = {
    e.RunStarted: _run_started,
    e.RunResumed: _run_resumed,
    e.CredentialNamed: _credential_named,
    e.ProjectSelected: _project_selected,
    e.ProjectNotListed: _project_not_listed,
    e.ServerSelected: _server_selected,
    e.SelectionEnded: _selection_ended,
    e.EndpointsVouched: _endpoints_vouched,
    e.ExportRequested: _export_requested,
    e.ExportNotStarted: _export_not_started,
    e.ExportStarted: _export_started,
    e.ExportReused: _export_reused,
    e.ExportCompleted: _export_completed,
    e.ArchiveStored: _archive_stored,
    e.ArchiveLost: _archive_lost,
    e.AttemptFailed: _attempt_failed,
    e.ServerFailed: _server_failed,
    e.ServerRetried: _server_retried,
    e.JournalRepaired: _journal_repaired,
    e.RunEnded: _run_ended,
    **OF_OBSERVATIONS,
}
