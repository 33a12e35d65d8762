r"""The types of what a page shows of a run: in `report.html` as compressed JSON, live as events.

Servers come as columns, one array a member and one element a server, since there may be 100,000:
a server is known by its place in them. Times in columns are seconds since `origin`, to a tenth.
Texts are printable: control characters and marks that reverse a line are written as `\uXXXX`.
"""

from __future__ import annotations

from typing import Final

from collector.report.glance import Glance
from collector.report.manifest import ProjectTotals, Run, RunTotals
from collector.report.parts import Count, Part, Time

VERSION: Final = 1
PHASES: Final = ("queued", "exporting", "downloading", "collected", "failed")
"""What `Servers.phase` counts through."""


class Servers(Part, frozen=True, kw_only=True):
    """The servers of a run, as columns.

    `requested` is when the latest export was asked for, `completed` when it was, `ended` when the
    archive was stored or the server failed. `tags` says which of `Page.tags` a server has, `reason`
    which of `Page.reasons`: why it failed, or why an earlier try did. `path` is the archive's, from
    the page. None where there is none yet.
    """

    project: list[int]
    id: list[str]
    name: list[str]
    tags: list[int]
    phase: list[int]
    requested: list[float | None]
    completed: list[float | None]
    ended: list[float | None]
    bytes: list[int | None]
    members: list[int | None]
    polls: list[int]
    attempts: list[int]
    reused: list[int]
    reason: list[int | None]
    path: list[str | None]


class Reason(Part, frozen=True):
    """Why servers failed, or why those that are pending are not collected yet.

    Those that are alike are one: `message` is one of theirs. `state`: failed or pending.
    """

    state: str
    stage: str
    code: str | None
    http_status: int | None
    message: str
    hint: str
    servers: Count


class Note(Part, frozen=True):
    """What is told of one server that has a reason, in its own words."""

    message: str
    request_id: str | None
    attempts: Count


class LimitPoint(Part, frozen=True):
    """A limit on calls from `at` on: `per_second` calls; None where it was refuted."""

    at: float
    scope: str
    name: str
    source: str
    per_second: float | None


class Series(Part, frozen=True):
    """What happened in each bin of `step_s` seconds; the first begins at `origin`.

    `bytes` are those that arrived. Bins in which nobody was running are zero.
    """

    step_s: float
    calls: list[int]
    throttled: list[int]
    bytes: list[int]
    collected: list[int]
    failed: list[int]
    limits: list[LimitPoint]


class Gone(Part, frozen=True):
    """A server of the other run that is not in this one."""

    project: str
    name: str
    id: str


class Resized(Part, frozen=True):
    """A server whose archive is much larger or smaller than it was, in bytes."""

    server: int
    before: Count
    now: Count


class Changes(Part, frozen=True, kw_only=True):
    """What has changed since another run of these servers; servers by their place."""

    run_id: str
    started_at: Time
    state: str
    in_both: Count
    gone: list[Gone]
    new: list[int]
    failing: list[int]
    recovered: list[int]
    larger: list[Resized]
    smaller: list[Resized]


class Page(Part, frozen=True, kw_only=True):
    """A run as a page shows it. `glance` is None once nobody holds the run.

    `last_event_at` is when the journal was written last: a run that was killed took until then.
    """

    version: int
    made_at: Time
    collector: str
    origin: Time
    directory: str
    manifest_sha256: str | None
    headline: str
    run: Run
    totals: RunTotals
    projects: list[ProjectTotals]
    tags: list[dict[str, str]]
    servers: Servers
    reasons: list[Reason]
    notes: dict[str, Note]
    series: Series
    changes: Changes | None
    glance: Glance | None
    last_event_at: Time | None = None


class Delta(Part, frozen=True, kw_only=True):
    """What has changed of a page: an event of `text/event-stream` whose id is `revision`.

    `rows` holds those servers that changed, which are those numbered `at`; `notes` theirs. Every
    other member replaces the page's; None: it is as it was.
    """

    revision: Count
    at: list[int]
    rows: Servers
    notes: dict[str, Note]
    headline: str
    run: Run
    totals: RunTotals
    projects: list[ProjectTotals] | None
    reasons: list[Reason] | None
    series: Series | None
    glance: Glance | None
    last_event_at: Time | None = None
