"""A fleet in virtual time: the engine driven by hand, with no sleep and no wire."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

from benchmarks.pacing.driver import Driver, Wire
from benchmarks.pacing.gateway import FixedQuota, Limit, SlidingQuota
from collector.engine import Scheduler
from collector.model import events as e
from collector.model.actions import AskStatus, FetchArchive, GiveUp, StartExport
from collector.model.answers import (
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    Outcome,
    Problem,
    ProblemKind,
    ResponseMetadata,
    Scope,
    ScopeKind,
    Stored,
)
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior
from collector.model.state import Phase, RunState, apply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.pacing.gateway import Quota
    from collector.model.actions import Action, Request
    from collector.model.state import ProjectRow

EPOCH_S = 1_800_000_000.0
"""Unix seconds when the engine's clock stood at 0."""
ANY_SERVER = -1

quick = settings(
    max_examples=settings().max_examples * 2 // 5,
    derandomize="CI" in os.environ,
    database=None,
)

STATUSES = {
    ProblemKind.THROTTLED: 429,
    ProblemKind.NOT_READY: 400,
    ProblemKind.UNKNOWN_SERVER: 404,
    ProblemKind.FORGOTTEN: 404,
    ProblemKind.FORBIDDEN: 403,
    ProblemKind.UNAUTHENTICATED: 401,
    ProblemKind.BAD_REQUEST: 400,
    ProblemKind.SERVICE_FAILED: 500,
    ProblemKind.UNREADABLE: 502,
}
"""The status that each problem comes with; the others come without an answer, or after one."""


