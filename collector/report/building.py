"""`Report`: a run's state, read as the types of the manifest and of `--json`."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, cast

from msgspec import UNSET

from collector.model.events import AttemptFailed, ServerFailed
from collector.model.lifecycle import LIFECYCLE
from collector.model.rows import Phase
from collector.report import manifest as m
from collector.report import summary as s
from collector.report.times import seconds_between
from collector.report.verdict import run_word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.model.events import ArchiveStored, ProjectNotListed, RunStarted
    from collector.model.rows import Estimate, Export, ProjectRow, ServerRow
    from collector.model.state import RunState

_STILL_TRIED = "it is tried again; if the run has ended, --resume it"


class Report:
    """A run as it stands now; rows of servers are made when they are asked for.

    Args:
        state: of a run that has begun. A state that changes meanwhile is read as it then is: give a
            copy to what reads in another thread.
        lines: how many lines of the journal are on disk.
        head: the hash of the last of them.
        alive: whether a process holds the run; a run that never ended and that nobody holds was
            killed, and is called interrupted.

    Raises:
        ValueError: the run has not begun.
    """

    def __init__(self, state: RunState, *, lines: int, head: str, alive: bool = True) -> None:
        if state.started is None or state.process is None:
            raise ValueError("a run that has not begun has no report")
        self._state = state
        self.collector = m.Collector(state.process.collector_version)
        self.run = _run(state, state.started, m.JournalHead(lines, head), alive=alive)
        self.totals = _totals(state)

    @cached_property
    def projects(self) -> list[m.ProjectTotals]:
        """The projects; made when they are asked for, since that is a walk over all servers."""
        return list(map(_project, self._state.projects, self._rows))

    @property
    def unlisted(self) -> int:
        """How many projects could not be listed."""
        return sum(project.not_listed is not None for project in self._state.projects)

    @cached_property
    def _rows(self) -> list[list[ServerRow]]:
        rows: list[list[ServerRow]] = [[] for _ in self._state.projects]
        for row in self._state.servers:
            rows[row.project].append(row)
        return rows

    @property
    def head(self) -> m.Head:
        """All of the manifest that comes before its projects."""
        return m.Head(m.VERSION, self.collector, self.run, self.totals)

    def servers(self, project: int) -> Iterator[m.Server]:
        """Make the rows of a project's servers; projects are numbered as in `projects`."""
        for row in self._rows[project]:
            yield _server(self._state, row)

    def server(self, number: int) -> m.Server:
        """Make the row of one server; they are numbered through all projects."""
        return _server(self._state, self._state.servers[number])

    def line(self) -> s.RunLine:
        """Return the run as `runs` lists it."""
        run, until = self.run, self.run.finished_at or self._state.at
        return s.RunLine(
            run.id, run.state, run.started_at, self.totals, run.finished_at,
            seconds_between(run.started_at, until), run.resumed,
        )  # fmt: skip

    def summary(self, directory: Path, manifest_sha256: str | None) -> s.Summary:
        """Make what `--json` prints of the run.

        Args:
            directory: the run's.
            manifest_sha256: of the manifest beside it; None where there is none yet.
        """
        state = self._state
        return s.Summary(
            run=self.run,
            totals=self.totals,
            directory=str(directory),
            manifest_sha256=manifest_sha256,
            last_event_at=state.at,
            projects=self.projects,
            not_collected=list(_missing(state)),
            retried=_retried(state),
            reused_exports=_reused(state),
            endpoints_down=[
                s.EndpointDown(one.endpoint, one.at, one.message, one.hint)
                for one in state.down.values()
            ],
            asked_to_wait=list(_waits(state)),
            limits=[
                s.CallsLimit.of(one) for one in state.limits.values() if one.source != "refuted"
            ],
            exports_limits=list(map(s.ExportsLimit.of, state.exports_limits.values())),
            durations=list(_durations(state)),
        )


def _run(state: RunState, started: RunStarted, journal: m.JournalHead, *, alive: bool) -> m.Run:
    return m.Run(
        id=started.run_id,
        state=run_word(state, alive=alive),
        started_at=started.at,
        finished_at=state.ended.at if state.ended else None,
        inventory=m.Inventory(started.inventory_path, started.inventory_sha256),
        select=list(started.select),
        resumed=state.resumed,
        host=started.host,
        user=started.user,
        argv=list(started.argv),
        clock_offset_s=state.clock_offset_s,
        estimate=_estimate(state, state.estimate) if state.estimate else None,
        journal=journal,
    )


def _totals(state: RunState) -> m.RunTotals:
    return m.RunTotals(
        servers=len(state.servers),
        collected=state.collected,
        failed=state.failed,
        pending=state.pending,
        bytes=state.bytes,
        requests=sum(project.requests for project in state.projects),
        throttled=sum(project.throttled for project in state.projects),
        # A run that has not ended may be killed before it counts again.
        counters="exact" if state.counters_exact and state.ended else "at_least",
    )


def _project(project: ProjectRow, rows: list[ServerRow]) -> m.ProjectTotals:
    collected = sum(row.phase is Phase.COLLECTED for row in rows)
    failed = sum(row.phase is Phase.FAILED for row in rows)
    totals = m.Totals(
        servers=len(rows),
        collected=collected,
        failed=failed,
        pending=len(rows) - collected - failed,
        bytes=sum(row.archive.bytes for row in rows if row.archive),
    )
    error = UNSET if project.not_listed is None else _discovery_error(project.not_listed)
    return m.ProjectTotals(
        project.id, project.name, project.endpoint, project.directory, totals, error
    )


