"""A deadline that is too short: how late is the end, and how much is home by then?

A fleet that takes a minute under its limit is given half of that. The oracle knows the limit and
how long each export takes, and makes three calls a server: no schedule brings home more.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
from anyio import to_thread

from collector.emulator import Emulator, Throttle, fleet

COLLECTOR = (sys.executable, "-m", "collector")
CALLS_A_SERVER = 3
MOST_LATE_S = 2.0
LEAST = 0.9


def oracle(per_s: int, deadline_s: float, export_s: float, servers: int) -> int:
    """Return how many servers can be home by the deadline, by anybody.

    `per_s` calls may leave at the start of each second; a POST is worth making only while its
    export can be complete, asked for and fetched by then.
    """
    calls = per_s * math.floor(deadline_s)
    exports = per_s * max(0, math.floor(deadline_s - export_s))
    return min(servers, exports, calls // CALLS_A_SERVER)


async def measure(
    servers: int, per_s: int, deadline_s: float, export_s: float
) -> tuple[float, int]:
    """Collect until the deadline; return the seconds until the process was gone, and what is home.

    The time of a command that does nothing is taken off: the deadline counts from the run's start.
    """
    scene = fleet(
        servers=servers, projects=2, export_duration_s=export_s, latency_s=0.05,
        archive_bytes=100_000, throttles=(Throttle("user", per_s),),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        async with Emulator(scene) as emulator:
            (home / "fleet.json").write_text(json.dumps(emulator.inventory()))
            environ = os.environ | {
                "CLOUDDC_TOKEN": emulator.token,
                "XDG_STATE_HOME": str(home / "state"),
            }
            began_s = time.monotonic()
            with subprocess.Popen(  # noqa: ASYNC220  # at once
                [*COLLECTOR, "collect", "fleet.json", "--deadline", f"{deadline_s}s", "--json",
                 "--progress", "none"],
                cwd=home, env=environ, stdout=subprocess.PIPE,
            ) as process:  # fmt: skip
                out, _ = await to_thread.run_sync(process.communicate)
            return time.monotonic() - began_s, json.loads(out)["totals"]["collected"]


def main() -> int:
    """Print the figures; return 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=300)
    parser.add_argument("--calls-per-second", type=int, default=15)
    parser.add_argument("--deadline", type=float, default=30.0, help="seconds")
    parser.add_argument("--export", type=float, default=5.0, help="seconds")
    arguments = parser.parse_args()
    servers, per_s = arguments.servers, arguments.calls_per_second
    deadline_s, export_s = arguments.deadline, arguments.export
    took_s, collected = anyio.run(measure, servers, per_s, deadline_s, export_s)
    possible = oracle(per_s, deadline_s, export_s, servers)
    late_s = took_s - deadline_s
    print(
        f"{servers} servers at {per_s} calls/s need {servers * CALLS_A_SERVER / per_s:.0f} s, and "
        f"have {deadline_s:.0f}: the process is gone {late_s:.2f} s after that (limit "
        f"{MOST_LATE_S:.0f}); {collected} collected, {collected / possible:.3f} of the "
        f"{possible} that could have been (limit {LEAST})"
    )
    return int(late_s > MOST_LATE_S or collected < LEAST * possible)


if __name__ == "__main__":
    sys.exit(main())
