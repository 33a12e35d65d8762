"""How many steps a second does the engine make, and how does a step's cost grow with the fleet?

A step is one answer in and all events and actions that follow from it out, pacing and prediction
included: `answered`, `apply` of each event, `due`, `apply` of each intent. The engine runs alone on
one core, in virtual time, against a service that answers 20 ms later: exports take 5 to 25 s, and
statuses that come before say so, with a percentage. Once no limit is told, and once one is.

`one by one` asks what is due after each answer: this is what is held to the limits. `batched` asks
every 5 ms, as the program does under load. The time that the service itself takes is measured
apart and left out.

And what does a step cost where each of 10,000 servers has an endpoint of its own, as management
controllers do? That is compared with one endpoint that has as many, the cheapest of a few runs of
each in turn. Ends with 1 where a limit does not hold.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector import clock
from collector.engine import Scheduler
from collector.model import events as e
from collector.model.actions import AskStatus, FetchArchive, GiveUp, StartExport
from collector.model.answers import (
    NO_METADATA,
    ArchiveOpened,
    ArchiveReceived,
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    Outcome,
    ResponseMetadata,
    Scope,
    ScopeKind,
    Stored,
)
from collector.model.ceilings import Ceilings
from collector.model.state import RunState, apply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.actions import Request

STEPS_A_SECOND = 40_000
GROWTH = 2.5
SMALL, LARGE = 1_000, 100_000
ENDPOINTS, ENDPOINTS_COST = 10_000, 1.5
PAIRS = 3
LATENCY_S = 0.02
BATCH_S = 0.005
TOLD = LimitTold(ScopeKind.USER, 200, 1.0)
"""So low that it binds at either size."""
AT = "2026-11-24T00:00:00.000Z"


@dataclass(slots=True)
class Service:
    """Answers at once, from what it keeps of each export; as cheap as can be.

    Attributes:
        limit: told with the first answer to each kind of call; None where there is none to tell.
    """

    limit: LimitTold | None
    _asked: set[Call] = field(default_factory=set)
    _began_s: dict[str, float] = field(default_factory=dict)

    def answer(self, action: Request, now_s: float) -> Outcome:
        """Answer a call."""
        metadata = NO_METADATA
        if action.call not in self._asked:
            self._asked.add(action.call)
            metadata = ResponseMetadata(limits=(self.limit,)) if self.limit else NO_METADATA
        if isinstance(action, StartExport):
            export_id = str(action.server)
            self._began_s[export_id] = now_s
            return ExportSaid(export_id, ExportState.RUNNING, "running", metadata=metadata)
        if isinstance(action, AskStatus):
            part = (now_s - self._began_s[action.export_id]) / (5.0 + action.server * 7 % 20)
            if part >= 1:
                return ExportSaid(
                    action.export_id, ExportState.COMPLETED, "done", metadata=metadata
                )
            percent = float(int(part * 100))
            return ExportSaid(
                action.export_id, ExportState.RUNNING, "running", percent=percent, metadata=metadata
            )
        return Stored("bms-logs.tar.gz", 4096, "0" * 64, 3, 1.7e9, 1.7e9, metadata=metadata)


class Drive:
    """A run from its first event to its last, driven by hand.

    Args:
        servers: of the run.
        projects: that they are spread over.
        limit: that the service tells, if it does.
        apart: each project has an endpoint and an account of its own.
    """

    def __init__(
        self, servers: int, projects: int, limit: LimitTold | None, *, apart: bool = False
    ) -> None:
        self._apart = apart
        self.state = RunState()
        for event in _selected(servers, projects, apart=apart):
            apply(self.state, event)
        self.scheduler = Scheduler(
            self.state,
            scopes=self._scopes,
            ceilings=Ceilings(downloads=64),
            wall_time=clock.WallClock(),
            seed=1,
        )
        self.service = Service(limit)
        self.answered: list[tuple[Request, float]] = []
        self._out: deque[tuple[float, Request]] = deque()  # all take equally long

    def run(self, *, batch_s: float) -> float:
        """Run to the end; return seconds of CPU.

        Args:
            batch_s: for how long answers gather before anybody asks what is due; 0: each alone.
        """
        scheduler, out = self.scheduler, self._out
        now_s = 0.0
        began_s = time.process_time()
        while True:
            due = scheduler.due(now_s)
            for action in due.actions:
                if action.intent is not None:
                    self._record(action.intent)
                if not isinstance(action, GiveUp):
                    out.append((now_s + LATENCY_S, action))
            if due.finished:
                return time.process_time() - began_s
            if out and out[0][0] <= due.wake_s:
                now_s = max(now_s, out[0][0] + batch_s)
                self._hear(*out.popleft())
                while batch_s and out and out[0][0] <= now_s:
                    self._hear(*out.popleft())
            else:
                now_s = max(now_s, due.wake_s)

    def _hear(self, now_s: float, action: Request) -> None:
        self.answered.append((action, now_s))
        answer = self.service.answer(action, now_s)
        if isinstance(action, FetchArchive):
            self.scheduler.answered(action, ArchiveOpened(answer.metadata), now_s)
            self.scheduler.answered(action, ArchiveReceived(), now_s)
        for event in self.scheduler.answered(action, answer, now_s):
            self._record(event)

    def _record(self, event: e.Event) -> None:
        apply(self.state, event)
        self.scheduler.applied(event)

    def service_s(self) -> float:
        """Return seconds of CPU that the service and the queue of calls take for as many."""
        service, out = Service(self.service.limit), self._out
        began_s = time.process_time()
        for action, now_s in self.answered:
            out.append((now_s, action))
            service.answer(action, now_s)
            out.popleft()
        return time.process_time() - began_s

    def _scopes(self, project: int, call: Call) -> tuple[Scope, ...]:
        endpoint = _endpoint(project, apart=self._apart)
        return (
            Scope(ScopeKind.API, f"{call} at {endpoint}"),
            Scope(ScopeKind.USER, f"account at {endpoint}"),
            Scope(ScopeKind.APP, f"credential at {endpoint}"),
            Scope(ScopeKind.IP, endpoint),
            Scope(ScopeKind.PROJECT, f"p{project} at {endpoint}"),
            Scope(ScopeKind.ENDPOINT, endpoint),
        )


def _endpoint(project: int, *, apart: bool) -> str:
    return f"e{project}" if apart else "e"


def _selected(servers: int, projects: int, *, apart: bool) -> Iterator[e.Event]:
    yield e.RunStarted(
        at=AT, schema_version=1, run_id="r", collector_version="0", host="h", user="u", pid=1,
        argv=(), inventory_path="i", inventory_sha256="0", select=(), downloads=64,
        bytes_per_second=None,
    )  # fmt: skip
    for project in range(projects):
        yield e.ProjectSelected(
            at=AT, project=project, id=f"p{project}", name=f"p{project}",
            endpoint=_endpoint(project, apart=apart), credential="credential",
            directory=f"p{project}", requests_per_second=None, exports_in_flight=None, share=0.95,
        )  # fmt: skip
    for server in range(servers):
        project = server % projects
        yield e.ServerSelected(
            at=AT, server=server, project=project, id=f"s{server}", name=f"bms-{server}",
            tags={}, directory=f"p{project}/bms-{server}", first=False,
        )  # fmt: skip
    yield e.SelectionEnded(at=AT, servers=servers)


def step_s(
    servers: int, projects: int, limit: LimitTold | None, batch_s: float, runs: int
) -> tuple[float, float, float]:
    """Return the seconds of a step, median of runs; those of the service; and steps a server."""
    costs, services = [], []
    for _ in range(runs):
        drive = Drive(servers, projects, limit)
        took_s = drive.run(batch_s=batch_s)
        if drive.state.collected != servers:
            raise RuntimeError(f"{drive.state.collected} of {servers} servers were collected")
        steps = len(drive.answered)
        services.append(drive.service_s() / steps)
        costs.append(took_s / steps - services[-1])
    return statistics.median(costs), statistics.median(services), steps / servers


def endpoints_cost(projects: int) -> tuple[float, float]:
    """Return the seconds of a step with one endpoint, and with one for each server."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(PAIRS):
        for apart, taken in costs.items():
            drive = Drive(ENDPOINTS, ENDPOINTS if apart else projects, None, apart=apart)
            took_s = drive.run(batch_s=0.0)
            if drive.state.collected != ENDPOINTS:
                raise RuntimeError(f"{drive.state.collected} of {ENDPOINTS} were collected")
            taken.append((took_s - drive.service_s()) / len(drive.answered))
            del drive
            gc.collect()
    return min(costs[False]), min(costs[True])


