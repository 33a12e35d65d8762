"""What `--json` prints of a run: its manifest's head, what is missing, and how it goes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from collector.model.state import Phase
from collector.rundir.learned import learned
from collector.rundir.manifest import by_project, opening, project_row, server_row

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.events import WaitAsked
    from collector.model.state import RunState


def summary(
    state: RunState,
    directory: Path,
    *,
    lines: int,
    head: str,
    manifest_sha256: str | None,
    alive: bool = True,
) -> dict[str, Any]:
    """Make what `--json` prints of a run.

    Args:
        state: of a run that has begun.
        directory: the run's.
        lines: how many lines of the journal are on disk.
        head: the hash of the last of them.
        manifest_sha256: of the manifest beside it; None where there is none yet.
        alive: as in `document`.
    """
    begun = opening(state, lines=lines, head=head, alive=alive)
    return {
        "run": begun["run"],
        "totals": begun["totals"],
        "directory": str(directory),
        "manifest_sha256": manifest_sha256,
        "last_event_at": state.at,
        "projects": [project_row(project, rows) for project, rows in by_project(state)],
        "not_collected": [
            {**server_row(state, row), "project": {"id": project.id, "name": project.name}}
            for row in state.servers
            for project in (state.projects[row.project],)
            if row.phase is not Phase.COLLECTED
        ],
        "retried": _retried(state),
        "reused_exports": _reused(state),
        "endpoints_down": [
            {"endpoint": one.endpoint, "since": one.at, "message": one.message, "hint": one.hint}
            for one in state.down.values()
        ],
        "asked_to_wait": [_wait(state, one) for one in state.waits.values()],
        **learned(state),
    }


def _retried(state: RunState) -> dict[str, int]:
    """Tell what became of the servers that the latest process was told to retry."""
    phases = Counter(state.servers[server].phase for server in state.retried)
    return {
        "servers": phases.total(),
        "collected": phases[Phase.COLLECTED],
        "failed": phases[Phase.FAILED],
    }


def _wait(state: RunState, asked: WaitAsked) -> dict[str, Any]:
    server = None if asked.server is None else state.servers[asked.server].name
    return {
        "scope": asked.scope,
        "name": asked.name,
        "server": server,
        "until": asked.until,
    }


def _reused(state: RunState) -> dict[str, Any]:
    """Tell how many exports were taken over from other runs, and how old the oldest was then."""
    ages = [row.export.reused.age_s for row in state.servers if row.export and row.export.reused]
    return {"count": len(ages), "oldest_s": max(ages, default=None)}
