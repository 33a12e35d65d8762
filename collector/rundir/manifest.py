"""The manifest: a view of a run's state, as a document and as the files that a run leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from collector import files
from collector.archive.names import PART
from collector.model.events import AttemptFailed, ServerFailed
from collector.model.state import Phase
from collector.rundir.layout import MANIFEST, SHA256SUMS
from collector.rundir.verdict import run_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.model.state import Estimate, ProjectRow, RunState, ServerRow

MANIFEST_VERSION = 1

_PIECES_AT_ONCE = 100

_GOES_ON = "it is tried again; if the run has ended, --resume it"
_STAGES = {
    Phase.QUEUED: "export",
    Phase.REQUESTED: "export",
    Phase.EXPORTING: "status",
    Phase.READY: "download",
}
_WAITING = {
    Phase.QUEUED: "queued",
    Phase.REQUESTED: "exporting",
    Phase.EXPORTING: "exporting",
    Phase.READY: "downloading",
}


def snapshot(state: RunState) -> RunState:
    """Copy what `write` needs, in an instant: rows are frozen, so a thread may read the copy."""
    return dataclasses.replace(
        state,
        projects=list(state.projects),
        servers=list(state.servers),
        down=dict(state.down),
    )


def document(state: RunState, *, lines: int, head: str, alive: bool = True) -> dict[str, Any]:
    """Make the whole manifest: for a big fleet it is big, and `write` needs less memory.

    Args:
        state: of a run that has begun.
        lines: how many lines of the journal are on disk.
        head: the hash of the last of them.
        alive: whether a process holds the run; a run that never ended and that nobody holds was
            killed, and is called interrupted.
    """
    return {
        **opening(state, lines=lines, head=head, alive=alive),
        "projects": [
            {**project_row(project, rows), "servers": [server_row(state, row) for row in rows]}
            for project, rows in by_project(state)
        ],
    }


def write(state: RunState, directory: Path, *, lines: int, head: str) -> str:
    """Write SHA256SUMS, then the manifest, each atomically, and row by row.

    Meant for a worker thread, on a `snapshot`. Neither leads the journal where its `lines` and
    `head` are read in the same instant as the snapshot is made.

    Args:
        state: of a run that has begun.
        directory: the run's.
        lines: how many lines of the journal are on disk.
        head: the hash of the last of them.

    Returns:
        The manifest's SHA-256, in hex.

    Raises:
        OSError: one of them cannot be written; the one before stays.
    """
    # Of a run that is over, files that say the same already stay as they are, and whose they are.
    same_stays = state.ended is not None
    _replace(directory / SHA256SUMS, _checksums(state), same_stays=same_stays)
    return _replace(directory / MANIFEST, _pieces(state, lines, head), same_stays=same_stays)


def server_row(state: RunState, row: ServerRow) -> dict[str, Any]:
    """Make a server's row of the manifest."""
    export, archive, failure = row.export, row.archive, row.failure
    return {
        "id": row.id,
        "name": row.name,
        "tags": dict(row.tags),
        "state": _server_state(row),
        "export": export
        and {
            "id": export.id,
            "requested_at": export.requested_at,
            "completed_at": export.completed_at,
            "polls": row.polls,
            "attempts": row.posts,
            "source": "reused" if export.reused else "started",
            "run": export.reused and export.reused.run,
            "age_s": export.reused and export.reused.age_s,
        },
        "archive": archive
        and {
            "path": archive.path,
            "file_name": archive.file_name,
            "bytes": archive.bytes,
            "sha256": archive.sha256,
            "members": archive.members,
            "covers": {"from": archive.covers_from, "to": archive.covers_to},
            "finished_at": archive.at,
            "resumed": archive.resumed,
        },
        "error": failure and _error(failure),
        "waiting": None
        if row.phase.ended
        else {
            "phase": _WAITING[row.phase],
            "since": row.since,
            "reason": _reason(state, row),
            "last_error": _last_error(state, row),
        },
    }


def opening(state: RunState, *, lines: int, head: str, alive: bool) -> dict[str, Any]:
    """Make everything that comes before the projects."""
    started, process = state.started, state.process
    if started is None or process is None:
        raise ValueError("a run that has not begun has no manifest")
    return {
        "schema_version": MANIFEST_VERSION,
        "collector": {"version": process.collector_version},
        "run": {
            "id": started.run_id,
            "state": run_state(state, alive=alive),
            "started_at": started.at,
            "finished_at": state.ended and state.ended.at,
            "inventory": {"path": started.inventory_path, "sha256": started.inventory_sha256},
            "select": list(started.select),
            "resumed": state.resumed,
            "host": started.host,
            "user": started.user,
            "argv": list(started.argv),
            "clock_offset_s": state.clock_offset_s,
            "estimate": state.estimate and _estimate(state, state.estimate),
            "journal": {"lines": lines, "head": head},
        },
        "totals": {
            "servers": len(state.servers),
            "collected": state.collected,
            "failed": state.failed,
            "pending": state.pending,
            "bytes": state.bytes,
            "requests": sum(project.requests for project in state.projects),
            "throttled": sum(project.throttled for project in state.projects),
            # A run that has not ended may be killed before it counts again.
            "counters": "exact" if state.counters_exact and state.ended else "at_least",
        },
    }


