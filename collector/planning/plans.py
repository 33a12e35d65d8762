"""The plan: what would be done, how long it takes, and whether deadline and disk allow it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.model.answers import Call
from collector.planning.disk import disk
from collector.planning.forecasting import LONGEST_S, Work, home_by, last_export_s, makespan_s
from collector.planning.limits import CallLimits, Limit, by_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.model.prior import Prior, PriorDurations
    from collector.model.state import RunState
    from collector.planning.disk import Disk
    from collector.providers.connecting import Scopes


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """What would be done in one project.

    Attributes:
        requests: the fewest calls needed.
        seconds: how long it takes, alongside the others.
        durations: the expected duration of its exports.
        durations_source: `remembered` or `assumed`.
        last_export_s: the likely duration of the longest of them.
    """

    name: str
    id: str
    endpoint: str
    servers: int
    requests: int
    seconds: float
    exports_in_flight: int | None
    durations: PriorDurations
    durations_source: str
    last_export_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collect would do.

    Attributes:
        projects: those with servers to collect.
        limits: sorted, the slowest first.
        disk: the disk space.
        seconds: the estimate for the whole run.
        deadline_s: the deadline; None if there is none.
        servers_by_deadline: how many servers would be collected by then; None without a deadline.
    """

    projects: tuple[ProjectPlan, ...]
    limits: tuple[Limit, ...]
    disk: Disk
    seconds: float
    deadline_s: float | None
    servers_by_deadline: int | None

    @property
    def servers(self) -> int:
        """How many servers would be collected."""
        return sum(project.servers for project in self.projects)

    @property
    def requests(self) -> int:
        """The fewest calls needed."""
        return sum(project.requests for project in self.projects)

    @property
    def deadline_reachable(self) -> bool | None:
        """Whether all would be collected by the deadline; None without one."""
        return None if self.deadline_s is None else self.seconds <= self.deadline_s

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `plan --json` prints it."""
        return {
            "servers": self.servers,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "deadline_s": self.deadline_s,
            "deadline_reachable": self.deadline_reachable,
            "servers_by_deadline": self.servers_by_deadline,
            "disk": {
                "needed": self.disk.needed,
                "free": self.disk.free,
                "suffices": self.disk.suffices,
                "servers_known": self.disk.known,
                "servers_assumed": self.disk.assumed,
                "assumed_archive_bytes": self.disk.assumed_archive_bytes,
            },
            "limits": [_limit(one) for one in self.limits],
            "projects": [_project(one) for one in self.projects],
        }


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "what": limit.what,
        "scope": limit.scope,
        "name": limit.name,
        "limit": limit.limit,
        "window_s": limit.window_s,
        "used": limit.used,
        "source": limit.source,
        "seconds": round(limit.seconds, 1),
    }


def _project(project: ProjectPlan) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "endpoint": project.endpoint,
        "servers": project.servers,
        "requests": project.requests,
        "seconds": round(project.seconds, 1),
        "exports_in_flight": project.exports_in_flight,
        "durations": {
            "median_s": project.durations.median_s,
            "spread": project.durations.spread,
            "exports": project.durations.exports,
            "source": project.durations_source,
            "longest_s": round(project.last_export_s, 1),
        },
    }


def of_state(
    state: RunState,
    out: Path,
    scopes: Scopes,
    known: Prior,
    *,
    deadline_s: float | None = None,
    but: Path | None = None,
) -> Plan:
    """Plan what is left of a run.

    Args:
        state: the run's, begun or not.
        out: where the run is, or would be: earlier runs there tell how large archives are, and the
            disk that it lies on is looked at.
        scopes: the scopes of a project's calls.
        known: what earlier runs have learned.
        deadline_s: seconds that the run may take; None where it may take what it takes.
        but: the run's own directory under `out`, if it has one.
    """
    needed = disk(state, out, but=but)
    left = CallLimits(state, scopes, known)
    limits = list(left.all())
    holding = by_project(limits)
    works = {project: _work(left, project, holding[project]) for project in sorted(left.calls)}
    projects = tuple(_planned(state, left, project, work) for project, work in works.items())
    bytes_s = 0.0
    if state.started is not None and (most := state.started.bytes_per_second) is not None:
        bytes_s = min(LONGEST_S, needed.needed / most)
        limits.append(Limit("bytes", "run", "", most, 1.0, most, "inventory", bytes_s))
    seconds = max([bytes_s, *(project.seconds for project in projects)])
    limits.sort(key=lambda limit: -limit.seconds)
    by_then = None
    if deadline_s is not None:
        by_then = _home(list(works.values()), seconds, bytes_s, deadline_s)
    return Plan(projects, tuple(limits), needed, seconds, deadline_s, by_then)


def _work(left: CallLimits, project: int, limits: Sequence[Limit]) -> Work:
    """Combine the limits on a project: the slowest one counts."""
    calls = left.calls[project]
    durations, _ = left.durations(project)
    queued = calls[Call.START_EXPORT]
    started = calls[Call.ASK_STATUS]
    return Work(
        queued=queued,
        exporting=started - queued,
        ready=calls[Call.FETCH_ARCHIVE] - started,
        posts_s=max((limit.starts_s for limit in limits), default=0.0),
        calls_s=max((limit.seconds for limit in limits if limit.what == "calls"), default=0.0),
        durations=durations,
    )


def _planned(state: RunState, left: CallLimits, project: int, work: Work) -> ProjectPlan:
    row = state.projects[project]
    durations, source = left.durations(project)
    return ProjectPlan(
        name=row.name,
        id=row.id,
        endpoint=row.endpoint,
        servers=work.servers,
        requests=work.calls,
        seconds=makespan_s(work),
        exports_in_flight=row.exports_in_flight,
        durations=durations,
        durations_source=source,
        last_export_s=last_export_s(work),
    )


def _home(works: Sequence[Work], seconds: float, bytes_s: float, deadline_s: float) -> int:
    """Return how many servers are collected by a deadline."""
    servers = sum(work.servers for work in works)
    if seconds <= deadline_s:
        return servers
    home = sum(home_by(work, deadline_s) for work in works)
    if bytes_s:
        home = min(home, servers * deadline_s / bytes_s)
    return max(0, min(servers - 1, math.floor(home)))