def _discovery_error(event: ProjectNotListed) -> m.DiscoveryError:
    return m.DiscoveryError(
        "discovery",
        event.code,
        event.http_status,
        event.message,
        event.request_id,
        event.attempts,
        event.hint,
    )


def _estimate(state: RunState, estimate: Estimate) -> m.Estimate:
    """Compare what was expected of the latest process with what came of it."""
    expected, ended = estimate.expected, state.ended
    requests = sum(project.requests for project in state.projects)
    return m.Estimate(
        at=expected.at,
        servers=expected.servers,
        seconds=expected.seconds,
        requests=expected.requests,
        bytes=expected.bytes,
        took_s=seconds_between(expected.at, ended.at) if ended else None,
        requests_made=requests - estimate.requests_before,
        bytes_collected=state.bytes - estimate.bytes_before,
        deadline_at=expected.deadline_at or UNSET,
    )


def _server(state: RunState, row: ServerRow) -> m.Server:
    """Make a server's row: by position, since there may be 100,000."""
    export = row.export and _export(row, row.export)
    if row.archive is not None:
        return m.Collected(
            row.id, row.name, row.tags, "collected",
            cast("m.Export", export), _archive(row.archive), None, None,
        )  # fmt: skip
    if row.failure is not None:
        return m.Failed(
            row.id, row.name, row.tags, "failed", export, None, _error(row.failure), None
        )
    waiting = m.Waiting(
        LIFECYCLE[row.phase].waiting, row.since, _reason(state, row), _last_error(state, row)
    )
    return m.Pending(row.id, row.name, row.tags, "pending", export, None, None, waiting)


def _export(row: ServerRow, export: Export) -> m.Export:
    reused = export.reused
    if reused is None:
        return m.Export(
            export.id, export.requested_at, export.completed_at, row.polls, row.posts, "started"
        )
    return m.Export(
        export.id, export.requested_at, export.completed_at, row.polls, row.posts, "reused",
        reused.run, reused.age_s,
    )  # fmt: skip


def _archive(stored: ArchiveStored) -> m.Archive:
    covers = m.Covers(stored.covers_from, stored.covers_to)
    return m.Archive(
        stored.path, stored.file_name, stored.bytes, stored.sha256, stored.members, covers,
        stored.at, stored.resumed,
    )  # fmt: skip


def _error(event: AttemptFailed | ServerFailed) -> m.Error:
    """Tell of a try that failed, the last one or not."""
    return m.Error(
        event.stage,
        event.code,
        event.http_status,
        event.message,
        event.request_id,
        event.attempts if isinstance(event, ServerFailed) else event.attempt,
        event.hint or _STILL_TRIED,
    )


def _reason(state: RunState, row: ServerRow) -> m.Reason | None:
    """Tell why a server is pending; None while the run goes on, or if its process was killed."""
    if state.ended is None:
        return None
    reason = state.ended.reason
    if reason in ("deadline", "endpoint_down") and _endpoint(state, row) in state.down:
        return "endpoint_down"
    if reason == "deadline":
        return "deadline"
    if reason == "disk" and row.phase is Phase.READY:
        return "disk"
    return "stopped"


def _last_error(state: RunState, row: ServerRow) -> m.Error | None:
    """Tell why an earlier try came to nothing, or why no call can be made.

    The latest of them is told. What an earlier process found out about an endpoint counts until
    that has answered since.
    """
    endpoint = _endpoint(state, row)
    down = state.down.get(endpoint) or state.was_down.get(endpoint)
    why = down or state.sign_ins.get(state.projects[row.project].credential)
    if row.attempt is not None and (why is None or row.attempt.at > why.at):
        return _error(row.attempt)
    if why is None:
        return None
    stage = LIFECYCLE[row.phase].stage
    return m.Error(stage, None, None, why.message, None, row.tries, why.hint or _STILL_TRIED)


def _endpoint(state: RunState, row: ServerRow) -> str:
    return state.projects[row.project].endpoint


def _missing(state: RunState) -> Iterator[s.Missing]:
    for row in state.servers:
        if row.phase is not Phase.COLLECTED:
            project = state.projects[row.project]
            yield s.Missing.of(_server(state, row), s.ProjectName(project.id, project.name))


def _retried(state: RunState) -> s.Retried:
    phases = Counter(state.servers[server].phase for server in state.retried)
    return s.Retried(phases.total(), phases[Phase.COLLECTED], phases[Phase.FAILED])


def _reused(state: RunState) -> s.ReusedExports:
    ages = [row.export.reused.age_s for row in state.servers if row.export and row.export.reused]
    return s.ReusedExports(len(ages), max(ages, default=None))


def _waits(state: RunState) -> Iterator[s.Wait]:
    for asked in state.waits.values():
        server = None if asked.server is None else state.servers[asked.server].name
        yield s.Wait(asked.scope, asked.name, server, asked.until)


def _durations(state: RunState) -> Iterator[s.ExportDurations]:
    for one in state.durations.values():
        row = state.projects[one.project]
        yield s.ExportDurations(
            row.name, row.id, row.endpoint, one.exports, one.median_s, one.spread, one.at
        )
