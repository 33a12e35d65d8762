"""The emulator, a collect and the bare client, each a whole process, with what they used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

COLLECTOR = (sys.executable, "-m", "collector")
SCENARIO = {
    "seed": 1,
    "dialect": "plain",
    "export_duration_s": 0.5,
    "archive_bytes": 4096,
    "debug_headers": False,
}
"""No limits, and archives so small that what is measured is the work a server makes."""


AT_ONCE = 64
"""Calls under way at once that the bare client makes."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process used from its start to its end.

    Attributes:
        cpu_s: user and system time of all its threads.
        peak_bytes: the most memory that it held at once.
    """

    cpu_s: float
    peak_bytes: int


class Emulator:
    """The emulator in a process of its own, for one measurement.

    Args:
        directory: for its scenario and its inventory.
        servers: of its fleet.
        downloads: how many at once the inventory allows; None for collect's own default.
        export_s: how long each export takes; None for as long as everywhere.
    """

    def __init__(
        self,
        directory: Path,
        servers: int,
        *,
        downloads: int | None = None,
        export_s: float | None = None,
    ) -> None:
        scenario = directory / "scenario.json"
        changes = {} if export_s is None else {"export_duration_s": export_s}
        scenario.write_text(json.dumps(SCENARIO | changes))
        self.inventory = directory / "fleet.json"
        self._process = subprocess.Popen(
            [*COLLECTOR, "emulator", "--scenario", scenario, "--servers", str(servers),
             "--listen", "127.0.0.1:0", "--inventory", self.inventory, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        ready = json.loads(self._process.stdout.readline() if self._process.stdout else "")
        self.url, self.token = ready["url"], ready["token"]
        if downloads is not None:
            # As text: what we hold would count as the peak of the processes that we start.
            text = self.inventory.read_text()
            before, defaults, after = text.partition('"defaults": {')
            limits = f'"limits": {{"downloads": {downloads}}}, '
            self.inventory.write_text(f"{before}{defaults}{limits}{after}")

    def calls(self) -> dict[str, int]:
        """Return how often each call was made so far."""
        with urllib.request.urlopen(f"{self.url}/emulator/statistics") as answer:  # noqa: S310  # ours
            calls: dict[str, int] = json.load(answer)["calls"]
        return calls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


def collect(
    emulator: Emulator, out: Path, program: Sequence[str] = COLLECTOR, options: Sequence[str] = ()
) -> Used:
    """Collect the emulator's whole fleet with the real command, or another that is used alike."""
    command = [*program, "collect", str(emulator.inventory), "--quiet",
               "--out", str(out), "--progress", "none", *options]  # fmt: skip
    environ = os.environ | {
        "CLOUDDC_TOKEN": emulator.token,
        "XDG_STATE_HOME": str(out.with_name("state")),  # each begins knowing nothing
    }
    return _used(command, environ)


def call_barely(emulator: Emulator, out: Path, calls: dict[str, int], *, uvloop: bool) -> Used:
    """Make as many calls as a collect has made; `out` is made for their bodies.

    Raises:
        RuntimeError: other calls were made than those.
    """
    out.mkdir()
    # A collect also asks for archives of exports that do not exist: as small as a status.
    asked_in_vain = calls["download"] - calls["export"]
    plan = {
        "inventory": str(emulator.inventory),
        "status": calls["status"] + asked_in_vain,
        "token": emulator.token,
        "out": str(out),
        "at_once": AT_ONCE,
        "uvloop": uvloop,
    }
    client = str(Path(__file__).with_name("bare_client.py"))
    used = _used([sys.executable, client, json.dumps(plan)], dict(os.environ))
    made = emulator.calls()
    if made["total"] != calls["total"]:
        raise RuntimeError(f"the bare client made {made}, not {calls}")
    return used


def _used(command: list[str], environ: dict[str, str]) -> Used:
    """Run a command to its end.

    Raises:
        CalledProcessError: it failed.
    """
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
        # Of this process alone, where RUSAGE_CHILDREN would tell of the largest there ever was.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)
