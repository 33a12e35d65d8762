"""Some servers of a fleet misbehave: are the others home as soon as without them?

The engine collects 2,000 simulated servers in virtual time, once without a limit and once behind
one that it is told. Of the servers 1, 5 and 30 % misbehave, all in one way, in every way that there
is (`bad/ways.py`); the last row has all ways in turn. The misbehaving ones are spread by chance;
where they are 5 %, also the first of the inventory, the last, and all of one project.

The others' makespan, until the last of them is collected, is compared

    without a limit   with that of a fleet that has only them
    behind a limit    with theirs in a fleet where the misbehaving ones are healthy: these take
                      their calls of the limit either way. The ratio to the fleet that has only
                      them is printed in brackets.

Ends with 1 where a ratio is over 1.05, one of the others is not collected, an endpoint is said to
be down, or a misbehaving server does not end as it should: failed with its own kind of problem, or
collected where it is only late.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import multiprocessing
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bad.simulated import PLACES, Fleet, Run
from benchmarks.bad.turns import in_turn
from benchmarks.bad.ways import WAYS, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_LONGER = 1.05
PARTS = (0.01, 0.05, 0.3)
PLACED_PART = 0.05
"""Where the misbehaving ones stand elsewhere as well."""
ALL = "all ways in turn"


@dataclass(frozen=True, slots=True)
class Case:
    """Which servers misbehave, in which way, and how many calls a second are allowed."""

    way: str
    limit: int | None
    part: float
    place: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a case.

    Attributes:
        to_only: the others' makespan to that of a fleet which has only them.
        to_healthy: the same to theirs in a fleet of which all are healthy.
        missing: how many of the others were not collected.
        downs: how often the endpoint was said to be down.
        astray: how many of the misbehaving did not end as they should.
        ended_s: when the last server had ended.
        wrong: why the run did not end.
    """

    case: Case
    to_only: float
    to_healthy: float
    missing: int
    downs: int
    astray: int
    ended_s: float
    wrong: str

    @property
    def ratio(self) -> float:
        """The one that is judged."""
        return self.to_only if self.case.limit is None else self.to_healthy

    @property
    def ok(self) -> bool:
        """Whether the others did not suffer, and the misbehaving ended as they should."""
        bad = self.missing or self.downs or self.astray or self.wrong
        return not bad and self.ratio <= MOST_LONGER


def cases(
    ways: Sequence[str], limits: Sequence[int | None], parts: Sequence[float]
) -> Iterator[Case]:
    """Yield what is to be run."""
    for limit in limits:
        for way in ways:
            for part in parts:
                for place in PLACES if part == PLACED_PART else PLACES[:1]:
                    yield Case(way, limit, part, place)


def ways_of(name: str, bad: Sequence[int]) -> dict[int, Way]:
    """Return in which way each of the servers misbehaves."""
    ways = [way for way in WAYS if name in (way.name, ALL)]
    return in_turn(ways, bad)


@functools.cache
def healthy_homes_s(
    servers: int, seed: int, limit: int | None, of: tuple[int, ...]
) -> Mapping[int, float]:
    """Return when each of some servers of a fleet is collected, where none misbehaves."""
    return Run(Fleet(servers, seed, limit), of, {}).ended().homes_s


def measure(case: Case, *, servers: int, seed: int) -> Measured:
    """Run a case, and compare it with fleets of which none misbehaves."""
    fleet = Fleet(servers, seed, case.limit)
    ways = ways_of(case.way, fleet.chosen(case.part, case.place))
    others = tuple(server for server in range(servers) if server not in ways)
    only_s = max(healthy_homes_s(servers, seed, case.limit, others).values())
    healthy_s = healthy_homes_s(servers, seed, case.limit, tuple(range(servers)))
    run = Run(fleet, range(servers), ways).ended()
    home = [run.homes_s[server] for server in others if server in run.homes_s]
    makespan_s = max(home, default=0.0)
    astray = sum(
        server not in run.homes_s
        if way.fails_as is None
        else server not in run.failed or run.failed[server].kind is not way.fails_as
        for server, way in ways.items()
    )
    return Measured(
        case,
        makespan_s / only_s,
        makespan_s / max(healthy_s[server] for server in others),
        len(others) - len(home),
        run.downs,
        astray,
        run.ended_s,
        run.wrong,
    )


def _said(of: Sequence[Measured]) -> str:
    """Return the worst of what was measured with one part of the servers."""
    missing = max(one.missing for one in of)
    if missing:
        return f"{missing} missing"
    worst = max(of, key=lambda one: one.ratio)
    brackets = "" if worst.case.limit is None else f" ({worst.to_only:.2f})"
    return f"{worst.ratio:.3f}{brackets}"


def _row(name: str, of: Sequence[Measured], parts: Sequence[float]) -> str:
    by_part = [[one for one in of if one.case.part == part] for part in parts]
    ratios = "".join(f"{_said(some):>19}" for some in by_part)
    limit = of[0].case.limit
    return (
        f"{name:<24}{'none' if limit is None else f'{limit}/s':>7}{ratios}"
        f"{max(one.downs for one in of):>7}{max(one.astray for one in of):>8}"
        f"{max(one.ended_s for one in of):>9.0f}  {'' if all(one.ok for one in of) else 'X'}"
    )


def main() -> int:
    """Print the table; return 1 where a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the ways")
    parser.add_argument("--parts", type=float, nargs="+", default=PARTS)
    parser.add_argument("--limit", type=int, help="calls a second, and no other; 0: none")
    arguments = parser.parse_args()
    names = [
        name for name in (*(way.name for way in WAYS), ALL) if fnmatch.fnmatch(name, arguments.only)
    ]
    limits = (None, 100) if arguments.limit is None else (arguments.limit or None,)
    parts = arguments.parts
    heads = "".join(f"{f'{part:.0%}':>19}" for part in parts)
    print(f"{'way':<24}{'limit':>7}{heads}{'downs':>7}{'astray':>8}{'ended s':>9}")
    rows: dict[tuple[str, int | None], list[Measured]] = defaultdict(list)
    todo = list(cases(names, limits, parts))
    wanted = {(case.way, case.limit): 0 for case in todo}
    for case in todo:
        wanted[case.way, case.limit] += 1
    ok = True
    with multiprocessing.Pool(min(len(todo), os.cpu_count() or 1)) as pool:
        run = functools.partial(measure, servers=arguments.servers, seed=arguments.seed)
        for one in pool.imap(run, todo):
            key = one.case.way, one.case.limit
            rows[key].append(one)
            ok = ok and one.ok
            if len(rows[key]) == wanted[key]:
                print(_row(key[0], rows[key], parts), flush=True)
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
