"""Some servers of a fleet misbehave, over TCP: are the others home as soon as without them?

As `bad_servers.py`, with the emulator in one process and the installed command in another: exports
take 0.3 to 3 s, and no limit is told. The misbehaving servers go through all ways of
`bad/over_tcp.py` in turn; with `--each` they are all of one way, in every way by itself. Those
that hang are cut sooner than usual, so that a run ends.

The others' makespan, by the journal, is compared with that of a fleet that has only them, collected
just before. Ends with 1 where it is more than 5 % and half a second longer, one of the others is
not collected, the endpoint is said to be down, or a misbehaving server does not end as it should.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.bad.over_tcp import COLLECTED, WAITS, WAYS, Way, chosen, collected, scenario
from benchmarks.bad.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_LONGER = 1.05
NOISE_S = 0.5
"""What runs of the same fleet differ by."""


def astray(way: Way, state: str) -> bool:
    """Whether a server that misbehaves in a way did not end as it should."""
    return state not in way.ends and not (state == "pending" and WAITS in way.ends)


def measure(name: str, ways: Sequence[Way], servers: int, part: float, seed: int) -> bool:
    """Collect a fleet with misbehaving servers and without; print a row; return if it is well."""
    bad = chosen(servers, part, seed)
    of = in_turn(ways, bad)
    others = [server for server in range(servers) if server not in of]
    alone_s = max(collected(scenario(others, {}, seed)).homes_s.values())
    ended = collected(scenario(range(servers), of, seed))
    homes_s = [ended.homes_s[f"s{server}"] for server in others if f"s{server}" in ended.homes_s]
    beside_s = max(homes_s, default=0.0)
    missing = len(others) - len(homes_s)
    wrong: Counter[str] = Counter()
    for server, way in of.items():
        known = f"s{server}"
        state = COLLECTED if known in ended.homes_s else ended.failed.get(known, "pending")
        if astray(way, state):
            wrong[f"{way.name}: {state}"] += 1
    longer = beside_s > max(MOST_LONGER * alone_s, alone_s + NOISE_S)
    ok = not (longer or missing or ended.downs or wrong or ended.code not in (0, 3))
    print(
        f"{name:<26}{part:>5.0%}{alone_s:>9.2f}{beside_s:>9.2f}{beside_s / alone_s:>8.3f}"
        f"{missing:>9}{len(ended.downs):>7}{sum(wrong.values()):>8}{ended.code:>6}"
        f"  {'' if ok else 'X'} {', '.join(f'{n} {what}' for what, n in wrong.most_common(12))}",
        flush=True,
    )
    return ok


def main() -> int:
    """Print the table; return 1 where a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="every way by itself")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the ways")
    parser.add_argument("--parts", type=float, nargs="+", default=(0.01, 0.05, 0.3))
    arguments = parser.parse_args()
    ways = [way for way in WAYS if fnmatch.fnmatch(way.name, arguments.only)]
    runs = [(way.name, [way]) for way in ways] if arguments.each else [("all ways in turn", ways)]
    print(
        f"{'way':<26}{'bad':>5}{'alone s':>9}{'beside s':>9}{'ratio':>8}{'missing':>9}{'downs':>7}"
        f"{'astray':>8}{'code':>6}"
    )
    ok = True
    for name, some in runs:
        for part in arguments.parts:
            ok = measure(name, some, arguments.servers, part, arguments.seed) and ok
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())
