"""How fast are small archives downloaded and proven, against the vendor's SDK, without proof?

20,000 archives of 16 KiB come from nginx on loopback. The download calls alone are measured, both
sides in a process that was started before. The SDK runs in the pool of threads that is best for it:
each is tried once with a tenth of the archives. It lives in an environment of its own, which is
made from `sdk-requirements.txt`. Sides run by turns; a ratio is the median of the rounds' ratios.
Ends with 1 where the limit does not hold.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.against.downloaders import interleaved, line, ratio
from benchmarks.against.nginx import demand
from benchmarks.against.serving import serving

if TYPE_CHECKING:
    from benchmarks.against.downloaders import Downloads, Side

ROUNDS = 5
AT_ONCE = 64
WANTED = 2.5
THREADS = (4, 8, 16, 32, 64)
ARCHIVES, ARCHIVE_BYTES, FILES = 20_000, 16 << 10, 300
REQUIREMENTS = Path(__file__).with_name("sdk-requirements.txt")
ENVIRONMENT = Path(".venv-sdk")


def main() -> int:
    """Measure, print a table, and tell whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--archives", type=int, default=ARCHIVES)
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="downloads of ours")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to be measured")
    parser.add_argument("--sdk", type=Path, default=ENVIRONMENT, help="the SDK's environment")
    arguments = parser.parse_args()
    demand("nginx")
    python = sdk_python(arguments.sdk)
    tenth = max(1, arguments.archives // 10)
    with serving(arguments.directory, tenth, ARCHIVE_BYTES, FILES) as served:
        threads = best(served.downloads, python, served.directory)
    with serving(arguments.directory, arguments.archives, ARCHIVE_BYTES, FILES) as served:
        ways = served.downloads
        sides: dict[str, Side] = {
            "ours, relaxed": partial(ways.ours, durability="relaxed", at_once=arguments.at_once),
            "ours, full": partial(ways.ours, durability="full", at_once=arguments.at_once),
            "floor, relaxed": partial(ways.floor, durability="relaxed"),
            f"SDK, {threads} threads": partial(ways.sdk, python=python, threads=threads),
        }
        measured = interleaved(sides, arguments.rounds, served.directory)
    print(f"small downloads: {arguments.archives:,} archives; ours {arguments.at_once} at once")
    for name, tooks in measured.items():
        print(line(name, tooks, served.megabytes, arguments.archives))
    relaxed, full = (
        ratio(measured, f"ours, {durability}", f"SDK, {threads} threads")
        for durability in ("relaxed", "full")
    )
    mark = "" if relaxed >= WANTED else "  NOT REACHED"
    print(f"to the SDK: relaxed {relaxed:.2f}x, at least {WANTED:g}x{mark}; full {full:.2f}x")
    return int(relaxed < WANTED)


def sdk_python(environment: Path) -> str:
    """Return an interpreter that has the SDK; make its environment where there is none."""
    python = environment.absolute() / "bin" / "python"
    ready = environment / ".ready"
    if not ready.exists():
        print(f"small downloads: making {environment} for the SDK", flush=True)
        venv.create(environment, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--require-hashes", "-r", REQUIREMENTS],
            check=True,
        )  # fmt: skip
        ready.touch()
    return str(python)


def best(ways: Downloads, python: str, directory: Path) -> int:
    """Return how many threads are best for the SDK, and print what each took."""
    sides: dict[str, Side] = {
        str(threads): partial(ways.sdk, python=python, threads=threads) for threads in THREADS
    }
    measured = interleaved(sides, 1, directory)
    took_s = {name: tooks[0].took_s for name, tooks in measured.items()}
    each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took_s.items())
    print(f"small downloads: the SDK by threads, {len(ways.archives):,} archives: {each}")
    return int(min(took_s, key=took_s.__getitem__))


if __name__ == "__main__":
    sys.exit(main())
