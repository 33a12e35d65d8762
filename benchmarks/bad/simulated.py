"""A simulated fleet of which some servers misbehave, collected by the engine in virtual time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.pacing.driver import Driver, EvenWall, StuckError, Wire
from benchmarks.pacing.gateway import Gateway, Limit
from benchmarks.pacing.scenarios import Scenario
from benchmarks.pacing.service import Service
from collector.engine import Scheduler
from collector.model import events as e
from collector.model.actions import AskStatus, FetchArchive
from collector.model.answers import (
    ArchiveOpened,
    ExportSaid,
    Problem,
    ProblemKind,
    ScopeKind,
    Stored,
)
from collector.model.ceilings import Ceilings
from collector.model.state import Phase, RunState, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.bad.ways import Way
    from collector.model.actions import Action, Request
    from collector.model.answers import Outcome

PROJECTS = 3
MEDIAN_S, SPREAD = 4.0, 0.5
"""Of the durations of exports: log-normal, and the deviation of their logarithms."""
WIRE = Wire(latency_s=0.02, download_s=0.03)
"""Quick, so that neither downloads nor calls are what a run without a limit waits for."""
ENDS_S = 3.0 * 3600
"""A run that takes as long is at fault."""
PLACES = ("spread", "first", "last", "project")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run came to.

    Attributes:
        homes_s: when each server was collected.
        failed: how each other server failed.
        ended_s: when the last server had ended.
        downs: how often the endpoint was said to be down.
        calls: how many were made.
        wrong: why the run did not end.
    """

    homes_s: Mapping[int, float]
    failed: Mapping[int, e.ServerFailed]
    ended_s: float
    downs: int
    calls: int
    wrong: str = ""


@dataclass(slots=True)
class Fleet:
    """A fleet: how long the exports of its servers take, and which calls a second it is allowed."""

    servers: int
    seed: int
    calls_per_second: int | None = None
    durations_s: list[float] = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(f"bad servers {self.seed}")  # noqa: S311  # a simulation
        self.durations_s = [
            MEDIAN_S * math.exp(SPREAD * chance.gauss(0, 1)) for _ in range(self.servers)
        ]

    def chosen(self, part: float, place: str) -> list[int]:
        """Return which servers misbehave."""
        count = max(1, round(part * self.servers))
        match place:
            case "first":
                return list(range(count))
            case "last":
                return list(range(self.servers - count, self.servers))
            case "project":
                return list(range(0, self.servers, PROJECTS))[-count:]
            case _:
                chance = random.Random(f"chosen {self.seed}")  # noqa: S311  # a simulation
                return sorted(chance.sample(range(self.servers), count))


