"""The manifest's types: a run, its totals, its projects, and their servers in each state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType, field

from collector.model.lifecycle import STAGES, WAITING_PHASES
from collector.report.parts import Count, Part, Sha256, Time

VERSION: Final = 1

RunWord: TypeAlias = Literal["running", "complete", "partial", "failed", "interrupted", "deadline"]
Reason: TypeAlias = Literal["deadline", "stopped", "endpoint_down", "disk"]
Stage = Annotated[str, Meta(extra_json_schema={"enum": [*STAGES]})]
WaitingPhase = Annotated[str, Meta(extra_json_schema={"enum": [*WAITING_PHASES]})]


class Export(Part, frozen=True):
    """The server's latest export; null if none was started."""

    id: str
    requested_at: Time
    completed_at: Time | None
    polls: Count
    attempts: Count
    source: Literal["started", "reused"]
    # The first version wrote neither of these.
    run: Annotated[str | None, Meta(description="the run that started it, where reused")] = None
    age_s: (
        Annotated[float, Meta(ge=0, description="how old it was when reused, where it was")] | None
    ) = None


class Covers(Part, frozen=True):
    """The oldest and the newest modification time of what is inside; null where none is known."""

    from_: Time | None = field(name="from")
    to: Time | None


class Archive(Part, frozen=True):
    """The collected archive; null unless collected."""

    path: Annotated[str, Meta(description="relative to the run's directory")]
    file_name: str
    bytes: Count
    sha256: Sha256
    members: Count
    covers: Covers
    finished_at: Time
    resumed: Count


class Error(Part, frozen=True):
    """Why a try failed, and what to do about it."""

    stage: Stage
    code: Annotated[str | None, Meta(description="null where the service gave none")]
    http_status: int | None
    message: str
    request_id: str | None
    attempts: Count
    hint: str


class Waiting(Part, frozen=True):
    """What a server waits for; null unless pending."""

    phase: WaitingPhase
    since: Time
    reason: Annotated[Reason | None, Meta(description="null while only its turn is awaited")]
    # Earlier versions did not write this.
    last_error: Annotated[
        Error | None, Meta(description="why an earlier try failed, or why the endpoint is down")
    ] = None


class Server(Part, frozen=True):
    """A server of the selection, in any state."""

    id: str
    name: str
    tags: Mapping[str, str]
    state: Literal["collected", "failed", "pending"]
    export: Export | None
    archive: Archive | None
    error: Error | None
    waiting: Waiting | None

    @property
    def latest_error(self) -> Error | None:
        """Why it failed; of a pending one, why an earlier try did."""
        return self.error if self.waiting is None else self.waiting.last_error


class Collected(Server, frozen=True):
    """A server whose archive is here, whole and verified."""

    state: Literal["collected"]
    export: Export
    archive: Archive
    error: None
    waiting: None


class Failed(Server, frozen=True):
    """A server that failed."""

    state: Literal["failed"]
    export: Export | None
    archive: None
    error: Error
    waiting: None


class Pending(Server, frozen=True):
    """A server that is neither collected nor failed."""

    state: Literal["pending"]
    export: Export | None
    archive: None
    error: None
    waiting: Waiting


class Totals(Part, frozen=True):
    """How many servers there are, and how many bytes of archives."""

    servers: Count
    collected: Count
    failed: Count
    pending: Count
    bytes: Count


class RunTotals(Totals, frozen=True):
    """The totals of a run, and its calls to the fleet's API over all resumes."""

    requests: Count
    throttled: Count
    counters: Annotated[
        Literal["exact", "at_least"],
        Meta(description="at_least: a crash lost the last seconds of counting, or may yet"),
    ]


class DiscoveryError(Part, frozen=True):
    """Why not all servers of a project are known, and what to do about it."""

    stage: Literal["discovery"]
    code: Annotated[str | None, Meta(description="null where the service gave none")]
    http_status: int | None
    message: str
    request_id: str | None
    attempts: Count
    hint: str


class ProjectTotals(Part, frozen=True):
    """A project without its servers."""

    id: str
    name: str
    endpoint: str
    directory: str
    totals: Totals
    discovery_error: (
        Annotated[DiscoveryError, Meta(description="only where servers of it may be missing")]
        | UnsetType
    ) = UNSET


class Project(ProjectTotals, frozen=True, kw_only=True):
    """A project with its servers."""

    servers: list[Server]


class Estimate(Part, frozen=True):
    """What was expected when the latest process began, and what came of it."""

    at: Time
    servers: Count
    seconds: Annotated[float, Meta(ge=0)]
    requests: Count
    bytes: Count
    took_s: Annotated[float | None, Meta(description="null while running")]
    requests_made: int
    bytes_collected: Annotated[int, Meta(description="less than 0: some were lost")]
    deadline_at: (
        Annotated[Time, Meta(description="when that process is to end, where it has a deadline")]
        | UnsetType
    ) = UNSET


class Inventory(Part, frozen=True):
    """The inventory that the run was started with."""

    path: str
    sha256: Sha256


class JournalHead(Part, frozen=True):
    """The line of the journal that the manifest speaks of."""

    lines: Count
    head: Sha256


class Run(Part, frozen=True, kw_only=True):
    """A run: who started it, with what, and how it stands."""

    id: str
    state: RunWord
    started_at: Time
    finished_at: Annotated[Time | None, Meta(description="null while running")]
    inventory: Inventory
    select: list[str]
    resumed: Count
    host: str
    user: str
    argv: list[str]
    clock_offset_s: Annotated[
        float | None,
        Meta(description="this machine's clock less the service's; null before any answer"),
    ]
    estimate: Estimate | None = None  # the first version did not write this
    journal: JournalHead


class Collector(Part, frozen=True):
    """The program that wrote the manifest."""

    version: str


class Head(Part, frozen=True):
    """All of a manifest that comes before its projects."""

    schema_version: Literal[1]
    collector: Collector
    run: Run
    totals: RunTotals


class Manifest(Head, frozen=True):
    """What a run collected, and what it did not and why."""

    projects: list[Project]
