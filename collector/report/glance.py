"""A run at a glance: what the terminal, `status` and the live page show first, and its maker.

    watch = Watch(state)
    glance = watch.glance(datetime.now(UTC))     # now and then, at least every 5 seconds

A state changes by events: those of a run in this process, or of a journal that is followed.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from collector.model.events import CallsCounted
from collector.model.lifecycle import LIFECYCLE
from collector.model.rows import Phase
from collector.report import troubles
from collector.report.arriving import Arriving
from collector.report.at_once import ExportsLimit, exports_limit
from collector.report.limits import Limits
from collector.report.manifest import RunWord
from collector.report.parts import Count, Part, Time
from collector.report.phase_counts import PhaseCounts
from collector.report.rates import SHORTEST_S, Rates
from collector.report.slow import slowest
from collector.report.time_left import Forecast
from collector.report.times import unix_s, written
from collector.report.verdict import run_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from collector.model.answers import Call
    from collector.model.events import Event
    from collector.model.state import RunState

FAILURES: Final = 5
SLOWEST: Final = 5


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
    """A project.

    `trouble` says in a few words what is wrong with it besides servers that failed, None where
    nothing is. `bytes` are those of stored archives and of downloads that are under way.
    """

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

    Rates are of the last quarter of a minute. `bytes` are those of stored archives and of downloads
    that are under way, so what failed downloads have lost is in `bytes_per_s` alone. `projects`
    come with those in trouble first; `slowest` and `failures` (the latest first) are a few.
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
    exports_limit: ExportsLimit | None = None


class Watch:
    """Looks at a run now and then.

    It remembers what it saw, to tell how fast calls are made and bytes arrive.

    Args:
        state: the run's, which goes on changing.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._counted = PhaseCounts(state)
        self._limits = Limits(state)
        self._calls = Rates()
        self._bytes = Rates()
        self._live_bytes = Rates(late_s=0.0)
        self._arriving = Arriving(state)
        self._forecast = Forecast(state, self._limits)
        self._process: object = None
        self._counting_at: str | None = None

    def follow(self, event: Event) -> None:
        """Learn how fast things went before anybody looked.

        Args:
            event: of the last half minute or so, just made part of the state; a journal's, in
                their order.
        """
        counted = event if isinstance(event, CallsCounted) else None
        if self._counting_at is not None and event.at != self._counting_at:
            at_s, self._counting_at = unix_s(self._counting_at), None
            if at_s is not None:
                self._sample(at_s, counted)
                self._look(at_s)
        if counted is not None:
            self._counting_at = counted.at

    def look(self, now_s: float, arrived: int | None = None) -> None:
        """Look, and tell nothing: later looks know more for it.

        Args:
            now_s: the time.
            arrived: as for `glance`.
        """
        if self._state.started is not None and self._state.process is not None:
            self._count(arrived, now_s)
            self._look(now_s)

    def glance(self, now: datetime, *, alive: bool = True, arrived: int | None = None) -> Glance:
        """Return how the run stands.

        Args:
            now: the time.
            alive: whether a process holds the run.
            arrived: bytes of archives that have arrived, where that is known better than by the
                state's own count.

        Raises:
            ValueError: the run has not begun.
        """
        state, counted = self._state, self._counted
        if state.started is None or state.process is None:
            raise ValueError("a run that has not begun cannot be looked at")
        goes_on = alive and state.ended is None
        at = written(now)
        now_s, started_s = now.timestamp(), unix_s(state.started.at)
        if not goes_on:
            now_s = unix_s(state.ended.at if state.ended else state.at) or now_s
        self._count(arrived, now_s)
        self._look(now_s)
        calls = self._calls.at(now_s) if goes_on else [0.0]
        live = self._live_bytes or self._bytes
        arrive = live.at(now_s) if goes_on else None
        of_projects, in_all = self._arriving.of(counted, arrived)
        busy = [number for number, one in enumerate(counted.projects) if one.left]
        limit = self._limits.of_run(busy, _calls_left(counted.phases))
        requests = sum(row.requests for row in state.projects)
        throttled = sum(row.throttled for row in state.projects)
        calls_per_s = self._average_calls() if calls is None else sum(calls)
        of_exports = exports_limit(state, self._limits, counted, limit, calls_per_s)
        return Glance(
            run_id=state.started.run_id,
            state=run_word(state, alive=alive),
            started_at=state.started.at,
            at=at,
            elapsed_s=0.0 if started_s is None else max(0.0, round(now_s - started_s, 1)),
            last_event_at=state.at,
            host=state.process.host,
            user=state.process.user,
            pid=state.process.pid,
            counts=_counts(len(state.servers), counted.phases),
            bytes=state.bytes + in_all,
            bytes_per_s=round(sum(arrive or ()), 1),
            requests=requests,
            throttled=throttled,
            calls_per_s=round(calls_per_s, 3),
            limit=limit and Limit(limit.per_second, limit.kind, limit.name, limit.source, limit.at),
            time_left=self._time_left(now_s, in_all) if goes_on else None,
            deadline_at=state.estimate.expected.deadline_at if state.estimate else None,
            troubles=troubles.troubles(state, now_s) if goes_on else [],
            projects=self._projects(calls, of_projects),
            slowest=list(self._slowest(now_s)) if goes_on else [],
            failures=list(self._failures()),
            exports_limit=of_exports if goes_on else None,
        )

    def _look(self, now_s: float) -> None:
        self._counted.refresh()
        self._forecast.look(self._counted, now_s)

    def _count(self, arrived: int | None, now_s: float) -> None:
        """Take in what the state's counters show, at the time of their latest count."""
        process = self._state.process
        began_s = unix_s(process.at) if process else None
        self._sample(max(unix_s(self._state.counted_at) or 0.0, began_s or 0.0))
        if arrived is not None:
            self._live_bytes.sample(now_s, [arrived])

    def _sample(self, counted_s: float, later: CallsCounted | None = None) -> None:
        """Take in what the state's counters show, or showed before a later count."""
        state = self._state
        if state.process is not self._process:  # another process counts anew
            self._process = state.process
            for rates in (self._calls, self._bytes, self._live_bytes):
                rates.clear()
        calls = [row.requests for row in state.projects]
        arrived = sum(row.arrived for row in state.projects)
        if later is not None:
            calls[later.project] -= later.calls
            arrived -= later.arrived
        self._calls.sample(counted_s, calls)
        self._bytes.sample(counted_s, [arrived])

    def _time_left(self, now_s: float, in_progress: int) -> TimeLeft | None:
        told = self._forecast.at(self._counted, now_s, in_progress)
        return None if told is None else TimeLeft(round(told.low_s, 1), round(told.high_s, 1))

    def _average_calls(self) -> float:
        """Return how fast the process has made calls on average, before more can be told."""
        state = self._state
        if state.estimate is None:
            return 0.0
        began_s, counted_s = unix_s(state.estimate.expected.at), unix_s(state.counted_at)
        if began_s is None or counted_s is None or counted_s < began_s + SHORTEST_S:
            return 0.0
        requests = sum(row.requests for row in state.projects)
        return max(0, requests - state.estimate.requests_before) / (counted_s - began_s)

    def _projects(self, calls: list[float] | None, arriving: list[int]) -> list[ProjectGlance]:
        """Return all projects: those with failures first, then those that cannot be reached."""
        trouble_of = troubles.of_projects(self._state)
        found: list[tuple[tuple[int, bool, int], ProjectGlance]] = []
        rates = calls or []
        for row, counted, here in zip(
            self._state.projects, self._counted.projects, arriving, strict=True
        ):
            failed = counted.phases[Phase.FAILED]
            trouble = trouble_of(row)
            rate = round(rates[row.project], 3) if row.project < len(rates) else 0.0
            glance = ProjectGlance(
                row.name,
                _counts(counted.servers, counted.phases),
                counted.bytes + here,
                rate,
                row.throttled,
                trouble,
            )
            found.append(((-failed, trouble is None, -counted.left), glance))
        found.sort(key=lambda one: one[0])
        return [glance for _, glance in found]

    def _slowest(self, now_s: float) -> Iterator[SlowServer]:
        for one in slowest(self._state, self._counted, now_s, SLOWEST):
            row = one.row
            project, phase = self._state.projects[row.project].name, LIFECYCLE[row.phase].waiting
            yield SlowServer(project, row.name, phase, round(one.for_s, 1))

    def _failures(self) -> Iterator[Failure]:
        for server in islice(reversed(self._counted.failed), FAILURES):
            row = self._state.servers[server]
            if (failed := row.failure) is not None:
                project = self._state.projects[row.project].name
                yield Failure(failed.at, project, row.name, failed.stage, failed.message)


def _counts(servers: int, phases: Mapping[Phase, int]) -> Counts:
    exporting = phases[Phase.REQUESTED] + phases[Phase.EXPORTING]
    return Counts(
        servers, phases[Phase.QUEUED], exporting, phases[Phase.READY],
        phases[Phase.COLLECTED], phases[Phase.FAILED],
    )  # fmt: skip


def _calls_left(phases: Mapping[Phase, int]) -> set[Call]:
    """Return the kinds of calls that are left to make."""
    return {call for phase, servers in phases.items() if servers for call in LIFECYCLE[phase].calls}
