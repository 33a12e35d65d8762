"""100,000 servers in one run: how much memory does a collect take, and how much CPU a server?

The real command against the emulator in another process, without limits and with archives of
4 KiB. The run lies in memory where there is a file system for that: so no time is lost to a disk,
and no sync costs anything. The bare client of `control.py` then makes the same calls, against a
fresh emulator. The inventory allows as many downloads at once as that makes. Ends with 1 over a
limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.against.processes import AT_ONCE, Emulator, call_barely, collect

PEAK_MIB = 400
CPU_RATIO = 2.0
IN_MEMORY = Path("/dev/shm")  # noqa: S108  # a file system, and what we make there is our own


def main() -> int:
    """Measure, print two lines, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=100_000)
    parser.add_argument(
        "--directory", type=Path, default=IN_MEMORY if IN_MEMORY.is_dir() else None,
        help="where the run lies meanwhile; by default in memory, if the system has such a place",
    )  # fmt: skip
    arguments = parser.parse_args()
    servers = arguments.servers
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        with Emulator(directory, servers, downloads=AT_ONCE) as emulator:
            began_s = time.monotonic()
            ours = collect(emulator, directory / "out")
            took_s = time.monotonic() - began_s
            calls = emulator.calls()
        with Emulator(directory, servers) as emulator:
            bare = call_barely(emulator, directory / "bare", calls, uvloop=True)
    ratio = ours.cpu_s / bare.cpu_s
    peak_mib = ours.peak_bytes / 2**20
    print(
        f"fleet: {servers:,} servers, {calls['total']:,} calls in {took_s:.0f} s; "
        f"peak memory {peak_mib:.0f} MiB, at most {PEAK_MIB}"
    )
    print(
        f"CPU a server: {ours.cpu_s / servers * 1e6:.0f} us, bare client "
        f"{bare.cpu_s / servers * 1e6:.0f} us: {ratio:.2f}x, at most {CPU_RATIO:g}x"
    )
    return int(peak_mib > PEAK_MIB or ratio > CPU_RATIO)


if __name__ == "__main__":
    sys.exit(main())
