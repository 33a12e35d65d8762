"""How fast are archives downloaded and proven, against what a person would write, and the floor?

60 and 300 archives of 3.3 MB, and one of 2 GB, come from nginx on loopback. The pipeline is
`xargs -P2` of `curl | tee >(sha256sum) FILE | gzip -t`, which syncs nothing; aria2c and curl prove
nothing. Ours are the download calls of `collector` in a process that was started before, and whole
processes of `collector collect`, whose exports and statuses are answered at once. Commands are
measured from their start to their end. Sides run by turns; a ratio is the median of the rounds'
ratios. Ends with 1 where a limit does not hold.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.against.downloaders import interleaved, line, ratio
from benchmarks.against.nginx import demand
from benchmarks.against.serving import serving

if TYPE_CHECKING:
    from benchmarks.against.downloaders import Side, Took

ROUNDS = 5
AT_ONCE = 8
PIPELINE = {"relaxed": 2.8, "full": 2.2}
WHOLE = {60: 2.2, 300: 2.8}
"""How many times as fast as the pipeline a whole process is, for so many archives."""
FLOOR = 0.7
LARGE_PIPELINE = 2.5
PEAK_MIB = 140
PEAK_GROWTH = 0.1
LARGE, TENTH = 2_000_000_000, 200_000_000


def main() -> int:
    """Measure, print two tables, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="downloads of ours")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to be measured")
    parser.add_argument("--only", choices=("many", "whole", "large"))
    arguments = parser.parse_args()
    demand("nginx", "curl", "aria2c", "gzip", "sha256sum", "bash", "xargs")
    holds = True
    if arguments.only in (None, "many"):
        holds &= many(arguments.directory, arguments.rounds, arguments.at_once)
    if arguments.only in (None, "whole"):
        for archives in WHOLE:
            holds &= whole(arguments.directory, arguments.rounds, archives)
    if arguments.only in (None, "large"):
        holds &= large(arguments.directory, arguments.rounds)
    return int(not holds)


def many(directory: Path, rounds: int, at_once: int) -> bool:
    """Download 60 archives of 3.3 MB each way."""
    print(f"downloads: 60 archives of 3.3 MB; ours {at_once} at once")
    with serving(directory, 60, 3_300_000, files=12) as served:
        ways = served.downloads
        sides: dict[str, Side] = {
            "ours, relaxed": partial(ways.ours, durability="relaxed", at_once=at_once),
            "ours, full": partial(ways.ours, durability="full", at_once=at_once),
            "floor, relaxed": partial(ways.floor, durability="relaxed"),
            "floor, full": partial(ways.floor, durability="full"),
            "pipeline, -P2": ways.pipeline,
            "aria2c -j8, proves nothing": ways.aria2c,
            "curl -Z, proves nothing": ways.curl,
        }
        measured = interleaved(sides, rounds, served.directory)
    for name, tooks in measured.items():
        print(line(name, tooks, served.megabytes, 60), flush=True)
    reached = True
    for durability, wanted in PIPELINE.items():
        reached &= holds(measured, f"ours, {durability}", "pipeline, -P2", wanted)
        reached &= holds(measured, f"ours, {durability}", f"floor, {durability}", FLOOR)
    return reached


def whole(directory: Path, rounds: int, archives: int) -> bool:
    """Collect so many archives from the command line to the manifest."""
    print(f"downloads: {archives} archives of 3.3 MB, whole processes")
    with serving(directory, archives, 3_300_000, files=12) as served:
        ways = served.downloads
        sides: dict[str, Side] = {
            "collect, relaxed": partial(ways.collect, durability="relaxed"),
            "collect, full": partial(ways.collect, durability="full"),
            "pipeline, -P2": ways.pipeline,
        }
        measured = interleaved(sides, rounds, served.directory)
    for name, tooks in measured.items():
        print(line(name, tooks, served.megabytes, archives), flush=True)
    fast = [
        holds(measured, f"collect, {durability}", "pipeline, -P2", WHOLE[archives])
        for durability in PIPELINE
    ]
    return all(fast)


def large(directory: Path, rounds: int) -> bool:
    """Download one archive of 2 GB each way, and one of 200 MB for its memory."""
    print("downloads: one archive of 2 GB")
    with serving(directory, 1, TENTH, files=1) as served:
        small = served.downloads.ours(served.directory, durability="relaxed", at_once=1)
    with serving(directory, 1, LARGE, files=1) as served:
        ways = served.downloads
        sides: dict[str, Side] = {
            "ours, relaxed": partial(ways.ours, durability="relaxed", at_once=1),
            "ours, full": partial(ways.ours, durability="full", at_once=1),
            "pipeline": ways.pipeline,
            "aria2c, proves nothing": ways.aria2c,
            "curl, proves nothing": ways.curl,
        }
        measured = interleaved(sides, rounds, served.directory)
    for name, tooks in measured.items():
        print(line(name, tooks, served.megabytes, 1), flush=True)
    fast = holds(measured, "ours, relaxed", "pipeline", LARGE_PIPELINE)
    return modest(measured["ours, relaxed"], small) and fast


def modest(tooks: list[Took], small: Took) -> bool:
    """Print what memory was held; tell whether it is little, and does not grow."""
    peak_mib = statistics.median(took.peak_mib or 0 for took in tooks)
    growth = peak_mib / (small.peak_mib or 1) - 1
    print(
        f"peak memory {peak_mib:.0f} MiB, at most {PEAK_MIB}; at 200 MB {small.peak_mib or 0:.0f} "
        f"MiB: {growth:+.1%}, at most {PEAK_GROWTH:+.0%}"
    )
    return peak_mib <= PEAK_MIB and abs(growth) <= PEAK_GROWTH


def holds(measured: dict[str, list[Took]], of: str, to: str, wanted: float) -> bool:
    """Print a ratio; tell whether it is as wanted."""
    times = ratio(measured, of, to)
    mark = "" if times >= wanted else "  NOT REACHED"
    print(f"{of} to {to}: {times:.2f}x, at least {wanted:g}x{mark}", flush=True)
    return times >= wanted


if __name__ == "__main__":
    sys.exit(main())
