"""The types of what `--json` prints of a run beside the manifest's, and of what `runs` lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from collector.report.manifest import ProjectTotals, Run, RunTotals, RunWord, Server
from collector.report.parts import Part

if TYPE_CHECKING:
    from collector.model.events import ExportsLimitLearned, LimitLearned

Number: TypeAlias = int | float


class ProjectName(Part, frozen=True):
    """Which project a server belongs to."""

    id: str
    name: str


class Missing(Server, frozen=True):
    """A server that is not collected, with its project."""

    project: ProjectName

    @classmethod
    def of(cls, server: Server, project: ProjectName) -> Missing:
        """Return a server's row with its project."""
        return cls(**msgspec.structs.asdict(server), project=project)


class Retried(Part, frozen=True):
    """What became of the servers that the latest process was told to retry."""

    servers: int
    collected: int
    failed: int


class ReusedExports(Part, frozen=True):
    """How many exports of other runs were reused, and how old the oldest was then."""

    count: int
    oldest_s: float | None


class EndpointDown(Part, frozen=True):
    """An endpoint that answers nobody."""

    endpoint: str
    since: str
    message: str
    hint: str | None


class Wait(Part, frozen=True):
    """A wait that the service asked for: of a scope, or of one server."""

    scope: str
    name: str
    server: str | None
    until: str


class CallsLimit(Part, frozen=True, forbid_unknown_fields=False):
    """A limit on calls, as it was learned."""

    scope: str
    name: str
    limit: Number
    window_s: Number
    source: str
    at: str

    @classmethod
    def of(cls, learned: LimitLearned) -> CallsLimit:
        """Return a limit as it is told and remembered."""
        return cls(
            learned.scope, learned.name, learned.limit, learned.window_s, learned.source, learned.at
        )


class ExportsLimit(Part, frozen=True, forbid_unknown_fields=False):
    """A limit on exports that run at once, as it was learned."""

    scope: str
    name: str
    limit: int
    source: str
    at: str

    @classmethod
    def of(cls, learned: ExportsLimitLearned) -> ExportsLimit:
        """Return a limit as it is told and remembered."""
        return cls(learned.scope, learned.name, learned.limit, learned.source, learned.at)


class ExportDurations(Part, frozen=True):
    """How long a project's exports take, as it was learned."""

    project: str
    project_id: str
    endpoint: str
    exports: int
    median_s: Number
    spread: Number
    at: str


class Summary(Part, frozen=True):
    """A run as `--json` prints it: `as_json()` is that document."""

    run: Run
    totals: RunTotals
    directory: str
    manifest_sha256: str | None
    last_event_at: str
    projects: list[ProjectTotals]
    not_collected: list[Missing]
    retried: Retried
    reused_exports: ReusedExports
    endpoints_down: list[EndpointDown]
    asked_to_wait: list[Wait]
    limits: list[CallsLimit]
    exports_limits: list[ExportsLimit]
    durations: list[ExportDurations]


class RunLine(Part, frozen=True):
    """A run as `runs` lists it. Where neither manifest nor journal can be read, totals are null.

    `took_s` is from its beginning to its end, pauses between resumes included; of a run that has no
    end, to the latest event. It is null where that is not known.
    """

    id: str
    state: RunWord
    started_at: str | None
    totals: RunTotals | None
    finished_at: str | None = None
    took_s: float | None = None
    resumed: int | None = None