class Run(Driver):
    """A run through a fleet.

    Args:
        fleet: all there is.
        of: the servers that are collected, by their number in the fleet.
        ways: in which way some of them misbehave, by the same number.
    """

    def __init__(self, fleet: Fleet, of: Sequence[int], ways: Mapping[int, Way]) -> None:
        self._of = of
        self._ways = ways
        limits: tuple[Limit, ...] = ()
        if fleet.calls_per_second is not None:
            limits = (Limit(ScopeKind.USER, fleet.calls_per_second, 1.0),)
        scenario = Scenario(name="bad", kind="between", projects=PROJECTS)
        gateway = Gateway(limits, exports_running=None, scopes=scenario.scopes, seed=fleet.seed)
        self.service = Service(
            gateway, [fleet.durations_s[server] for server in of], shape="headers", percents="ones"
        )
        state = RunState()
        for event in _selected(of):
            apply(state, event)
        scheduler = Scheduler(
            state,
            scopes=scenario.scopes,
            ceilings=Ceilings(),
            wall_time=EvenWall(),
            seed=fleet.seed,
        )
        super().__init__(scheduler, self.asked, wire=WIRE, seed=fleet.seed)
        self._posted_s: dict[int, float] = {}
        self._held_s: dict[int, float] = {}
        self._homes_s: dict[int, float] = {}
        self._failed: dict[int, e.ServerFailed] = {}
        self._ended_s = 0.0
        self._downs = 0

    def ended(self) -> Ended:
        """Drive the run to its end, and return what it came to."""
        wrong = ""
        try:
            self.run(ENDS_S)
        except StuckError as stuck:
            wrong = str(stuck)
        else:
            if not self.finished:
                wrong = f"not at its end after {ENDS_S:.0f} s"
            elif self.state.pending:
                wrong = f"{self.state.pending} servers pending at its end"
        return Ended(
            self._homes_s, self._failed, self._ended_s, self._downs, self.service.calls, wrong
        )

    def record(self, events: Iterable[e.Event]) -> None:
        """Make events part of the state, and take note of them."""
        events = list(events)
        super().record(events)
        for event in events:
            match event:
                case e.ArchiveStored():
                    self._homes_s[self._of[event.server]] = self._ended_s = self.now_s
                case e.ServerFailed():
                    self._failed[self._of[event.server]] = event
                    self._ended_s = self.now_s
                case e.EndpointWentDown():
                    self._downs += 1

    def begin(self, action: Action) -> None:
        """Perform an action."""
        if self.state.servers[action.server].phase is Phase.QUEUED:
            self._posted_s[action.server] = self.now_s
        super().begin(action)

    def asked(self, action: Request, at_s: float) -> Outcome:
        """Return the service's answer to a call, or what the client makes of it."""
        server = action.server
        answer = self.service.answer(action, self.state.servers[server].project, at_s)
        way = self._ways.get(self._of[server])
        self._held_s[server] = 0.0
        if way is None or action.call not in way.calls or isinstance(answer, Problem):
            return answer
        if at_s - self._posted_s[server] >= way.until_s:
            return answer
        self._held_s[server] = way.held_s
        if way.kind is not None:
            return Problem(
                way.kind, way.name, http_status=way.http_status, retry_after_s=way.retry_after_s,
                elsewhere=way.elsewhere,
            )  # fmt: skip
        if way.word is not None and isinstance(answer, ExportSaid):
            return ExportSaid(answer.export_id, way.word, way.word)
        return answer

    def _arrive(self, action: Request) -> None:
        """Let a call arrive; its answer may be held for longer than the client waits."""
        answer = self.asked(action, self.now_s)
        held_s = 0.0 if self._opens(action, answer) else self._held_s[action.server]
        within_s = action.within_s if isinstance(action, AskStatus) else math.inf
        if held_s > within_s:
            held_s, answer = within_s, Problem(ProblemKind.CUT, "not answered in time")
        back_s = self.now_s + held_s + self.wire.way_s(self._chance)
        self.at(back_s, self._hear, action, answer)

    def _hear(self, action: Request, answer: Outcome) -> None:
        """Hand an answer to the engine, or a download's first bytes."""
        if not isinstance(action, FetchArchive) or not self._opens(action, answer):
            self.answered(action, answer)
            return
        self.scheduler.answered(action, ArchiveOpened(answer.metadata), self.now_s)
        held_s = self._held_s[action.server] or self.wire.download_s
        if isinstance(answer, Stored):
            self.arrives(action, held_s)
        whole = isinstance(answer, Stored) or not self._held_s[action.server]
        self.at(self.now_s + held_s, self._receive if whole else self.answered, action, answer)

    def _opens(self, action: Request, answer: Outcome) -> bool:
        """Whether the beginning of an archive comes, whatever comes after it."""
        if not isinstance(action, FetchArchive):
            return False
        way = self._ways.get(self._of[action.server])
        return isinstance(answer, Stored) if way is None else way.opens


def _selected(of: Sequence[int]) -> list[e.Event]:
    """Return the first events of a run; projects take turns at the servers of the fleet."""
    at = "0.000"
    started = e.RunStarted(
        at=at, schema_version=e.SCHEMA_VERSION, run_id="r", collector_version="0", host="h",
        user="u", pid=1, argv=(), inventory_path="i", inventory_sha256="0", select=(),
        downloads=8, bytes_per_second=None,
    )  # fmt: skip
    projects = [
        e.ProjectSelected(
            at=at, project=project, id=f"p{project}", name=f"p{project}", endpoint="e",
            credential="a0", directory=f"p{project}", requests_per_second=None,
            exports_in_flight=None, share=1.0,
        )
        for project in range(PROJECTS)
    ]  # fmt: skip
    servers = [
        e.ServerSelected(
            at=at, server=number, project=server % PROJECTS, id=f"s{server}", name=f"s{server}",
            tags={}, directory=f"s{server}", first=False,
        )
        for number, server in enumerate(of)
    ]  # fmt: skip
    return [started, *projects, *servers, e.SelectionEnded(at=at, servers=len(servers))]
