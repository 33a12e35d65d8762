"""One run of the engine in a scenario, and what is measured of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from benchmarks.pacing.driver import Driver, EvenWall, StuckError
from collector.engine import Scheduler
from collector.model import events as e
from collector.model.answers import Problem, ProblemKind
from collector.model.ceilings import Ceilings
from collector.model.state import RunState, apply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.pacing.scenarios import Trial
    from collector.model.actions import Request
    from collector.model.answers import Outcome

DOWNLOADS = 64
EXPORT_S = 100_000.0
"""Ceilings that do not bind."""
LAST_EXPORTS = 20
"""Not counted where polls are: nothing else is left to spend calls on."""
BOUNDS_MOST = 20
"""A run that takes as many times the bound is not waited for."""
CALLS_MOST = 200
"""Nor one that has made as many calls a server: it hammers."""
LATE_S, LATE = 2.0, 0.16
"""How late an end may be noticed: by the one, or by such a part of the duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to, the engine's or a baseline's.

    Attributes:
        wrong: why it did not end well; empty where it did.
        mean_home_s: when a server was home, on average.
        home_at_half: the part of the servers home at half the makespan.
        gates: how many scopes with limits it met.
        polls: a server.
        late_p95: by which part of its duration an export's end was noticed late.
        late_s_p95: the same, in seconds.
        late_to_allowed_p95: the same, to `LATE_S` or `LATE` of the duration, whichever is more.
        home: the part of the servers that was home, in the end or by the deadline.
        finish_gap, share_gap: by how much two projects differ: in when they are home, and in the
            calls each had made when half of all was home.
    """

    wrong: str = ""
    makespan_s: float = math.inf
    mean_home_s: float = math.inf
    home_at_half: float = 0.0
    calls: int = 0
    throttled: int = 0
    gates: int = 0
    polls: float = 0.0
    late_p95: float = 0.0
    late_s_p95: float = 0.0
    late_to_allowed_p95: float = 0.0
    home: float = 0.0
    finish_gap: float = 0.0
    share_gap: float = 0.0

    @property
    def throttled_share(self) -> float:
        """The part of the calls that was refused."""
        return self.throttled / max(1, self.calls)


class Homes(TypedDict):
    """The part of a result that is told from when servers were home."""

    makespan_s: float
    mean_home_s: float
    home_at_half: float


class Measured(Driver):
    """A run that is watched."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.service = trial.service()
        scenario = trial.scenario
        state = RunState()
        for event in _selected(trial):
            apply(state, event)
        exports = {}
        if scenario.stated and scenario.exports_running is not None:
            exports = dict.fromkeys(range(scenario.projects), scenario.exports_running)
        scheduler = Scheduler(
            state, scopes=scenario.scopes,
            ceilings=Ceilings(
                downloads=DOWNLOADS, exports_in_flight=exports, export_s=EXPORT_S,
                deadline_s=scenario.deadline_s,
            ),
            wall_time=EvenWall(), seed=trial.seed, known=trial.known,
        )  # fmt: skip
        super().__init__(scheduler, self.asked, wire=scenario.wire, seed=trial.seed)
        self.homes_s: dict[int, float] = {}
        self.noticed_s: dict[int, float] = {}
        self.passed = [0] * scenario.projects
        self.passed_at_half: list[int] = []
        self.failure = ""

    @property
    def ended_by_deadline(self) -> bool:
        """Whether nothing is wrong but that time was up."""
        return self.finished and self.scheduler.stopped and not self.failure

    def go(self) -> None:
        """Drive the run to its end, or to where it turns out to have none: a failure."""
        until_s = BOUNDS_MOST * self.trial.bound.makespan_s + 60
        try:
            self.run(until_s)
        except StuckError as stuck:
            self.failure = str(stuck)
        else:
            if not self.finished:
                self.failure = f"not at its end after {until_s:.0f} s"

    def asked(self, action: Request, at_s: float) -> Outcome:
        """Return the service's answer to a call that arrives."""
        project = self.trial.scenario.project_of(action.server)
        answer = self.service.answer(action, project, at_s)
        if not isinstance(answer, Problem):
            self.passed[project] += 1
        if self.service.calls > CALLS_MOST * len(self.state.servers):
            raise StuckError(f"{self.service.calls} calls, {self.service.throttled} throttled")
        return answer

    def record(self, events: Iterable[e.Event]) -> None:
        """Make events part of the state, and take note of the time."""
        events = list(events)
        super().record(events)
        for event in events:
            if isinstance(event, e.ExportCompleted):
                self.noticed_s[event.server] = self.now_s - self.wire.journal_s
            elif isinstance(event, e.ArchiveStored):
                self.homes_s[event.server] = self.now_s
                if 2 * len(self.homes_s) >= len(self.state.servers) and not self.passed_at_half:
                    self.passed_at_half = list(self.passed)
            elif isinstance(event, e.ServerFailed):
                self.failure = f"server {event.server} failed: {event.message}"


