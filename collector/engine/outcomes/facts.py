"""Builds the facts that record an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.outcomes.hints import hint_of, hint_while_pending
from collector.engine.outcomes.retry import Rule, rule_of
from collector.model import events as e
from collector.model.lifecycle import stage

if TYPE_CHECKING:
    from collector.model.actions import FetchArchive
    from collector.model.answers import Call, PartBegun, Problem, Reusable, Stored
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime


def archive_stored(row: ServerRow, stored: Stored, wall: WallTime, now_s: float) -> e.ArchiveStored:
    """Return the event for an archive that is on disk under its name."""
    covers = [
        None if at_s is None else wall.of_unix(at_s) for at_s in (stored.oldest_s, stored.newest_s)
    ]
    return e.ArchiveStored(
        at=wall.stamp(now_s),
        server=row.server,
        path=f"{row.directory}/{stored.file_name}",
        file_name=stored.file_name,
        bytes=stored.bytes,
        sha256=stored.sha256,
        members=stored.members,
        covers_from=covers[0],
        covers_to=covers[1],
        resumed=row.begun.resumed if row.begun is not None else 0,
    )


def download_begun(at: str, action: FetchArchive, part: PartBegun) -> e.DownloadBegun:
    """Return the event for an archive that is written to a `.part` file from now on."""
    earlier = action.begun.resumed + 1 if action.begun is not None else 0
    return e.DownloadBegun(
        at=at,
        server=action.server,
        file_name=part.file_name,
        length=part.length,
        validator=part.validator,
        resumed=earlier if part.continues else 0,
    )


def attempt_failed(
    at: str, row: ServerRow, call: Call, problem: Problem, *, attempt: int, anew: bool, polls: int
) -> e.AttemptFailed:
    """Return the event for a try that did not succeed, and is followed by another."""
    return e.AttemptFailed(
        at=at,
        server=row.server,
        stage=stage(call, problem.kind),
        kind=problem.kind,
        code=problem.code,
        http_status=problem.http_status,
        message=problem.message,
        request_id=problem.request_id,
        attempt=attempt,
        doubtful=rule_of(call, problem) is Rule.ONCE_MORE,
        anew=anew,
        polls=polls,
        hint=problem.hint or hint_while_pending(call, problem.kind),
    )


def server_failed(
    at: str, row: ServerRow, call: Call, problem: Problem, *, attempts: int, polls: int
) -> e.ServerFailed:
    """Return the event for a server whose logs cannot be had."""
    return e.ServerFailed(
        at=at,
        server=row.server,
        stage=stage(call, problem.kind),
        kind=problem.kind,
        code=problem.code,
        http_status=problem.http_status,
        message=problem.message,
        request_id=problem.request_id,
        attempts=attempts,
        hint=problem.hint or hint_of(call, problem.kind),
        polls=polls,
    )


def reused(
    state: RunState, server: int, found: Reusable, wall: WallTime, now_s: float
) -> e.ExportReused | e.ExportStarted:
    """Return the event that makes an export that was started already a server's, with its age."""
    if state.started is not None and found.run == state.started.run_id:
        # By an earlier process of this run, whose journal did not come to say so.
        return e.ExportStarted(at=wall.stamp(now_s), server=server, export_id=found.export_id)
    return e.ExportReused(
        at=wall.stamp(now_s),
        server=server,
        export_id=found.export_id,
        requested_at=found.requested_at,
        run=found.run,
        age_s=round(wall.age_s(found.requested_at, now_s), 1),
    )