def _estimate(state: RunState, estimate: Estimate) -> dict[str, Any]:
    """Compare what was expected of the latest process with what came of it."""
    expected, ended = estimate.expected, state.ended
    requests = sum(project.requests for project in state.projects)
    return {
        "at": expected.at,
        "servers": expected.servers,
        "seconds": expected.seconds,
        "requests": expected.requests,
        "bytes": expected.bytes,
        "took_s": ended and _seconds(expected.at, ended.at),
        "requests_made": requests - estimate.requests_before,
        "bytes_collected": state.bytes - estimate.bytes_before,
    }


def _seconds(since: str, until: str) -> float | None:
    """Return the seconds between two times; None where a clock was set back, or one is no time."""
    try:
        elapsed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    except (ValueError, TypeError):  # TypeError: only one of them knows its zone
        return None
    seconds = round(elapsed.total_seconds(), 1)
    return seconds if seconds >= 0 else None


def project_row(project: ProjectRow, rows: Sequence[ServerRow]) -> dict[str, Any]:
    """Make a project without its servers."""
    collected = sum(row.phase is Phase.COLLECTED for row in rows)
    failed = sum(row.phase is Phase.FAILED for row in rows)
    return {
        "id": project.id,
        "name": project.name,
        "endpoint": project.endpoint,
        "directory": project.directory,
        "totals": {
            "servers": len(rows),
            "collected": collected,
            "failed": failed,
            "pending": len(rows) - collected - failed,
            "bytes": sum(row.archive.bytes for row in rows if row.archive),
        },
    }


def by_project(state: RunState) -> Iterator[tuple[ProjectRow, list[ServerRow]]]:
    """Yield each project with its servers."""
    rows: list[list[ServerRow]] = [[] for _ in state.projects]
    for row in state.servers:
        rows[row.project].append(row)
    yield from zip(state.projects, rows, strict=True)


def _server_state(row: ServerRow) -> str:
    return row.phase.value if row.phase.ended else "pending"


def _reason(state: RunState, row: ServerRow) -> str | None:
    """Tell why a server waits; None where only its turn is awaited."""
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


def _last_error(state: RunState, row: ServerRow) -> dict[str, Any] | None:
    """Tell why an earlier try came to nothing, or why the endpoint is down; as `error` is told.

    The latest of them is told. What an earlier process found out about an endpoint counts until
    that has answered since.
    """
    endpoint = _endpoint(state, row)
    down = state.down.get(endpoint) or state.was_down.get(endpoint)
    if row.attempt is not None and (down is None or row.attempt.at > down.at):
        return _error(row.attempt)
    if down is None:
        return None
    return {
        "stage": _STAGES[row.phase],
        "code": None,
        "http_status": None,
        "message": down.message,
        "request_id": None,
        "attempts": row.tries,
        "hint": down.hint or _GOES_ON,
    }


def _endpoint(state: RunState, row: ServerRow) -> str:
    return state.projects[row.project].endpoint


def _error(event: AttemptFailed | ServerFailed) -> dict[str, Any]:
    """Tell of a try that failed, the last one or not."""
    return {
        "stage": event.stage,
        "code": event.code,
        "http_status": event.http_status,
        "message": event.message,
        "request_id": event.request_id,
        "attempts": event.attempts if isinstance(event, ServerFailed) else event.attempt,
        "hint": event.hint or _GOES_ON,
    }


def _checksums(state: RunState) -> Iterator[str]:
    """Make the lines that `sha256sum -c` reads; safe names need no escapes."""
    for row in state.servers:
        if row.archive is not None:
            yield f"{row.archive.sha256}  {row.archive.path}\n"


def _pieces(state: RunState, lines: int, head: str) -> Iterator[str]:
    """Make the manifest's text, a server a line."""
    begun = opening(state, lines=lines, head=head, alive=True)
    yield "{"
    for name, value in begun.items():
        yield f"{_text(name)}: {_text(value)},\n "
    yield '"projects": ['
    comma = ""
    for project, rows in by_project(state):
        yield f'{comma}\n  {_text(project_row(project, rows))[:-1]}, "servers": ['
        comma = ""
        for row in rows:
            yield f"{comma}\n    {_text(server_row(state, row))}"
            comma = ","
        yield "]}"
        comma = ","
    yield "]}\n"


_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _replace(path: Path, pieces: Iterator[str], *, same_stays: bool) -> str:
    """Write a file, 0600, that has its name only once it is whole and on disk; return its hash."""
    digest = hashlib.sha256()
    unfinished = path.with_name(path.name + PART)
    with contextlib.suppress(FileNotFoundError):
        files.remove(unfinished)
    descriptor = files.open_to_write(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        while block := "".join(islice(pieces, _PIECES_AT_ONCE)):
            # What is no Unicode (a surrogate of an argument's odd byte) is a JSON escape then.
            data = block.encode("utf-8", "backslashreplace")
            digest.update(data)
            files.write_all(descriptor, data)
        if same_stays and _is_same(path, digest.hexdigest()):
            files.remove(unfinished)
            return digest.hexdigest()
        files.sync(descriptor)
    finally:
        os.close(descriptor)
    files.rename(unfinished, path)
    files.sync_directory(path.parent)
    return digest.hexdigest()


def _is_same(path: Path, sha256: str) -> bool:
    try:
        with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # a descriptor has no path
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