def simulate(trial: Trial) -> Result:
    """Run the engine through a trial."""
    run = Measured(trial)
    run.go()
    if len(run.homes_s) < len(run.state.servers) and not run.ended_by_deadline:
        home = f"{len(run.homes_s)} of {len(run.state.servers)} home"
        return Result(
            wrong=f"{run.failure or 'ended'}; {home}", calls=run.service.calls,
            throttled=run.service.throttled, gates=run.service.gateway.gates,
        )  # fmt: skip
    late = _late(run)
    finish_gap, share_gap = _gaps(run)
    return Result(
        wrong=run.failure,
        **of_homes(list(run.homes_s.values())),
        calls=run.service.calls,
        throttled=run.service.throttled,
        gates=run.service.gateway.gates,
        polls=_polls(run),
        late_p95=_p95([late_s / duration_s for late_s, duration_s in late]),
        late_s_p95=_p95([late_s for late_s, _ in late]),
        late_to_allowed_p95=_p95(
            [late_s / max(LATE_S, LATE * duration_s) for late_s, duration_s in late]
        ),
        home=len(run.homes_s) / len(run.state.servers),
        finish_gap=finish_gap,
        share_gap=share_gap,
    )


def _late(run: Measured) -> list[tuple[float, float]]:
    """Return how late ends were noticed, each with its duration; at a deadline, what never was."""
    durations_s, began_s = run.trial.durations_s, run.service.began_s
    late = []
    for server, duration_s in enumerate(durations_s):
        noticed_s = run.noticed_s.get(server, run.now_s)
        late_s = noticed_s - began_s[server] - duration_s
        if server in run.noticed_s or late_s > 0:
            late.append((late_s, duration_s))
    return late


def _p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else math.inf


def of_homes(homes_s: list[float]) -> Homes:
    """Return what is told from when servers were home."""
    makespan_s = max(homes_s)
    return {
        "makespan_s": makespan_s,
        "mean_home_s": sum(homes_s) / len(homes_s),
        "home_at_half": sum(at_s <= makespan_s / 2 for at_s in homes_s) / len(homes_s),
    }


def _polls(run: Measured) -> float:
    began_s, durations_s = run.service.began_s, run.trial.durations_s
    by_end = sorted(range(len(began_s)), key=lambda server: began_s[server] + durations_s[server])
    counted = by_end[:-LAST_EXPORTS] if len(by_end) > 2 * LAST_EXPORTS else by_end
    return sum(run.service.polls[server] for server in counted) / len(counted)


def _gaps(run: Measured) -> tuple[float, float]:
    projects = run.trial.scenario.projects
    if projects == 1:
        return 0.0, 0.0
    last_s = [0.0] * projects
    for server, at_s in run.homes_s.items():
        project = run.trial.scenario.project_of(server)
        last_s[project] = max(last_s[project], at_s)
    calls = run.passed_at_half or [1]
    return 1 - min(last_s) / max(last_s), 1 - min(calls) / max(calls)


def _selected(trial: Trial) -> list[e.Event]:
    """Return the first events of the run."""
    scenario, at = trial.scenario, "0.000"
    started = e.RunStarted(
        at=at, schema_version=e.SCHEMA_VERSION, run_id="r", collector_version="0", host="h",
        user="u", pid=1, argv=(), inventory_path="i", inventory_sha256="0", select=(),
        downloads=DOWNLOADS, bytes_per_second=None,
    )  # fmt: skip
    projects = [
        e.ProjectSelected(
            at=at, project=project, id=f"p{project}", name=f"p{project}", endpoint="e",
            credential=f"a{project % scenario.accounts}", directory=f"p{project}",
            requests_per_second=None,
            exports_in_flight=scenario.exports_running if scenario.stated else None, share=1.0,
        )
        for project in range(scenario.projects)
    ]  # fmt: skip
    servers = [
        e.ServerSelected(
            at=at, server=server, project=scenario.project_of(server), id=f"s{server}",
            name=f"s{server}", tags={}, directory=f"s{server}", first=False,
        )
        for server in range(scenario.servers)
    ]  # fmt: skip
    return [started, *projects, *servers, e.SelectionEnded(at=at, servers=len(servers))]


def is_throttled(answer: Outcome) -> bool:
    """Tell whether a call was refused for a limit."""
    return isinstance(answer, Problem) and answer.kind is ProblemKind.THROTTLED
