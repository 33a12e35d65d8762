"""How far can the time left be believed that a run tells of itself?

Whole runs in virtual time, looked at every second as a terminal does. At 5, 25, 50, 75 and 95 % of
each: does the true rest lie within the range that was told, and how wide is that?
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.pacing.driver import Driver, Wire
from benchmarks.pacing.gateway import Limit, Neighbour
from benchmarks.pacing.scenarios import Scenario, Trial
from collector.engine import Scheduler
from collector.model import events as e
from collector.model.actions import FetchArchive, StartExport
from collector.model.answers import (
    ArchiveOpened,
    BytesArrived,
    BytesConsumed,
    PartBegun,
    Problem,
    ProblemKind,
    ScopeKind,
    Stored,
)
from collector.model.ceilings import Ceilings
from collector.model.state import RunState, apply
from collector.report.glance import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.actions import Request
    from collector.model.answers import Outcome
    from collector.report.glance import TimeLeft

EPOCH = datetime(2027, 1, 15, 8, tzinfo=UTC)
PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)
COVERED, WIDTH = 0.8, 2.0
"""What is wanted from 25 % on: so many of the true rests within the range, half of the ranges no
wider than this, high over low."""
LOOKS_S = 1.0
OBSERVED_S = 5.0
LONGEST_S = 40_000.0


class Wall:
    """A wall's clock that runs evenly beside the engine's."""

    def stamp(self, now_s: float) -> str:
        """Return a time as the journal writes it."""
        at = EPOCH + timedelta(seconds=now_s)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"

    def of_unix(self, at_s: float) -> str:
        """Return a time of the wall's."""
        return self.stamp(at_s - EPOCH.timestamp())

    def age_s(self, at: str, now_s: float) -> float:
        """Return how long ago a time was."""
        return max(0.0, now_s - (datetime.fromisoformat(at) - EPOCH).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run to look at.

    Attributes:
        of: fleet and limits, as those of `pacing/`.
        sizes: median of the archives' bytes, and the spread of their logarithms.
        per_download, per_run: bytes a second that one download brings, and all together.
        failing: the part of the calls that the service fails.
        broken: the part of the servers whose exports fail.
        down_s: from when to when the endpoint answers nobody.
        deadline_s: seconds after which the run ends.
        joined: the part of the run after which it is looked at first, as `status --watch` does.
    """

    of: Scenario
    sizes: tuple[float, float] = (2e6, 0.5)
    per_download: float = 5e6
    per_run: float = 100e6
    failing: float = 0.0
    broken: float = 0.0
    down_s: tuple[float, float] = (math.inf, math.inf)
    deadline_s: float | None = None
    joined: float = 0.0


def _case(name: str, limits: tuple[Limit, ...] = (), **others: object) -> Case:
    of_case = {name: others.pop(name) for name in list(others) if name in Case.__slots__}
    scenario = Scenario(name=name, kind="time left", limits=limits, **others)  # type: ignore[arg-type]  # by name
    return Case(of=scenario, **of_case)  # type: ignore[arg-type]  # by name


def _user(limit: int, window_s: float = 1.0, **others: object) -> tuple[Limit, ...]:
    return (Limit(ScopeKind.USER, limit, window_s, **others),)  # type: ignore[arg-type]  # by name


CASES = (
    _case("told limit, 20/s", _user(20, windows="fixed"), servers=1500),
    _case("told limit, calls only", _user(10), servers=1500, exports_s=(5.0, 60.0)),
    _case("bare 429, 10/s", _user(10), servers=1500, shape="bare", exports_s=(20.0, 300.0)),
    _case("bare 429, 300/min", _user(300, 60.0), servers=1000, shape="bare"),
    _case("no limit, slow exports", servers=800, exports_s=(600.0, 3600.0)),
    _case("no limit, equal exports", servers=800, exports_s=(280.0, 320.0)),
    _case("heavy tail", _user(30), servers=1000, exports_s=(15.0, 4000.0)),
    _case("heavy tail, remembered", _user(30), servers=1000, exports_s=(15.0, 4000.0),
          remembered=True),
    _case("limit halved", _user(20), servers=2000, changes=((0.4, 0.5),), exports_s=(20.0, 300.0)),
    _case("limit doubled", _user(10), servers=1500, shape="bare", changes=((0.3, 2.0),),
          exports_s=(20.0, 300.0)),
    _case("neighbour", _user(20, neighbour=Neighbour()), servers=1500, exports_s=(20.0, 300.0)),
    _case("40 projects of all sizes", (Limit(ScopeKind.PROJECT, 2, 1.0),), servers=2000,
          projects=40, exports_s=(20.0, 300.0)),
    _case("50 exports at once", _user(50), servers=800, exports_running=50, stated=True,
          exports_s=(20.0, 200.0)),
    _case("50 exports at once, untold", servers=800, exports_running=50, exports_s=(20.0, 200.0)),
    _case("large archives", _user(50), servers=600, sizes=(150e6, 0.8), exports_s=(20.0, 120.0)),
    _case("a thin line", _user(50), servers=600, sizes=(20e6, 1.0), per_run=6e6,
          exports_s=(20.0, 300.0)),
    _case("faults", _user(20), servers=1500, failing=0.05, broken=0.05, exports_s=(20.0, 300.0)),
    _case("endpoint down for 3 min", _user(20), servers=1500, down_s=(120.0, 300.0),
          exports_s=(20.0, 300.0)),
    _case("20 servers", servers=20),
    _case("joined in the middle", _user(10), servers=1500, joined=0.4, exports_s=(20.0, 300.0)),
    _case("deadline", _user(10), servers=2000, deadline_s=300.0, exports_s=(20.0, 100.0)),
)  # fmt: skip


class Looked(Driver):
    """A run that tells after every second how long it will still take."""

    def __init__(self, case: Case, seed: int, joined_s: float = 0.0) -> None:
        self.case = case
        scenario = case.of
        trial = Trial(scenario, seed)
        self._service = trial.service()
        self._luck = random.Random(f"luck {seed}")  # noqa: S311  # a simulation
        self._of_servers = random.Random(f"sizes {seed}")  # noqa: S311  # a simulation
        middle, spread = case.sizes
        self._sizes = [
            int(middle * math.exp(spread * self._of_servers.gauss(0, 1)))
            for _ in range(scenario.servers)
        ]
        self._broken = [self._of_servers.random() < case.broken for _ in range(scenario.servers)]
        self._active = 0
        self._joined_s = joined_s
        self.told: list[tuple[float, TimeLeft | None]] = []
        state = RunState()
        for event in _selected(case):
            apply(state, event)
        exports = {}
        if scenario.stated and scenario.exports_running is not None:
            exports = dict.fromkeys(range(scenario.projects), scenario.exports_running)
        deadline_s = math.inf if case.deadline_s is None else case.deadline_s
        scheduler = Scheduler(
            state, scopes=scenario.scopes, wall_time=Wall(), seed=seed, known=trial.known,
            ceilings=Ceilings(downloads=8, exports_in_flight=exports, deadline_s=deadline_s,
                              export_s=36_000.0),
        )  # fmt: skip
        super().__init__(
            scheduler, self._asked, wire=Wire(), seed=seed, observed_every_s=OBSERVED_S
        )

    def go(self) -> float:
        """Drive the run to its end; return when that was."""
        watch: Watch | None = None
        while not self.finished:
            self.run(self.now_s + LOOKS_S)
            if self.now_s > LONGEST_S:
                raise RuntimeError(f"{self.case.of.name} has no end")
            if not self.finished and self.now_s >= self._joined_s:
                watch = watch or Watch(self.state)
                now = EPOCH + timedelta(seconds=self.now_s)
                self.told.append((self.now_s, watch.glance(now).time_left))
        return self.now_s

    def _asked(self, action: Request, at_s: float) -> Outcome:
        begins_s, ends_s = self.case.down_s
        if begins_s <= at_s < ends_s:
            return Problem(ProblemKind.NOT_SENT, "connection refused")
        if self._luck.random() < self.case.failing:
            return Problem(ProblemKind.SERVICE_FAILED, "try again", http_status=500)
        server = action.server
        if self._broken[server] and isinstance(action, StartExport):
            return Problem(ProblemKind.UNKNOWN_SERVER, "no such server", http_status=404)
        answer = self._service.answer(action, self.case.of.project_of(server), at_s)
        return replace(answer, bytes=self._sizes[server]) if isinstance(answer, Stored) else answer

    def _hear(self, action: Request, answer: Outcome) -> None:
        if not (isinstance(action, FetchArchive) and isinstance(answer, Stored)):
            self.answered(action, answer)
            return
        self._active += 1
        size = self._sizes[action.server]
        took_s = size / min(self.case.per_download, self.case.per_run / self._active)
        self.scheduler.answered(action, ArchiveOpened(), self.now_s)
        begun = PartBegun("a.tar.gz", size, None, continues=False)
        self.record(self.scheduler.answered(action, begun, self.now_s))
        times = max(1, min(200, int(took_s)))
        for number in range(1, times + 1):
            self.at(self.now_s + took_s * number / times, self._come, action, size // times)
        self.at(self.now_s + took_s, self._receive, action, answer)

    def _come(self, action: FetchArchive, size: int) -> None:
        self.scheduler.answered(action, BytesArrived(size), self.now_s)
        self.scheduler.answered(action, BytesConsumed(), self.now_s)

    def _receive(self, action: FetchArchive, answer: Outcome) -> None:
        self._active -= 1
        super()._receive(action, answer)


def _selected(case: Case) -> Iterator[e.Event]:
    scenario, at = case.of, Wall().stamp(0)
    yield e.RunStarted(
        at=at, schema_version=e.SCHEMA_VERSION, run_id="r", collector_version="0", host="h",
        user="u", pid=1, argv=(), inventory_path="i", inventory_sha256="0", select=(),
        downloads=8, bytes_per_second=None,
    )  # fmt: skip
    for project in range(scenario.projects):
        yield e.ProjectSelected(
            at=at, project=project, id=f"p{project}", name=f"p{project}", endpoint="e",
            credential=f"a{project % scenario.accounts}", directory=f"p{project}",
            requests_per_second=None,
            exports_in_flight=scenario.exports_running if scenario.stated else None, share=1.0,
        )  # fmt: skip
    for server in range(scenario.servers):
        yield e.ServerSelected(
            at=at, server=server, project=scenario.project_of(server), id=f"s{server}",
            name=f"s{server}", tags={}, directory=f"s{server}", first=False,
        )  # fmt: skip
    yield e.SelectionEnded(at=at, servers=scenario.servers)
    deadline_at = None if case.deadline_s is None else Wall().stamp(case.deadline_s)
    yield e.RunEstimated(
        at=at, servers=scenario.servers, seconds=1.0, requests=3 * scenario.servers, bytes=0,
        deadline_at=deadline_at,
    )  # fmt: skip


@dataclass(slots=True)
class Sample:
    """What was told at a part of a run, and what was true."""

    part: float
    rest_s: float
    told: TimeLeft | None

    @property
    def is_covered(self) -> bool:
        """Whether the rest lies within the range."""
        told = self.told
        return told is not None and told.low_s <= self.rest_s <= told.high_s

    @property
    def width(self) -> float:
        """How wide the range is, high over low."""
        return self.told.high_s / max(1.0, self.told.low_s) if self.told else math.inf


def samples(case: Case, seed: int) -> Iterator[Sample]:
    """Drive one run, and yield what it told."""
    joined_s = 0.0
    if case.joined:
        joined_s = case.joined * Looked(case, seed).go()
    run = Looked(case, seed, joined_s)
    ended_s = run.go()
    for part in PARTS:
        at_s, told = min(run.told, key=lambda one: abs(one[0] - part * ended_s))
        if part >= case.joined:
            yield Sample(part, ended_s - at_s, told)


def main() -> int:
    """Print a table; return 1 where less is covered, or ranges are wider, than is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    by_part: dict[float, list[Sample]] = defaultdict(list)
    print(f"| run | {' | '.join(f'{part:.0%}' for part in PARTS)} |\n|{'---|' * (1 + len(PARTS))}")
    for case in CASES:
        if arguments.only and arguments.only not in case.of.name:
            continue
        of_case: dict[float, list[Sample]] = defaultdict(list)
        for seed in range(1, arguments.seeds + 1):
            for sample in samples(case, seed):
                of_case[sample.part].append(sample)
                by_part[sample.part].append(sample)
        cells = [_cell(of_case[part], verbose=arguments.verbose) for part in PARTS]
        print(f"| {case.of.name} | {' | '.join(cells)} |", flush=True)
    print(f"| all | {' | '.join(_cell(by_part[part]) for part in PARTS)} |")
    later = [one for part, some in by_part.items() if part >= PARTS[1] for one in some]
    covered = sum(one.is_covered for one in later) / len(later)
    width = median(one.width for one in later)
    print(f"\nfrom 25 % on: {covered:.0%} covered (wanted {COVERED:.0%}), a median width of "
          f"{width:.2f} (wanted {WIDTH:g} at most)")  # fmt: skip
    return int(covered < COVERED or width > WIDTH)


def _cell(some: list[Sample], *, verbose: bool = False) -> str:
    if not some:
        return ""
    if verbose:
        return "; ".join(
            f"{one.rest_s:.0f} in "
            + (f"{one.told.low_s:.0f}-{one.told.high_s:.0f}" if one.told else "?")
            for one in some
        )
    covered = sum(one.is_covered for one in some)
    return f"{covered}/{len(some)}, {median(one.width for one in some):.2f}"


if __name__ == "__main__":
    sys.exit(main())
