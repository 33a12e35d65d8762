"""How far can the time left be believed that a run tells of itself?

Whole runs in virtual time, looked at as a terminal does, every second or so. At 5, 25, 50, 75 and
95 % of each: does the true rest lie within the range that was told, and how wide is that?
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.pacing.driver import Driver, Wire
from benchmarks.pacing.gateway import Limit, Neighbour
from benchmarks.pacing.scenarios import Scenario, Trial
from benchmarks.pacing.service import distribution
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
from collector.model.state import Phase, RunState, apply
from collector.report.glance import TimeLeft, Watch
from collector.report.slowest_export import Group, Running, latest_s
from collector.report.time_left import EARLY, LATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.model.actions import Request
    from collector.model.answers import Outcome

EPOCH = datetime(2027, 1, 15, 8, tzinfo=UTC)
PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)
COVERED, WIDTH = 0.8, 2.0
"""What is wanted from 25 % on: so many of the true rests within the range, half of the ranges no
wider than this, high over low."""
LOOKS_S = 1.0
LOOKS_MOST = 1_000
"""A long run is looked at less often, so that this takes no longer."""
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
        by_chance: how long the slowest export takes decides when it ends.
        archives: median of the archives' bytes, and the spread of their logarithms.
        per_download, per_run: bytes a second that one download brings, and all together.
        failing: the part of the calls that the service fails.
        broken: the part of the servers whose exports fail.
        down_s: from when to when the endpoint answers nobody.
        deadline_s: seconds after which the run ends.
        joined: the part of the run after which it is looked at first, as `status --watch` does.
    """

    of: Scenario
    by_chance: bool = False
    archives: tuple[float, float] = (2e6, 0.5)
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


