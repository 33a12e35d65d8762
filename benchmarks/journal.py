"""What does durability cost? A collect with its journal on disk against one in memory.

Unthrottled, with exports of no duration and archives of 4 KiB: the real command against the
emulator in another process, each time a fresh one. Rounds are pairs, one after the other, and every
other round begins with the other side. Archives are stored on the same disk in both. Ends with 1
over the limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.against.processes import AT_ONCE, COLLECTOR, Emulator, collect

LIMIT = 1.10
IN_MEMORY = Path(__file__).with_name("against") / "journal_in_memory.py"
PROGRAMS = {"on disk": COLLECTOR, "in memory": (sys.executable, str(IN_MEMORY))}


def measure(program: tuple[str, ...], servers: int, parent: Path | None) -> float:
    """Collect a fleet once; return the seconds that took."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        directory = Path(name)
        with Emulator(directory, servers, downloads=AT_ONCE, export_s=0.0) as emulator:
            began_s = time.monotonic()
            collect(emulator, directory / "out", program)
            took_s = time.monotonic() - began_s
        os.sync()  # what this one left to be written is no burden of the next
        return took_s


def main() -> int:
    """Print a line a round, and the ratio of the medians; return 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--directory", type=Path, help="where runs lie; by default where temporary files do"
    )  # fmt: skip
    arguments = parser.parse_args()
    took_s: dict[str, list[float]] = {side: [] for side in PROGRAMS}
    for number in range(arguments.rounds):
        sides = list(PROGRAMS) if number % 2 == 0 else list(reversed(PROGRAMS))
        for side in sides:
            took_s[side].append(measure(PROGRAMS[side], arguments.servers, arguments.directory))
        print(", ".join(f"{side} {took_s[side][-1]:.2f} s" for side in PROGRAMS), flush=True)
    disk_s, memory_s = (statistics.median(took_s[side]) for side in PROGRAMS)
    ratio = disk_s / memory_s
    print(
        f"{arguments.servers:,} servers, medians of {arguments.rounds}: journal on disk "
        f"{disk_s:.2f} s, in memory {memory_s:.2f} s: {ratio:.3f}x, at most {LIMIT:.2f}x"
    )
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
