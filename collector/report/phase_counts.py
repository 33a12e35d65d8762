"""Counts servers by project and phase, and looks only at rows that have changed since.

Rows are replaced with every event that changes them, so one that is the same object has not
changed: of 100,000 servers, a look costs the comparison of as many pointers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Final

from collector.model.rows import Phase
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collector.model.rows import ServerRow
    from collector.model.state import RunState

_REMEMBERED: Final = 200
"""How many of the latest downloads are remembered."""


def _none() -> dict[Phase, int]:
    return dict.fromkeys(Phase, 0)


@dataclass(slots=True)
class ProjectCounts:
    """A project's servers.

    Attributes:
        servers: how many there are.
        phases: how many are in each phase.
        bytes: of the archives that are stored.
        exporting: those whose export runs, or was asked for; those that began first come first.
        ready: those whose archive can be downloaded, in the same order.
        begun: those whose download has begun, and when.
    """

    servers: int = 0
    phases: dict[Phase, int] = field(default_factory=_none)
    bytes: int = 0
    exporting: dict[int, None] = field(default_factory=dict)
    ready: dict[int, None] = field(default_factory=dict)
    begun: dict[int, str] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many servers are neither collected nor failed."""
        return self.servers - self.phases[Phase.COLLECTED] - self.phases[Phase.FAILED]


class PhaseCounts:
    """A run's servers, counted.

    Attributes:
        projects: by their numbers.
        phases: how many servers of all projects are in each phase.
        failed: the servers that failed, the latest last.
        downloads: how long the latest downloads took, and how many bytes they brought.
    """

    def __init__(self, state: RunState) -> None:
        self.projects: list[ProjectCounts] = []
        self.phases = _none()
        self.failed: dict[int, None] = {}
        self.downloads: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._state = state
        self._seen: list[ServerRow | None] = []

    @property
    def left(self) -> int:
        """How many servers are neither collected nor failed."""
        return len(self._seen) - self.phases[Phase.COLLECTED] - self.phases[Phase.FAILED]

    def refresh(self) -> None:
        """Count what has changed in the state since the last time."""
        rows, seen, projects = self._state.servers, self._seen, self.projects
        while len(projects) < len(self._state.projects):
            projects.append(ProjectCounts())
        seen += [None] * (len(rows) - len(seen))
        changed = list(compress(range(len(rows)), map(is_not, rows, seen)))
        changed.sort(key=lambda server: rows[server].since)
        for server in changed:
            row = rows[server]
            project = projects[row.project]
            if (before := seen[server]) is not None:
                self._take_out(project, before)
            else:
                project.servers += 1
            self._put_in(project, row, before)
            seen[server] = row

    def _take_out(self, project: ProjectCounts, row: ServerRow) -> None:
        server, phase = row.server, row.phase
        project.phases[phase] -= 1
        self.phases[phase] -= 1
        if phase is Phase.READY:
            del project.ready[server]
            project.begun.pop(server, None)
        elif phase in _EXPORTING:
            del project.exporting[server]
        elif phase is Phase.FAILED:
            del self.failed[server]
        elif row.archive is not None:
            project.bytes -= row.archive.bytes

    def _put_in(self, project: ProjectCounts, row: ServerRow, before: ServerRow | None) -> None:
        server, phase = row.server, row.phase
        project.phases[phase] += 1
        self.phases[phase] += 1
        if phase is Phase.READY:
            project.ready[server] = None
            if row.begun is not None:
                project.begun[server] = row.begun.at
        elif phase in _EXPORTING:
            project.exporting[server] = None
        elif phase is Phase.FAILED:
            self.failed[server] = None
        elif row.archive is not None:
            project.bytes += row.archive.bytes
            self._remember(row, before)

    def _remember(self, row: ServerRow, before: ServerRow | None) -> None:
        """Remember how long a download took, if its beginning was seen."""
        if before is not None and before.begun is not None and row.archive is not None:
            began_s, ended_s = unix_s(before.begun.at), unix_s(row.archive.at)
            if began_s is not None and ended_s is not None:
                self.downloads.append((max(0.0, ended_s - began_s), row.archive.bytes))


_EXPORTING: Final = frozenset({Phase.REQUESTED, Phase.EXPORTING})
