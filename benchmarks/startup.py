"""How much longer commands take than a bare interpreter's start: `--help`, and small runs.

The small runs are of an emulated service without export time: one server to collect, and ten that
were collected. The installed command and `python -c pass` run by turns; the medians are compared.
Ends with 1 where a command is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.against.processes import Emulator
from collector.cli import COMMANDS

ROUNDS = 10
HELP_MS = 150.0
LOOK_MS = 250.0
COLLECT_MS = 500.0
COLLECTOR = str(Path(sys.executable).with_name("collector"))


def main() -> int:
    """Measure, print a table, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--collector", default=COLLECTOR, help="the installed command")
    arguments = parser.parse_args()
    print("startup: over a bare interpreter's start")
    print(f"{'command':24}  {'median':>8}  {'over bare':>9}  {'at most':>7}")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with Emulator(home, 10, export_s=0.0) as emulator:
            environ = os.environ | {"CLOUDDC_TOKEN": emulator.token, "XDG_STATE_HOME": name}
            measure = Measure(arguments.collector, arguments.rounds, home, environ)
            return int(not _all(measure, emulator.inventory))


class Measure:
    """Runs a command and a bare interpreter by turns.

    Args:
        collector: the command.
        rounds: how often.
        home: where it runs.
        environ: what it finds in its environment.
    """

    def __init__(self, collector: str, rounds: int, home: Path, environ: dict[str, str]) -> None:
        self.collector = collector
        self._rounds = rounds
        self._home = home
        self._environ = environ

    def within(self, limit_ms: float, *arguments: str, name: str | None = None) -> bool:
        """Print a row; tell whether the median is within the limit."""
        bare_ms: list[float] = []
        ours_ms: list[float] = []
        command = [self.collector, *arguments]
        self.ms(command)  # compiles what has changed
        for _ in range(self._rounds):
            bare_ms.append(self.ms([sys.executable, "-c", "pass"]))
            ours_ms.append(self.ms(command))
        median_ms = statistics.median(ours_ms)
        over_ms = median_ms - statistics.median(bare_ms)
        mark = "" if over_ms <= limit_ms else "  OVER"
        name = " ".join(arguments) if name is None else name
        print(
            f"{name:24}  {median_ms:5.0f} ms  {over_ms:6.0f} ms  {limit_ms:4.0f} ms{mark}",
            flush=True,
        )
        return over_ms <= limit_ms

    def ms(self, command: list[str]) -> float:
        """Return milliseconds that a command takes.

        Raises:
            CalledProcessError: it failed.
        """
        began_s = time.perf_counter()
        subprocess.run(
            command, check=True, cwd=self._home, env=self._environ, stdout=subprocess.DEVNULL
        )
        return (time.perf_counter() - began_s) * 1000


def _all(measure: Measure, inventory: Path) -> bool:
    one = inventory.with_name("one.json")
    one.write_text(json.dumps(_of_one(json.loads(inventory.read_text()))))
    quiet = ("--quiet", "--progress", "none", "--reuse-exports", "0")
    measure.ms([measure.collector, "collect", str(inventory), "--run-id", "ten", *quiet])
    rows = [measure.within(HELP_MS, *command.split(), "--help") for command in ("", *COMMANDS)]
    rows += [
        measure.within(LOOK_MS, "status", "ten"),
        measure.within(LOOK_MS, "runs"),
        measure.within(LOOK_MS, "verify", "ten"),
        measure.within(LOOK_MS, "plan", str(inventory), name="plan, 10 servers"),
        measure.within(
            COLLECT_MS, "collect", str(one), "--out", "ones", *quiet, name="collect, 1 server"
        ),
    ]
    return all(rows)


def _of_one(inventory: dict[str, object]) -> dict[str, object]:
    """Return an inventory of one of these servers."""
    projects = inventory["projects"]
    assert isinstance(projects, list)  # noqa: S101  # an inventory's shape
    return {**inventory, "projects": [{**projects[0], "servers": projects[0]["servers"][:1]}]}


if __name__ == "__main__":
    sys.exit(main())