def main() -> int:
    """Print the table, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--only-endpoints", action="store_true", help="leave out the growth")
    arguments = parser.parse_args()
    gc.set_threshold(100_000, 50, 100)  # as collect does it
    print(
        f"steps: wanted one by one at {LARGE:,} servers: at least {STEPS_A_SECOND:,} a second, and "
        f"a cost of less than {GROWTH:g} times that at {SMALL:,}"
    )
    holds = True
    for limit in () if arguments.only_endpoints else (None, TOLD):
        for batch_s in (0.0, BATCH_S):
            small_s, _, _ = step_s(SMALL, arguments.projects, limit, batch_s, runs=9)
            large_s, service_s, steps = step_s(LARGE, arguments.projects, limit, batch_s, runs=1)
            told = f"{limit.limit} a second told" if limit else "no limit"
            print(
                f"{told:>19}, {'batched' if batch_s else 'one by one':10}: {1 / small_s:8,.0f} a "
                f"second at {SMALL:,} servers, {1 / large_s:8,.0f} at {LARGE:,}: cost "
                f"{large_s / small_s:.2f}x; {steps:.1f} steps a server; left out for the service "
                f"{service_s * 1e6:.1f} us of {(large_s + service_s) * 1e6:.1f} us"
            )
            if not batch_s:
                holds &= 1 / large_s >= STEPS_A_SECOND and large_s < GROWTH * small_s
    one_s, many_s = endpoints_cost(arguments.projects)
    print(
        f"{ENDPOINTS:,} endpoints of one server: {1 / many_s:,.0f} a second, "
        f"with one endpoint {1 / one_s:,.0f}: cost {many_s / one_s:.2f}x, to be {ENDPOINTS_COST:g}"
    )
    return int(not holds or many_s >= ENDPOINTS_COST * one_s)


if __name__ == "__main__":
    sys.exit(main())
