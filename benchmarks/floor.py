"""What this machine can do at best: raw sockets, write, sha256, ISA-L inflate, two processes.

No HTTP library and no tar. 60 archives of 3.3 MB and 4,000 of 16 KiB come from nginx on loopback;
each is written under another name, renamed once it is proven, and with durability `full` the file
and both directories above it are synced.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks.against.downloaders import interleaved, line
from benchmarks.against.nginx import demand
from benchmarks.against.serving import serving

ROUNDS = 5


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to be measured")
    arguments = parser.parse_args()
    demand("nginx")
    print("floor: two processes, median of rounds; nothing is wanted of it, others are held to it")
    for archives, size, files in ((60, 3_300_000, 12), (4000, 16 << 10, 200)):
        with serving(arguments.directory, archives, size, files) as served:
            sides = {
                f"{durability}, {size / 1e6:.2f} MB": partial(
                    served.downloads.floor, durability=durability
                )
                for durability in ("relaxed", "full")
            }
            measured = interleaved(sides, arguments.rounds, served.directory)
            for name, tooks in measured.items():
                print(line(name, tooks, served.megabytes, archives), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