SHORT = (20.0, 120.0)
"""One export in a hundred is shorter than the one, and one longer than the other."""
CASES = (
    # What allows calls, exports or bytes sets the pace.
    _case("a limit that is told, 20/s", _user(20, windows="fixed"), servers=3000, exports_s=SHORT),
    _case("bare 429s, 10/s", _user(10), servers=1500, shape="bare", exports_s=SHORT),
    _case("bare 429s, 300 in a minute", _user(300, 60.0), servers=1000, shape="bare",
          exports_s=SHORT),
    _case("the limit is halved", _user(20), servers=2500, changes=((0.4, 0.5),), exports_s=SHORT),
    _case("the limit is doubled, untold", _user(10), servers=2000, shape="bare",
          changes=((0.3, 2.0),), exports_s=SHORT),
    _case("a neighbour takes half now and then", _user(20, neighbour=Neighbour()), servers=2000,
          exports_s=SHORT),
    _case("40 projects, 2/s each", (Limit(ScopeKind.PROJECT, 2, 1.0),), servers=4000,
          projects=40, sizes=(1, 1, 2, 3), exports_s=SHORT),
    _case("50 exports at once", _user(50), servers=800, exports_running=50, stated=True,
          exports_s=(20.0, 200.0)),
    _case("50 exports at once, untold", servers=800, exports_running=50, exports_s=(20.0, 200.0)),
    _case("large archives", _user(50), servers=600, archives=(150e6, 0.8), exports_s=SHORT),
    _case("a thin line", _user(50), servers=600, archives=(20e6, 1.0), per_run=6e6,
          exports_s=SHORT),
    _case("one call in 20 fails, one server in 20", _user(20), servers=2500, failing=0.05,
          broken=0.05, exports_s=SHORT),
    _case("the endpoint is down for 3 min", _user(20), servers=2500, down_s=(120.0, 300.0),
          exports_s=SHORT),
    _case("looked at from 40 % on", _user(10), servers=1500, joined=0.4, exports_s=SHORT),
    _case("a deadline", _user(10), servers=2000, deadline_s=300.0, exports_s=SHORT),
    # The slowest export ends the run.
    _case("the slowest of 1,500, 20/s", _user(20), servers=1500, by_chance=True),
    _case("the slowest of 800, of an hour", servers=800, exports_s=(600.0, 3600.0),
          by_chance=True),
    _case("800 equal exports of 5 min", servers=800, exports_s=(280.0, 320.0), by_chance=True),
    _case("a heavy tail", _user(30), servers=1000, exports_s=(15.0, 4000.0), by_chance=True),
    _case("a heavy tail, remembered", _user(30), servers=1000, exports_s=(15.0, 4000.0),
          remembered=True, by_chance=True),
    _case("20 servers", servers=20, by_chance=True),
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
        middle, spread = case.archives
        self._sizes = [
            int(middle * math.exp(spread * self._of_servers.gauss(0, 1)))
            for _ in range(scenario.servers)
        ]
        self._broken = [self._of_servers.random() < case.broken for _ in range(scenario.servers)]
        self._active = 0
        self.joined_s = joined_s
        self.told: list[tuple[float, TimeLeft | None, TimeLeft | None]] = []
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

    def go(self, looks_s: Sequence[float] = ()) -> float:
        """Drive the run to its end; return when that was.

        Args:
            looks_s: when to take note of what is told.
        """
        watch: Watch | None = None
        left = sorted(looks_s)
        apart_s = max(LOOKS_S, left[-1] / LOOKS_MOST) if left else LOOKS_S
        while not self.finished:
            self.run(self.now_s + apart_s)
            if self.now_s > LONGEST_S:
                raise RuntimeError(f"{self.case.of.name} has no end")
            if left and self.now_s >= self.joined_s:
                watch = watch or Watch(self.state)
                told = watch.glance(EPOCH + timedelta(seconds=self.now_s)).time_left
                if self.now_s >= left[0]:
                    left.pop(0)
                    self.told.append((self.now_s, told, self._by_chance()))
        return self.now_s

    def _by_chance(self) -> TimeLeft | None:
        """Return what could be told by whoever knows how long exports take, by chance."""
        if not self.case.by_chance:
            return None
        rows, scenario = self.state.servers, self.case.of
        queued = sum(row.phase is Phase.QUEUED for row in rows)
        running = [
            Running(self.now_s - self._service.began_s[row.server], 1.0)
            for row in rows
            if row.phase is Phase.EXPORTING
        ]
        middle_s, spread = distribution(*scenario.exports_s)
        group = Group(middle_s, spread, 1 << 60, len(rows) - queued, queued, [], running)
        rate = scenario.limits[0].rate if scenario.limits else 100.0
        low_s, high_s = (latest_s([group.off(0)], queued / rate, one) for one in (EARLY, LATE))
        return TimeLeft(low_s, high_s)

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
    chance: TimeLeft | None

    @property
    def is_covered(self) -> bool:
        """Whether the rest lies within the range."""
        if self.told is None:
            return False
        return self.told.low_s <= self.rest_s <= self.told.high_s

    @property
    def width(self) -> float:
        """How wide the range is, high over low."""
        return _width(self.told)


def _width(told: TimeLeft | None) -> float:
    return told.high_s / max(1.0, told.low_s) if told else math.inf


def samples(case: Case, seed: int) -> Iterator[Sample]:
    """Drive one run, and yield what it told."""
    ended_s = Looked(case, seed).go()
    run = Looked(case, seed, case.joined * ended_s)
    parts = [part for part in PARTS if part >= case.joined]
    run.go([part * ended_s for part in parts])
    for part, (at_s, told, chance) in zip(parts, run.told, strict=True):
        yield Sample(part, ended_s - at_s, told, chance)


def main() -> int:
    """Print a table; return 1 where less is covered, or ranges are wider, than is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    found: dict[bool, list[Sample]] = {False: [], True: []}
    print(f"| run | {' | '.join(f'{part:.0%}' for part in PARTS)} |\n|{'---|' * (1 + len(PARTS))}")
    for case in CASES:
        if arguments.only and arguments.only not in case.of.name:
            continue
        some = [one for seed in range(1, arguments.seeds + 1) for one in samples(case, seed)]
        found[case.by_chance] += some
        print(_row(case.of.name, some, verbose=arguments.verbose), flush=True)
    every = [*found[False], *found[True]]
    print(_row("**a pace ends the run**", found[False]))
    print(_row("**the slowest export does**", found[True]))
    ideal = [replace(one, told=one.chance) for one in found[True]]
    print(_row("the same, durations known for certain", ideal))
    print(_row("**all**", every))
    later = [one for one in every if one.part >= PARTS[1]]
    covered = sum(one.is_covered for one in later) / len(later)
    width = median(one.width for one in later)
    print(f"\nfrom 25 % on: {covered:.0%} covered (wanted {COVERED:.0%}), a median width of "
          f"{width:.2f} (wanted {WIDTH:g} at most)")  # fmt: skip
    return int(covered < COVERED or width > WIDTH)


def _row(name: str, some: list[Sample], *, verbose: bool = False) -> str:
    cells = [_cell([one for one in some if one.part == part], verbose=verbose) for part in PARTS]
    return f"| {name} | {' | '.join(cells)} |"


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
    width = median(one.width for one in some)
    return f"{covered}/{len(some)}, " + ("none" if math.isinf(width) else f"{width:.2f}")


if __name__ == "__main__":
    sys.exit(main())
