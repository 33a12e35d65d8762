"""How fast archives come home, verified, against what an engineer would put together instead.

nginx serves them on loopback. Ours is the download path alone, in a process that is up before the
clock starts; so is the floor (`floor.py`). The pipeline is what `curl`, `tee`, `sha256sum` and
`gzip -t` do by twos; aria2c and curl without it verify nothing. Runs of all of them take turns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.against.web import Nginx, large_archive, require
from benchmarks.floor import ARCHIVES, floor, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = {"relaxed": 2.8, "full": 2.2}
OF_FLOOR = 0.7
LARGE = 2.5
LARGE_BYTES = 2_000_000_000
MEMORY_LIMIT = 140 << 20
MEMORY_GROWTH = 1.1
PIPELINE = "curl -s {url}/{{}} | tee >(sha256sum > {{}}.sha256) {{}} | gzip -t"


def ours(url: str, out: Path, count: int, durability: str) -> dict[str, float]:
    """Return the figures of our download path."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.against.our_downloads", url, out, str(count),
         "--durability", durability],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def timed(command: str, out: Path) -> float:
    """Return how long a command of the shell takes in a directory."""
    began_s = time.perf_counter()
    subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], cwd=out, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - began_s


def in_turn(
    directory: Path, runs: int, sides: dict[str, Callable[[Path], float]]
) -> dict[str, float]:
    """Run every side so often, in turn; return the median of each one's seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            out = directory / "out"
            out.mkdir()
            seconds[name].append(side(out))
            shutil.rmtree(out)
    return {name: statistics.median(some) for name, some in seconds.items()}


def many(directory: Path, _size: int, runs: int) -> bool:
    """Measure 60 archives of 3.3 MB; return whether each limit is kept."""
    names = lay_out(directory)
    total = sum((directory / "archives" / name).stat().st_size for name in names)
    with Nginx(directory) as nginx:
        url = nginx.url
        listed = " ".join(names)
        urls = " ".join(f"{url}/{name}" for name in names)
        (directory / "urls").write_text(urls.replace(" ", "\n"))
        piped = f"printf '%s\\n' {listed} | xargs -P2 -I{{}} bash -c '{PIPELINE.format(url=url)}'"
        sides: dict[str, Callable[[Path], float]] = {
            "collector, relaxed": lambda out: ours(url, out, ARCHIVES, "relaxed")["seconds"],
            "collector, full": lambda out: ours(url, out, ARCHIVES, "full")["seconds"],
            "floor, relaxed": lambda out: floor(nginx.port, names, out, durable=False),
            "floor, full": lambda out: floor(nginx.port, names, out, durable=True),
            "curl | tee | sha256sum | gzip -t, by twos": lambda out: timed(piped, out),
            "aria2c -j8, nothing verified": lambda out: timed(
                f"aria2c -q -j8 -i {directory}/urls", out
            ),
            "curl -Z, nothing verified": lambda out: timed(
                f"curl -sZ --parallel-max 8 --remote-name-all {urls}", out
            ),
        }
        medians = in_turn(directory, runs, sides)
    pipeline_s = medians["curl | tee | sha256sum | gzip -t, by twos"]
    kept = True
    for name, took_s in medians.items():
        print(f"{name}: {total / 1e6 / took_s:.0f} MB/s, {pipeline_s / took_s:.2f}x the pipeline")
    for durability, limit in MANY.items():
        our_s = medians[f"collector, {durability}"]
        of_floor = medians[f"floor, {durability}"] / our_s
        print(
            f"{durability}: {pipeline_s / our_s:.2f}x the pipeline (limit {limit}), "
            f"{of_floor:.2f}x the floor (limit {OF_FLOOR})"
        )
        kept = kept and pipeline_s / our_s >= limit and of_floor >= OF_FLOOR
    return kept


def one_of(directory: Path, size: int, runs: int) -> tuple[dict[str, float], float]:
    """Measure one archive of that size; return each side's seconds, and our peak of memory."""
    shutil.rmtree(directory / "archives", ignore_errors=True)
    (directory / "archives").mkdir()
    large_archive(directory / "archives" / "00.tar.gz", size)
    peaks: list[float] = []

    def collector(out: Path, durability: str) -> float:
        figures = ours(nginx.url, out, 1, durability)
        peaks.append(figures["peak_bytes"])
        return figures["seconds"]

    with Nginx(directory) as nginx:
        piped = PIPELINE.format(url=nginx.url).replace("{}", "00.tar.gz")
        medians = in_turn(
            directory,
            runs,
            {
                "relaxed": lambda out: collector(out, "relaxed"),
                "full": lambda out: collector(out, "full"),
                "pipeline": lambda out: timed(piped, out),
            },
        )
    return medians, max(peaks)


def single(directory: Path, size: int, runs: int) -> bool:
    """Measure one archive of 2 GB, and what memory it takes against one a tenth as large."""
    _, small_peak = one_of(directory, size // 10, 1)
    medians, peak = one_of(directory, size, runs)
    ratio = medians["pipeline"] / medians["relaxed"]
    print(
        f"one archive of {size / 1e9:g} GB: {size / 1e6 / medians['relaxed']:.0f} MB/s, "
        f"{ratio:.2f}x the pipeline (limit {LARGE}), "
        f"{medians['pipeline'] / medians['full']:.2f}x full; peak {peak / 2**20:.0f} MiB "
        f"(limit 140), {peak / small_peak:.2f}x that of a tenth of it (limit {MEMORY_GROWTH})"
    )
    return ratio >= LARGE and peak <= MEMORY_LIMIT and peak <= MEMORY_GROWTH * small_peak


def measured(
    measure: Callable[[Path, int, int], bool], where: Path | None, size: int, runs: int
) -> bool:
    """Measure in a directory of its own."""
    with tempfile.TemporaryDirectory(dir=where or Path.cwd()) as name:
        return measure(Path(name), size, runs)


def main() -> int:
    """Print the tables; return 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="on the disk that is measured")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large-bytes", type=int, default=LARGE_BYTES)
    arguments = parser.parse_args()
    require("nginx", "curl", "aria2c", "gzip", "sha256sum", "xargs")
    kept = [
        measured(many, arguments.directory, 0, arguments.runs),
        measured(single, arguments.directory, arguments.large_bytes, max(1, arguments.runs - 2)),
    ]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
