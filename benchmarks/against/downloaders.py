"""Ways to download what nginx serves, each told the same list; and rounds of them by turns.

What is measured of our download calls, the floor and the SDK is from the first request to the last
archive, in processes that were started before. The others are commands, `collector collect` among
them: each is measured from its start to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.against.nginx import PROJECT, content_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.against.nginx import Nginx

MANY_ENTRIES = 1000
"""So many are removed at the very end only: ext4 steps over inodes that were freed of late, one by
one, which would make each new file of the next side cost half a millisecond."""

_HERE = Path(__file__).parent
_PIPELINE = 'curl -s "$0" | tee >(sha256sum > "$1.sha") "$1" | gzip -t'


@dataclass(frozen=True, slots=True)
class Took:
    """What a side took for all of its archives.

    Attributes:
        took_s: from the first request to the last archive.
        cpu_s: of all its processes; None where that was not measured.
        peak_mib: the most memory one of its processes held; None as above.
    """

    took_s: float
    cpu_s: float | None = None
    peak_mib: float | None = None


Side: TypeAlias = "Callable[[Path], Took]"
"""Downloads all to an empty directory."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """A list of archives, and the ways to download it.

    Attributes:
        nginx: serves them.
        archives: servers, and their exports.
    """

    nginx: Nginx
    archives: list[tuple[str, str]]

    def ours(self, out: Path, *, durability: str, at_once: int) -> Took:
        """Let `collector` do it."""
        plan = {
            "url": self.nginx.url, "project": PROJECT, "archives": self.archives,
            "out": str(out), "at_once": at_once, "durability": durability,
        }  # fmt: skip
        return _told([([sys.executable, str(_HERE / "our_downloads.py")], plan)])

    def collect(self, out: Path, *, durability: str) -> Took:
        """Let `collector collect` do it, from its command line to its manifest."""
        inventory = out.with_name("fleet.json")
        inventory.write_text(json.dumps(self._inventory()))
        return _timed(
            [sys.executable, "-m", "collector", "collect", str(inventory), "--out", str(out),
             "--durability", durability, "--quiet", "--progress", "none"],
            environ=os.environ | {
                "CLOUDDC_TOKEN": "benchmark-token",
                "XDG_STATE_HOME": str(out / "state"),  # each begins knowing nothing
            },
        )  # fmt: skip

    def floor(self, out: Path, *, durability: str, processes: int = 2) -> Took:
        """Let the least do it that can: `floor_worker.py` in two processes."""
        named = [
            (content_path(server, export), str(out / server / "a"))
            for server, export in self.archives
        ]
        return _told(
            [
                (
                    [sys.executable, str(_HERE / "floor_worker.py")],
                    {
                        "host": "127.0.0.1", "port": self.nginx.port, "durability": durability,
                        "archives": named[number::processes],
                    },
                )
                for number in range(processes)
            ]
        )  # fmt: skip

    def sdk(self, out: Path, *, python: str, threads: int) -> Took:
        """Let the vendor's SDK do it, which proves nothing."""
        plan = {
            "url": self.nginx.url, "project": PROJECT, "archives": self.archives,
            "out": str(out), "threads": threads,
        }  # fmt: skip
        return _told([([python, str(_HERE / "sdk_downloads.py")], plan)])

    def pipeline(self, out: Path) -> Took:
        """Let curl, tee, sha256sum and gzip do it, two pipelines at once."""
        lines = "".join(f"{url} {out / server}\n" for server, url in self._urls())
        return _timed(["xargs", "-P2", "-n2", "bash", "-c", _PIPELINE], lines)

    def aria2c(self, out: Path) -> Took:
        """Let aria2c do it, eight at once, which proves nothing."""
        lines = "".join(f"{url}\n out={server}\n" for server, url in self._urls())
        return _timed(
            ["aria2c", "-j8", "-i-", f"--dir={out}", "--quiet", "--file-allocation=none"], lines
        )

    def curl(self, out: Path) -> Took:
        """Let one curl do it, in parallel, which proves nothing."""
        lines = "".join(f'url = "{url}"\noutput = "{out / server}"\n'
                        for server, url in self._urls())  # fmt: skip
        return _timed(["curl", "-s", "-Z", "-K", "-"], lines)

    def _inventory(self) -> dict[str, Any]:
        servers = [{"id": server} for server, _ in self.archives]
        project = {"id": PROJECT, "endpoint": self.nginx.url, "servers": servers}
        return {"version": 1, "projects": [project]}

    def _urls(self) -> list[tuple[str, str]]:
        return [(server, self.nginx.url + content_path(server, export))
                for server, export in self.archives]  # fmt: skip


def interleaved(sides: Mapping[str, Side], rounds: int, directory: Path) -> dict[str, list[Took]]:
    """Run the sides by turns, each round in another order; large results are not kept."""
    measured: dict[str, list[Took]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            out = directory / f"out-{sum(map(len, measured.values()))}"
            out.mkdir()
            os.sync()  # what others left to be written is not this one's to wait for
            measured[name].append(sides[name](out))
            if len(os.listdir(out)) < MANY_ENTRIES:  # noqa: PTH208  # only counted
                shutil.rmtree(out)
    return measured


def ratio(measured: Mapping[str, list[Took]], of: str, to: str) -> float:
    """Return how many times as fast one side was as another: the median of the rounds' ratios."""
    pairs = zip(measured[of], measured[to], strict=True)
    return statistics.median(theirs.took_s / ours.took_s for ours, theirs in pairs)


def line(name: str, tooks: list[Took], megabytes: float, archives: int) -> str:
    """Return a side's line of a table."""
    took_s = statistics.median(took.took_s for took in tooks)
    cpu_s = statistics.median(took.cpu_s or 0 for took in tooks)
    peak_mib = max(took.peak_mib or 0 for took in tooks)
    spread = f"{min(took.took_s for took in tooks):.2f} to {max(took.took_s for took in tooks):.2f}"
    cpu = f"{cpu_s:6.2f}" if cpu_s else f"{'':6}"
    peak = f"{peak_mib:5.0f}" if peak_mib else f"{'':5}"
    return (
        f"{name:28}{took_s:8.2f} s {spread:>16}{megabytes / took_s:9.0f} MB/s"
        f"{archives / took_s:9.0f} a second   cpu {cpu} s  peak {peak} MiB"
    )


def _told(commands: list[tuple[list[str], dict[str, Any]]]) -> Took:
    """Start processes, wait until all are ready, give the word, and add up what they say."""
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for command, _ in commands
    ]  # fmt: skip
    for process, (_, plan) in zip(processes, commands, strict=True):
        if process.stdin is None:
            raise RuntimeError("nothing to tell it by")
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
    for process in processes:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{process.args!r:.200} did not get ready")
    for process in processes:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in processes]
    return Took(
        max(one["took_s"] for one in said),
        sum(one["cpu_s"] for one in said),
        max(one["peak_kib"] for one in said) / 1024,
    )


def _timed(command: list[str], lines: str = "", environ: Mapping[str, str] | None = None) -> Took:
    """Run a command to its end, with these lines to read.

    Raises:
        CalledProcessError: it failed.
    """
    began_s, before = time.perf_counter(), os.times()
    subprocess.run(
        command,
        input=lines,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    took_s, after = time.perf_counter() - began_s, os.times()
    cpu_s = (after.children_user + after.children_system
             - before.children_user - before.children_system)  # fmt: skip
    return Took(took_s, cpu_s)
