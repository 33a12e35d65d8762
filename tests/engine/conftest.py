"""A fleet in a virtual second: the engine driven by hand, with no sleep and no wire."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from collector.engine import events as e
from collector.engine.actions import FetchArchive, GiveUp, StartExport
from collector.engine.answers import (
    Answer,
    Call,
    ExportSaid,
    ExportState,
    Heard,
    LimitTold,
    Problem,
    ProblemKind,
    Scope,
    ScopeKind,
    Stored,
)
from collector.engine.gates import Ceilings
from collector.engine.scheduler import Scheduler
from collector.engine.state import RunState, apply

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.actions import Request

EPOCH_S = 1_800_000_000.0


class SimulatedWall:
    """The engine's clock began at `EPOCH_S`."""

    def stamp(self, now_s: float) -> str:
        return self.of_unix(EPOCH_S + now_s)

    def of_unix(self, at_s: float) -> str:
        at = datetime.fromtimestamp(at_s, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"

    def age_s(self, at: str, now_s: float) -> float:
        return max(0.0, EPOCH_S + now_s - datetime.fromisoformat(at).timestamp())


def selected(projects: int = 1, servers: int = 10, **limits: float) -> list[e.Event]:
    """The first events of a run."""
    at = SimulatedWall().stamp(0)
    events: list[e.Event] = [
        e.RunStarted(
            at=at, schema_version=1, run_id="r", collector_version="0", host="h", user="u", pid=1,
            argv=(), inventory_path="i", inventory_sha256="0", select=(), downloads=8,
            bytes_per_second=None,
        )
    ]  # fmt: skip
    for project in range(projects):
        events.append(
            e.ProjectSelected(
                at=at, project=project, id=f"p{project}", name=f"p{project}", endpoint="http://e",
                credential="ops", directory=f"p{project}",
                requests_per_second=limits.get("requests_per_second"),
                exports_in_flight=int(limits["exports_in_flight"])
                if "exports_in_flight" in limits
                else None,
                share=limits.get("share", 1.0),
            )
        )  # fmt: skip
    events += [
        e.ServerSelected(
            at=at, server=server, project=server % projects, id=f"s{server}", name=f"s{server}",
            tags={}, directory=f"p{server % projects}/s{server}", first=False,
        )
        for server in range(servers)
    ]  # fmt: skip
    events.append(e.SelectionEnded(at=at, servers=servers))
    return events


def scopes_of(project: int, call: Call) -> tuple[Scope, ...]:
    return (
        Scope(ScopeKind.API, f"e {call}"),
        Scope(ScopeKind.USER, "acme"),
        Scope(ScopeKind.APP, "ops"),
        Scope(ScopeKind.IP, "e"),
        Scope(ScopeKind.PROJECT, f"p{project}"),
        Scope(ScopeKind.ENDPOINT, "e"),
    )


@dataclass
class Service:
    """A service with a hidden limit: `limit` calls of the account in any `window_s`."""

    limit: int | None = None
    window_s: float = 1.0
    tells: bool = True
    duration_s: float = 5.0
    latency_s: float = 0.02
    script: dict[tuple[int, Call], list[Problem]] = field(default_factory=dict)
    calls: Counter[Call] = field(default_factory=Counter)
    throttled: int = 0
    starts: Counter[int] = field(default_factory=Counter)
    completes: dict[str, float] = field(default_factory=dict)
    passed: deque[float] = field(default_factory=deque)
    ids: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    def answer(self, action: Request, now_s: float) -> Answer:
        self.calls[action.call] += 1
        if self.limit is not None:
            while self.passed and self.passed[0] <= now_s - self.window_s:
                self.passed.popleft()
            if len(self.passed) >= self.limit:
                self.throttled += 1
                return self._refusal()
            self.passed.append(now_s)
        if scripted := self.script.get((action.server, action.call)):
            return scripted.pop(0)
        if isinstance(action, StartExport):
            self.starts[action.server] += 1
            export_id = f"x{self.ids()}"
            self.completes[export_id] = now_s + self.duration_s
            return ExportSaid(export_id, ExportState.RUNNING, "Running")
        if isinstance(action, FetchArchive):
            return Stored("a.tar.gz", 10, "ab", 1, EPOCH_S, EPOCH_S)
        done = now_s >= self.completes[action.export_id]
        state = ExportState.COMPLETED if done else ExportState.RUNNING
        return ExportSaid(action.export_id, state, state)

    def _refusal(self) -> Problem:
        told = (LimitTold(ScopeKind.USER, self.limit or 0, self.window_s),) if self.tells else ()
        by = ScopeKind.USER if self.tells else None
        return Problem(
            ProblemKind.THROTTLED, "slow down", http_status=429, throttled_by=by,
            heard=Heard(limits=told),
        )  # fmt: skip


@dataclass
class Simulation:
    """A run against a service, in virtual time; `events` is its journal."""

    service: Service
    events: list[e.Event]
    ceilings: Ceilings = field(default_factory=Ceilings)
    state: RunState = field(default_factory=RunState)
    now_s: float = 0.0
    sent: list[tuple[float, Request]] = field(default_factory=list)
    exports_at_once: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        for event in self.events:
            apply(self.state, event)
        self.scheduler = Scheduler(
            self.state, scopes=scopes_of, ceilings=self.ceilings, wall=SimulatedWall(),
            seed=self.seed,
        )  # fmt: skip

    def record(self, events: list[e.Event]) -> None:
        self.events += events
        for event in events:
            apply(self.state, event)

    def run(self, until_s: float = 100_000.0) -> Simulation:
        """Drive the run to its end, or to a time."""
        jitter = random.Random(self.seed)  # noqa: S311  # a simulation
        wire: list[tuple[float, int, Request, Answer]] = []
        order = itertools.count()
        while self.now_s < until_s:
            due = self.scheduler.due(self.now_s)
            if due.finished:
                break
            for action in due.actions:
                if action.intent is not None:
                    self.record([action.intent])
                if isinstance(action, GiveUp):
                    continue
                self.sent.append((self.now_s, action))
                arrives_s = self.now_s + self.service.latency_s * jitter.uniform(0.4, 0.6)
                answer = self.service.answer(action, arrives_s)
                back_s = arrives_s + self.service.latency_s / 2
                heapq.heappush(wire, (back_s, next(order), action, answer))
            self.exports_at_once = max(
                self.exports_at_once,
                sum(row.phase in ("requested", "exporting") for row in self.state.servers),
            )
            if due.actions and isinstance(due.actions[0], GiveUp):
                continue
            next_s = min(due.wake_s, wire[0][0] if wire else float("inf"))
            assert next_s > self.now_s or wire, "the scheduler asked to be asked again at once"
            self.now_s = max(self.now_s, next_s)
            while wire and wire[0][0] <= self.now_s:
                _, _, action, answer = heapq.heappop(wire)
                self.record(self.scheduler.answered(action, answer, self.now_s))
        self.record(self.scheduler.observed(self.now_s))
        return self


@pytest.fixture
def folded() -> Callable[[list[e.Event]], RunState]:
    """The state that a journal of these events gives."""

    def fold(events: list[e.Event]) -> RunState:
        state = RunState()
        for event in events:
            apply(state, event)
        return state

    return fold
