"""A run at a glance: the types of what the terminal, `status` and the live page show first."""

from __future__ import annotations

from collector.report.manifest import RunWord
from collector.report.parts import Count, Part, Time


class Counts(Part, frozen=True):
    """How many servers are in each phase."""

    servers: Count
    queued: Count
    exporting: Count
    downloading: Count
    collected: Count
    failed: Count


class Limit(Part, frozen=True):
    """The limit on calls that holds the whole run: `per_second` is what it comes to.

    `scope` and `name` say whose it is (several of one kind are added up, and have no name);
    `source`: told, estimated, remembered or inventory.
    """

    per_second: float
    scope: str
    name: str | None
    source: str
    learned_at: Time | None


class TimeLeft(Part, frozen=True):
    """In how many seconds the run will have ended, most likely: between `low_s` and `high_s`."""

    low_s: float
    high_s: float


class ProjectGlance(Part, frozen=True):
    """A project; `trouble` says in a few words what is wrong with it, None where nothing is."""

    name: str
    counts: Counts
    bytes: Count
    calls_per_s: float
    throttled: Count
    trouble: str | None


class SlowServer(Part, frozen=True):
    """A server that has been in its phase for longer than the others."""

    project: str
    name: str
    phase: str
    for_s: float


class Failure(Part, frozen=True):
    """A server that failed."""

    at: Time
    project: str
    name: str
    stage: str
    message: str


class Glance(Part, frozen=True, kw_only=True):
    """A run as it stands at `at`.

    Rates are of the last quarter of a minute. `bytes` counts those that have arrived, of archives
    that are not complete too. `projects` come with those in trouble first; `slowest` and
    `failures` (the latest first) are a few.
    """

    run_id: str
    state: RunWord
    started_at: Time
    at: Time
    elapsed_s: float
    last_event_at: Time
    host: str
    user: str
    pid: Count
    counts: Counts
    bytes: Count
    bytes_per_s: float
    requests: Count
    throttled: Count
    calls_per_s: float
    limit: Limit | None
    time_left: TimeLeft | None
    deadline_at: Time | None
    troubles: list[str]
    projects: list[ProjectGlance]
    slowest: list[SlowServer]
    failures: list[Failure]