class SimulatedWall:
    """The wall's clock, which runs evenly beside the engine's."""

    def stamp(self, now_s: float) -> str:
        return self.of_unix(EPOCH_S + now_s)

    def of_unix(self, at_s: float) -> str:
        at = datetime.fromtimestamp(at_s, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"

    def age_s(self, at: str, now_s: float) -> float:
        return max(0.0, EPOCH_S + now_s - datetime.fromisoformat(at).timestamp())


def selected(
    servers: int = 10,
    *,
    projects: int = 1,
    first: Iterable[int] = (),
    credentials: Sequence[str] = ("ops",),
    endpoints: Sequence[str] = ("e",),
    requests_per_second: float | None = None,
    exports_in_flight: int | None = None,
    share: float = 1.0,
) -> list[e.Event]:
    """Return the first events of a run; projects take turns at servers, credentials, endpoints."""
    at = SimulatedWall().stamp(0)
    first = set(first)
    started = e.RunStarted(
        at=at, schema_version=1, run_id="r", collector_version="0", host="h", user="u", pid=1,
        argv=(), inventory_path="i", inventory_sha256="0", select=(), downloads=8,
        bytes_per_second=None,
    )  # fmt: skip
    of_projects = [
        e.ProjectSelected(
            at=at, project=project, id=f"p{project}", name=f"p{project}",
            endpoint=endpoints[project % len(endpoints)],
            credential=credentials[project % len(credentials)], directory=f"p{project}",
            requests_per_second=requests_per_second, exports_in_flight=exports_in_flight,
            share=share,
        )
        for project in range(projects)
    ]  # fmt: skip
    of_servers = [
        e.ServerSelected(
            at=at, server=server, project=server % projects, id=f"s{server}", name=f"s{server}",
            tags={}, directory=f"p{server % projects}/s{server}", first=server in first,
        )
        for server in range(servers)
    ]  # fmt: skip
    return [started, *of_projects, *of_servers, e.SelectionEnded(at=at, servers=servers)]


def scopes_of(project: ProjectRow, call: Call) -> tuple[Scope, ...]:
    """Return the scopes of a call; each credential is an account of its own."""
    return (
        Scope(ScopeKind.API, f"{project.endpoint} {call}"),
        Scope(ScopeKind.USER, project.credential),
        Scope(ScopeKind.APP, project.credential),
        Scope(ScopeKind.IP, project.endpoint),
        Scope(ScopeKind.PROJECT, project.id),
        Scope(ScopeKind.ENDPOINT, project.endpoint),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A problem of any kind, with anything a service could say beside it."""
    told = st.builds(
        LimitTold, st.sampled_from(ScopeKind), st.integers(-1, 50), st.floats(-1.0, 60.0)
    )
    kind = draw(st.sampled_from(ProblemKind))
    of_secret = kind is ProblemKind.UNAUTHENTICATED
    return problem(
        kind,
        throttled_by=draw(st.none() | st.sampled_from(ScopeKind)),
        retry_after_s=draw(st.none() | st.floats(-10.0, 2000.0)),
        renewed=draw(st.booleans()),
        sign_in=of_secret and draw(st.booleans()),
        everywhere=of_secret and draw(st.booleans()),
        metadata=ResponseMetadata(limits=tuple(draw(st.lists(told, max_size=2)))),
    )


def answers() -> st.SearchStrategy[Outcome]:
    """Any answer; one that does not fit its call is left out by the service."""
    said = st.builds(
        ExportSaid,
        st.just("y"),
        st.sampled_from(ExportState),
        st.sampled_from(["Running", "completed", "odd"]),
        known=st.booleans(),
        percent=st.none() | st.floats(-5.0, 120.0),
    )
    return problems() | said


def lists_of_answers(servers: int) -> st.SearchStrategy[list[list[Outcome]]]:
    """For each server what its calls meet with first, before all goes well."""
    return st.lists(st.lists(answers(), max_size=8), min_size=servers, max_size=servers)


def problem(kind: ProblemKind, **facts: object) -> Problem:
    """Return a problem as a service would put it."""
    return Problem(kind, f"it is {kind}", http_status=STATUSES.get(kind), **facts)  # type: ignore[arg-type]  # fields by name


@dataclass
class HiddenLimit:
    """A policy of the service: `limit` calls in `window_s` for each scope of a kind.

    Attributes:
        fixed: windows follow one another; otherwise one slides.
        tells: a 429 states the limit.
        names: a 429 says which scope it is about.
        only: the name of the one scope that is limited; absent: each of the kind.
        refused: how many calls it has turned away.
    """

    kind: ScopeKind
    limit: int
    window_s: float = 1.0
    fixed: bool = False
    tells: bool = True
    names: bool = True
    only: str | None = None
    refused: int = 0
    _quotas: dict[Scope, Quota] = field(default_factory=dict)

    def refuses(self, scopes: tuple[Scope, ...], now_s: float) -> Problem | None:
        scope = next(scope for scope in scopes if scope.kind is self.kind)
        if self.only not in (None, scope.name):
            return None
        quota = self._quotas.get(scope)
        if quota is None:
            limit = Limit(self.kind, self.limit, self.window_s)
            quota = FixedQuota(limit, phase_s=0.0) if self.fixed else SlidingQuota(limit)
            self._quotas[scope] = quota
        if quota.free_at(now_s) <= now_s:
            quota.take(now_s)
            return None
        self.refused += 1
        told = (LimitTold(self.kind, self.limit, self.window_s),) if self.tells else ()
        by = self.kind if self.tells or self.names else None
        return problem(
            ProblemKind.THROTTLED, throttled_by=by, metadata=ResponseMetadata(limits=told)
        )


@dataclass
class Service:
    """The fleet's API.

    Attributes:
        script: what to answer in place of the usual, by server (or `ANY_SERVER`) and call; used up.
        sequences: the same by server alone, for whatever is asked.
        unreachable: whether nothing gets through to an endpoint at a time.
        percent: what is said of an export's progress, from the part of its duration that is over.
    """

    limits: list[HiddenLimit] = field(default_factory=list)
    duration_s: Callable[[int], float] = lambda _server: 5.0
    unreachable: Callable[[str, float], bool] = lambda _endpoint, _at_s: False
    percent: Callable[[float], float | None] = lambda _part: None
    script: dict[tuple[int, Call], list[Outcome]] = field(default_factory=dict)
    sequences: list[list[Outcome]] = field(default_factory=list)
    calls: Counter[Call] = field(default_factory=Counter)
    exports: Counter[int] = field(default_factory=Counter)
    _ends: dict[str, tuple[float, float]] = field(default_factory=dict)
    _ids: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    @property
    def refused(self) -> int:
        return sum(limit.refused for limit in self.limits)

    def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
        if self.unreachable(scopes[-1].name, now_s):
            return problem(ProblemKind.NOT_SENT)
        scripted = self._scripted(action)
        if isinstance(scripted, Problem) and scripted.kind is ProblemKind.NOT_SENT:
            return scripted
        self.calls[action.call] += 1
        for limit in self.limits:
            if refusal := limit.refuses(scopes, now_s):
                return refusal
        return scripted or self._usual(action, now_s)

    def _usual(self, action: Request, now_s: float) -> Outcome:
        if isinstance(action, FetchArchive):
            return Stored("a.tar.gz", 10, "ab", 1, EPOCH_S, EPOCH_S)
        if isinstance(action, StartExport):
            self.exports[action.server] += 1
            export_id = f"x{self._ids()}"
            self._ends[export_id] = (now_s, self.duration_s(action.server))
            return ExportSaid(export_id, ExportState.RUNNING, "Running")
        began_s, duration_s = self._ends.get(action.export_id, (-math.inf, 0.0))
        part = (now_s - began_s) / duration_s if duration_s else math.inf
        state = ExportState.COMPLETED if part >= 1 else ExportState.RUNNING
        return ExportSaid(action.export_id, state, state, percent=self.percent(min(part, 1.0)))

    def _scripted(self, action: Request) -> Outcome | None:
        for server in (action.server, ANY_SERVER):
            if script := self.script.get((server, action.call)):
                return script.pop(0)
        if action.server < len(self.sequences) and (sequence := self.sequences[action.server]):
            answer = sequence.pop(0)
            if isinstance(answer, Problem) or not isinstance(action, FetchArchive):
                return answer
        return None


EventT = TypeVar("EventT", bound=e.Event)


def gaps(times: Iterable[float]) -> list[float]:
    """Return the time from each to the next."""
    return [later - sooner for sooner, later in itertools.pairwise(times)]


class Sent(NamedTuple):
    """A call that left."""

    at_s: float
    action: Request
    project: int


@dataclass
class Simulation(Driver):
    """A run against a service, in virtual time; `events` is its journal, from the first line on.

    Attributes:
        known: what earlier runs have learned.
        latency_s: from a call's leaving to its answer, half of it each way, give or take a fifth.
        download_s: from an archive's first byte to its last.
        journal_s: how long events take to be on disk.
        own_secrets: each project has a secret of its own.
        sent: every call, in order.
        most: calls under way at once, by kind; and exports running at once, by project.
    """

    service: Service
    events: list[e.Event]
    ceilings: Ceilings = field(default_factory=Ceilings)
    known: Prior = field(default_factory=Prior)
    latency_s: float = 0.02
    download_s: float = 0.1
    journal_s: float = 0.001
    seed: int = 1
    own_secrets: bool = False
    now_s: float = 0.0
    state: RunState = field(default_factory=RunState)
    sent: list[Sent] = field(default_factory=list)
    most: Counter[Call | int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for event in self.events:
            apply(self.state, event)
        scheduler = Scheduler(
            self.state, scopes=self.scopes, ceilings=self.ceilings, wall_time=SimulatedWall(),
            seed=self.seed, known=self.known, own_secret=lambda _project: self.own_secrets,
        )  # fmt: skip
        wire = Wire(self.latency_s, download_s=self.download_s, journal_s=self.journal_s)
        super().__init__(
            scheduler, self._asked, wire=wire, seed=self.seed, now_s=self.now_s,
            observed_every_s=math.inf,
        )  # fmt: skip
        self._out: dict[int, Request] = {}
        self._under_way: Counter[Call] = Counter()
        self._unrecorded = 0
        self._exporting: set[int] = set()
        self._running: Counter[int] = Counter()

    def scopes(self, project: int, call: Call) -> tuple[Scope, ...]:
        return scopes_of(self.state.projects[project], call)

    def run(self, until_s: float = 1_000_000.0) -> Self:
        """Drive the run to its end, or to a time; a run that does neither fails the test."""
        super().run(until_s)
        if self.finished and not self.scheduler.stopped:
            assert not self._out, "finished, with a call under way"
            assert not self._unrecorded, "finished, with events that are not yet on disk"
        return self

    def record(self, events: Iterable[e.Event]) -> None:
        """Write events down and make them part of the state, at once."""
        for event in events:
            self.events.append(event)
            super().record([event])
            server = getattr(event, "server", None)
            if server is not None:
                self._follow_export(server)

    def of(self, kind: type[EventT], server: int | None = None) -> list[EventT]:
        """Return the events of a kind, of one server or of all."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and server in (None, getattr(event, "server", None))
        ]

    def times(self, call: Call | None = None, server: int | None = None) -> list[float]:
        """Return when calls left, of one kind or all, for one server or all."""
        return [
            sent.at_s
            for sent in self.sent
            if call in (None, sent.action.call) and server in (None, sent.action.server)
        ]

    def begin(self, action: Action) -> None:
        is_probe = isinstance(action, AskStatus) and action.is_probe
        assert is_probe or action.server not in self._out, "asked a server twice at once"
        if not isinstance(action, GiveUp):
            if not is_probe:
                self._out[action.server] = action
            self._under_way[action.call] += 1
            self.most[action.call] = max(self.most[action.call], self._under_way[action.call])
            self.sent.append(Sent(self.now_s, action, self.state.servers[action.server].project))
        super().begin(action)

    def answered(self, action: Request, answer: Outcome) -> None:
        if self._out.get(action.server) is action:
            del self._out[action.server]
        self._under_way[action.call] -= 1
        super().answered(action, answer)

    def write(self, events: list[e.Event]) -> None:
        self._unrecorded += 1
        self.at(self.now_s + self.journal_s, self._written, events)

    def _written(self, events: list[e.Event]) -> None:
        self._unrecorded -= 1
        self.record(events)

    def _asked(self, action: Request, at_s: float) -> Outcome:
        project = self.state.servers[action.server].project
        return self.service.answer(action, self.scopes(project, action.call), at_s)

    def _follow_export(self, server: int) -> None:
        row = self.state.servers[server]
        runs = row.phase in (Phase.REQUESTED, Phase.EXPORTING)
        if runs and server not in self._exporting:
            self._exporting.add(server)
            self._running[row.project] += 1
        elif not runs and server in self._exporting:
            self._exporting.remove(server)
            self._running[row.project] -= 1
        self.most[row.project] = max(self.most[row.project], self._running[row.project])
