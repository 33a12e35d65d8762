"""kill -9 at random moments, and a resume after each: is anything lost, false or fetched twice?

Each run collects a fleet with archives of 1 to 10 MB from a throttled and faulty service. It is
killed at a uniformly random moment, resumed, killed again, and so on, and at last left alone. A
third of the kills wait for a download to be under way. Then every archive is compared with what
the service sent, and the service's own count tells how many exports and bytes that cost.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from collector.emulator import Emulator, Fault, ProjectSpec, Scenario, ServerSpec, Throttle
from collector.model.state import Phase
from collector.rundir.journal.reading import Reading, fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model.state import RunState

COLLECTOR = (sys.executable, "-m", "collector")
MOST_BYTES = 1.1
IN_DOWNLOADS = 1 / 3
LONGEST_S = 120.0
"""No process of a drill is let run longer."""

MB = 1_000_000
SENT_A_SECOND = 5.0 * MB
"""As a network would let through for each download. What comes as fast as memory fills the system's
buffers with megabytes that nobody has read yet, and which a kill would seem to have cost."""


@dataclass(slots=True)
class Figures:
    """What became of runs that were killed.

    Attributes:
        kills: how many kills hit a process.
        in_downloads: how many of them hit one that had an unfinished archive growing on disk.
        early: how many before the journal named every server: such a run is begun anew.
        runs: how many runs were brought to their end.
        incomplete: of these, how many did not end with every server collected and verified.
        lost: archives that are missing or not what the service has.
        unanswered: POSTs whose answer a kill has kept from the journal: each may cost an export.
        in_doubt: how many kills left such POSTs.
        exports_over: exports beyond one a server.
        unexplained: of these, how many no unanswered POST of that server allows.
        bytes_sent, bytes_needed: of archives.
    """

    kills: int = 0
    in_downloads: int = 0
    early: int = 0
    runs: int = 0
    incomplete: int = 0
    lost: int = 0
    unanswered: int = 0
    in_doubt: int = 0
    exports_over: int = 0
    unexplained: int = 0
    bytes_sent: int = 0
    bytes_needed: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Add another run's."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return (
            not self.incomplete
            and not self.lost
            and not self.unexplained
            and self.bytes_sent <= MOST_BYTES * self.bytes_needed
        )


def scenario(servers: int, seed: int, *, smallest: int = MB, largest: int = 10 * MB) -> Scenario:
    """Return a throttled and faulty service; no fault of it makes a server fail for good."""
    rng = random.Random(seed)  # noqa: S311  # repeatable, no secret
    faults: list[tuple[Fault, ...]] = [
        (),
        (),
        (),
        (Fault("error_500", calls=("status",), times=1),),
        (Fault("error_500", calls=("export",), times=1),),
        (Fault("reset_before", calls=("download",), times=1),),
        (Fault("cut", at=0.5, times=1),),
        (Fault("cut", at=0.9, times=1), Fault("bad_gateway", calls=("download",), times=1)),
        (Fault("not_ready", times=1),),
    ]
    specs = tuple(
        ServerSpec(
            f"id-{number}",
            f"bms-{number}",
            archive_bytes=rng.randrange(smallest, largest),
            faults=(*rng.choice(faults), Fault("slow", bytes_per_s=SENT_A_SECOND)),
        )
        for number in range(servers)
    )
    return Scenario(
        seed=seed,
        projects=(ProjectSpec("p1", "fleet", specs),),
        throttles=(Throttle("user", 60), Throttle("api", 40)),
        export_duration_s=1.0,
        latency_s=0.02,
    )


class Drill:
    """One run that is killed again and again.

    Args:
        emulator: the service.
        home: a directory of its own.
        rng: of the moments.
        lasts_s: how long such a run takes undisturbed, about: moments lie within.
    """

    def __init__(self, emulator: Emulator, home: Path, rng: random.Random, lasts_s: float) -> None:
        self._emulator = emulator
        self._out = home / "out"
        self._inventory = home / "fleet.json"
        self._log = home / "log"
        self._inventory.write_text(json.dumps(emulator.inventory()))
        self._environ = os.environ | {
            "CLOUDDC_TOKEN": emulator.token,
            "XDG_STATE_HOME": str(home / "state"),
        }
        self._rng = rng
        self._lasts_s = lasts_s
        self._unanswered: set[tuple[str, str | None]] = set()
        self.figures = Figures()

    async def run(self, kills: int) -> None:
        """Kill the run so often, if it lives so long; then let it end."""
        arguments = ["collect", str(self._inventory), "--run-id", "run"]
        for _ in range(kills):
            if not await self._killed(arguments):
                break
            arguments = self._arguments()
        else:
            await self._ended(arguments)
        self._judge()

    async def _killed(self, arguments: Sequence[str]) -> bool:
        """Kill a process at a random moment; tell whether it was alive by then."""
        in_downloads = self._rng.random() < IN_DOWNLOADS
        wait_s = self._rng.uniform(0.0, self._lasts_s / 10 if in_downloads else self._lasts_s)
        before = self._parts()
        with self._start(arguments) as process:
            if in_downloads:
                while process.poll() is None and not self._parts() - before:  # noqa: ASYNC110  # nothing tells
                    await anyio.sleep(0.01)
            began_s = time.monotonic()
            while process.poll() is None and time.monotonic() - began_s < wait_s:  # noqa: ASYNC110
                await anyio.sleep(0.002)
            if process.poll() is not None:
                self._note_the_end(process.returncode)
                return False
            process.kill()
            await to_thread.run_sync(process.wait)
        self.figures.kills += 1
        self.figures.in_downloads += bool(self._parts() - before)
        state = self._state()
        if state is None or not state.selected:
            self.figures.early += 1
            if self._emulator.statistics()["exports"]["by_server"]:
                self.figures.failures.append("an export was started before all servers were named")
                self.figures.unexplained += 1
        else:
            self._note_unanswered(state)
        return True

    def _note_unanswered(self, state: RunState) -> None:
        """Note each POST once: the next process may be killed before it takes the run up."""
        before = len(self._unanswered)
        self._unanswered |= {
            (row.id, row.requested_at) for row in state.servers if row.phase is Phase.REQUESTED
        }
        self.figures.unanswered += len(self._unanswered) - before
        self.figures.in_doubt += len(self._unanswered) > before

    async def _ended(self, arguments: Sequence[str]) -> None:
        with self._start(arguments) as process:
            with anyio.move_on_after(LONGEST_S):
                await to_thread.run_sync(process.wait, abandon_on_cancel=True)
            if process.poll() is None:
                process.kill()
                self.figures.failures.append(f"a process did not end within {LONGEST_S:.0f} s")
            self._note_the_end(process.wait())

    def _note_the_end(self, code: int) -> None:
        self.figures.runs += 1
        if code != 0:
            self.figures.incomplete += 1
            self.figures.failures.append(f"exit code {code}: {self._log.read_text()[-2000:]}")

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*COLLECTOR, *arguments, "--out", str(self._out), "--progress", "none"],
                env=self._environ, stdout=log, stderr=log,
            )  # fmt: skip

    def _arguments(self) -> list[str]:
        """Go on; where the journal does not name all servers yet, with the inventory."""
        state = self._state()
        if not (self._out / "run").exists():
            return ["collect", str(self._inventory), "--run-id", "run"]
        inventory = [] if state is not None and state.selected else [str(self._inventory)]
        return ["collect", *inventory, "--resume", "run"]

    def _state(self) -> RunState | None:
        path = self._out / "run" / "journal.jsonl"
        return fold(Reading(path)) if path.exists() else None

    def _parts(self) -> set[tuple[Path, int, int]]:
        """Look at the unfinished archives: each with its size and when it was written to."""
        found = set()
        for path in self._out.glob("run/fleet/*/*.part"):
            with contextlib.suppress(FileNotFoundError):  # whole by now
                status = path.stat()
                found.add((path, status.st_size, status.st_mtime_ns))
        return found

    def _judge(self) -> None:
        """Compare what is here with what the service has and has counted."""
        statistics = self._emulator.statistics()
        figures = self.figures
        allowed = Counter(server for server, _ in self._unanswered)
        for server_id, exports in statistics["exports"]["by_server"].items():
            figures.exports_over += exports - 1
            figures.unexplained += max(0, exports - 1 - allowed[server_id])
        figures.bytes_sent += statistics["bytes_sent"]
        manifest = json.loads((self._out / "run" / "manifest.json").read_bytes())
        rows = {row["id"]: row for row in manifest["projects"][0]["servers"]}
        for server in self._emulator.scenario.projects[0].servers:
            truth: dict[str, Any] = self._emulator.truth(server.id)
            figures.bytes_needed += truth["bytes"]
            archive = rows[server.id]["archive"]
            path = archive and self._out / "run" / archive["path"]
            if path is None or not path.exists() or _sha256(path) != truth["sha256"]:
                figures.lost += 1
                figures.failures.append(f"{server.id} is not what the service has")
        ended = subprocess.run(
            [*COLLECTOR, "verify", str(self._out / "run")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode:
            figures.lost += 1
            figures.failures.append(ended.stdout)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def one_run(scene: Scenario, rng: random.Random, *, kills: int, lasts_s: float) -> Figures:
    """Kill one run so often, and judge it."""
    with tempfile.TemporaryDirectory() as home:
        async with Emulator(scene) as emulator:
            drill = Drill(emulator, Path(home), rng, lasts_s)
            await drill.run(kills)
            return drill.figures


def main() -> int:
    """Print the table; return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--a-run", type=int, default=12, help="kills of one run, at most")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # whoever is killed hangs up
    rng = random.Random(arguments.seed)  # noqa: S311  # as above
    total = Figures()
    began_s = time.monotonic()
    while total.kills < arguments.kills:
        scene = scenario(arguments.servers, rng.randrange(1 << 30))
        kills = min(arguments.a_run, arguments.kills - total.kills)
        total.add(anyio.run(partial(one_run, scene, rng, kills=kills, lasts_s=6.0)))
        print(f"{time.monotonic() - began_s:6.0f} s: {_told(total)}", flush=True)
        for failure in total.failures:
            print(failure)
        total.failures.clear()
    return int(not total.ok)


def _told(total: Figures) -> str:
    return (
        f"{total.kills} kills ({total.in_downloads} in downloads, {total.early} before all servers "
        f"were named) of {total.runs} runs: {total.incomplete} incomplete, {total.lost} archives "
        f"lost or false, {total.exports_over} exports over one a server "
        f"({total.unexplained} unexplained; {total.in_doubt} kills left {total.unanswered} POSTs "
        f"unanswered), "
        f"{total.bytes_sent / max(1, total.bytes_needed):.3f} x the bytes"
    )


if __name__ == "__main__":
    sys.exit(main())
