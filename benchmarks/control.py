"""What a server costs in CPU: a collect against a bare client that makes the same calls.

The emulator runs in a process of its own, without limits and with archives of 4 KiB. The bare
client makes exactly the calls that the emulator counted for the collect, writes each body to a
file, and proves, records and plans nothing. Both are whole processes, started from nothing; their
CPU is user and system time of all threads, as the system counts it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.against.processes import Emulator, call_barely, collect

LIMIT = 2.5
LOOPS = ("uvloop", "asyncio")


@dataclass(slots=True)
class Figures:
    """Seconds of CPU: of a collect, and of the bare client by its event loop."""

    calls: int
    collect_s: float
    bare_s: dict[str, float] = field(default_factory=dict)


def measure(servers: int) -> Figures:
    """Collect once and make the same calls barely, each against a fresh emulator."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Emulator(directory, servers) as emulator:
            cpu_s = collect(emulator, directory / "out").cpu_s
            calls = emulator.calls()
        figures = Figures(calls["total"], cpu_s)
        for loop in LOOPS:
            with Emulator(directory, servers) as emulator:
                bare = call_barely(emulator, directory / loop, calls, uvloop=loop == "uvloop")
            figures.bare_s[loop] = bare.cpu_s
    return figures


def main() -> int:
    """Print the table; return 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=6000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    runs = [measure(arguments.servers) for _ in range(arguments.runs)]
    each = 1e6 / arguments.servers
    for figures in runs:
        print(
            f"{figures.calls} calls; CPU a server: collect "
            f"{figures.collect_s * each:.0f} us, bare {figures.bare_s['uvloop'] * each:.0f} us on "
            f"uvloop, {figures.bare_s['asyncio'] * each:.0f} us on asyncio"
        )
    ratios = {
        loop: statistics.median(figures.collect_s / figures.bare_s[loop] for figures in runs)
        for loop in LOOPS
    }
    print(
        f"collect / bare client, median of {len(runs)}: {ratios['uvloop']:.2f} on the same loop "
        f"(uvloop), {ratios['asyncio']:.2f} on asyncio's own; limit {LIMIT}"
    )
    return int(ratios["uvloop"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
