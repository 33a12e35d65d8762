"""What a collect would do: servers, requests, and the least time under each known ceiling."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from collector.inventory import Selection

CALLS_A_SERVER = 3
"""An export, a status that finds it completed, a download: fewer do not do."""
ASSUMED_ARCHIVE_BYTES = 4_000_000
"""What a server's archive is taken to have, where nobody knows: a stated guess, no measurement."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A known limit, and the least time that it makes the run take.

    Attributes:
        name: the limit, as the inventory calls it.
        project: the project's name; None for a limit of the whole run.
        value: the limit, in calls or bytes a second.
        least_s: seconds that its work takes at the limit.
    """

    name: str
    project: str | None
    value: float
    least_s: float


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """What would be done in one project."""

    name: str
    id: str
    endpoint: str
    servers: int
    requests: int
    exports_in_flight: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collect would do.

    Attributes:
        projects: those with servers in the selection.
        ceilings: known limits, the one that takes longest first.
        disk_needed: bytes, by `ASSUMED_ARCHIVE_BYTES` a server.
        disk_free: bytes where the run would be.
        deadline_s: what was asked for; None where nothing was.
    """

    projects: tuple[ProjectPlan, ...]
    ceilings: tuple[Ceiling, ...]
    disk_needed: int
    disk_free: int
    deadline_s: float | None

    @property
    def servers(self) -> int:
        """How many servers would be collected."""
        return sum(project.servers for project in self.projects)

    @property
    def requests(self) -> int:
        """The fewest calls that this takes."""
        return sum(project.requests for project in self.projects)

    @property
    def least_s(self) -> float:
        """The least seconds under the known ceilings; exports and unknown limits come on top."""
        return max((ceiling.least_s for ceiling in self.ceilings), default=0.0)

    @property
    def deadline_reachable(self) -> bool | None:
        """False where the known ceilings alone rule the deadline out; None without a deadline."""
        return None if self.deadline_s is None else self.least_s <= self.deadline_s

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `plan --json` prints it."""
        return {
            "servers": self.servers,
            "requests": self.requests,
            "least_s": round(self.least_s, 1),
            "deadline_s": self.deadline_s,
            "deadline_reachable": self.deadline_reachable,
            "disk": {
                "needed": self.disk_needed,
                "free": self.disk_free,
                "assumed_archive_bytes": ASSUMED_ARCHIVE_BYTES,
            },
            "ceilings": [
                {
                    "name": one.name,
                    "project": one.project,
                    "value": one.value,
                    "least_s": round(one.least_s, 1),
                }
                for one in self.ceilings
            ],
            "projects": [
                {
                    "id": one.id,
                    "name": one.name,
                    "endpoint": one.endpoint,
                    "servers": one.servers,
                    "requests": one.requests,
                    "exports_in_flight": one.exports_in_flight,
                }
                for one in self.projects
            ],
        }


def plan(selection: Selection, out: Path, *, deadline_s: float | None = None) -> Plan:
    """Plan a collect of `selection` into `out`, which need not exist; sends nothing.

    Args:
        selection: the servers.
        out: where the run would be: the disk it lies on is looked at.
        deadline_s: seconds that the run may take; None where it may take what it takes.
    """
    counts: dict[int, int] = {}
    for chosen in selection.servers:
        counts[id(chosen.project)] = counts.get(id(chosen.project), 0) + 1
    projects = []
    ceilings = []
    for project in selection.inventory.projects:
        servers = counts.get(id(project), 0)
        if not servers:
            continue
        requests = CALLS_A_SERVER * servers
        limits = project.limits
        projects.append(
            ProjectPlan(
                project.name, project.id, project.endpoint, servers, requests,
                limits.exports_in_flight,
            )
        )  # fmt: skip
        if limits.requests_per_second is not None:
            rate = limits.requests_per_second
            burst = max(1, math.floor(rate))  # the first window's calls take no time
            least_s = max(0, requests - burst) / rate
            ceilings.append(Ceiling("requests_per_second", project.name, rate, least_s))
    needed = ASSUMED_ARCHIVE_BYTES * len(selection.servers)
    if (bandwidth := selection.inventory.bytes_per_second) is not None:
        ceilings.append(Ceiling("bytes_per_second", None, bandwidth, needed / bandwidth))
    ceilings.sort(key=lambda ceiling: -ceiling.least_s)
    return Plan(tuple(projects), tuple(ceilings), needed, _free(out), deadline_s)


def _free(out: Path) -> int:
    """Return the bytes free where `out` is, or would be."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
