"""How much longer `--help` takes than a bare interpreter's start, for each command.

The installed command and `python -c pass` run by turns, ten times each; the medians are compared.
Ends with 1 where a command is over the limit.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from collector.cli import COMMANDS

ROUNDS = 10
LIMIT_MS = 150.0
COLLECTOR = str(Path(sys.executable).with_name("collector"))


def main() -> int:
    """Measure, print a table, and tell whether the limit holds."""
    print(f"startup: over a bare interpreter's start, at most {LIMIT_MS:.0f} ms")
    print(f"{'command':24}  {'median':>8}  {'over bare':>9}")
    within = True
    for command in ("", *COMMANDS):
        over_ms, median_ms = _measured([*command.split(), "--help"])
        within = within and over_ms <= LIMIT_MS
        mark = "" if over_ms <= LIMIT_MS else "  over the limit"
        print(f"{f'{command} --help'.strip():24}  {median_ms:5.0f} ms  {over_ms:6.0f} ms{mark}")
    return 0 if within else 1


def _measured(arguments: list[str]) -> tuple[float, float]:
    """Return milliseconds over a bare start, and in all: medians of runs that take turns."""
    bare_ms: list[float] = []
    ours_ms: list[float] = []
    _ms([COLLECTOR, *arguments])  # compiles what has changed
    for _ in range(ROUNDS):
        bare_ms.append(_ms([sys.executable, "-c", "pass"]))
        ours_ms.append(_ms([COLLECTOR, *arguments]))
    median_ms = statistics.median(ours_ms)
    return median_ms - statistics.median(bare_ms), median_ms


def _ms(command: list[str]) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began_s) * 1000


if __name__ == "__main__":
    sys.exit(main())
