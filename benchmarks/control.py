"""What a server costs in CPU: a collect against a bare client that makes the same calls.

The emulator runs in a process of its own, without limits and with archives of 4 KiB. The bare
client makes exactly the calls that the emulator counted for the collect, writes each body to a
file, and proves, records and plans nothing. Both are whole processes, started from nothing; their
CPU is user and system time of all threads, as the system counts it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Self

LIMIT = 2.5
COLLECTOR = (sys.executable, "-m", "collector")
SCENARIO = {
    "seed": 1,
    "dialect": "plain",
    "export_duration_s": 0.5,
    "archive_bytes": 4096,
    "debug_headers": False,
}
BARE_CLIENT = """
import asyncio, json, pathlib, sys
import aiohttp

async def main(plan):
    inventory = json.loads(pathlib.Path(plan["inventory"]).read_text())
    servers = [
        f'{project["endpoint"]}/v1/{project["id"]}/physicalservers/{server["id"]}/logs/exports'
        for project in inventory["projects"] for server in project["servers"]
    ]
    polls = plan["status"]
    places = asyncio.Semaphore(plan["at_once"])
    async with aiohttp.ClientSession(headers={"X-Auth-Token": plan["token"]}) as session:
        async def collect(number, url):
            async with places:
                async with session.post(url, json={}) as answer:
                    export = f'{url}/{(await answer.json())["export_id"]}'
                for _ in range(polls // len(servers) + (number < polls % len(servers))):
                    async with session.get(export) as answer:
                        await answer.json()
            await asyncio.sleep(0.6)
            async with places, session.get(f"{export}/content") as answer:
                answer.raise_for_status()
                (pathlib.Path(plan["out"]) / f"{number}.tar.gz").write_bytes(await answer.read())
        await asyncio.gather(*(collect(number, url) for number, url in enumerate(servers)))

plan = json.loads(sys.argv[1])
if plan["uvloop"]:
    import uvloop
    uvloop.run(main(plan))
else:
    asyncio.run(main(plan))
"""


def cpu_s(command: list[str], environ: dict[str, str]) -> float:
    """Run a command to its end; return the seconds of CPU it took, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Emulator:
    """The emulator in a process of its own, for one measurement."""

    def __init__(self, directory: Path, servers: int) -> None:
        scenario = directory / "scenario.json"
        scenario.write_text(json.dumps(SCENARIO))
        self.inventory = directory / "fleet.json"
        self._process = subprocess.Popen(
            [*COLLECTOR, "emulator", "--scenario", scenario, "--servers", str(servers),
             "--listen", "127.0.0.1:0", "--inventory", self.inventory, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        ready = json.loads(self._process.stdout.readline() if self._process.stdout else "")
        self.url, self.token = ready["url"], ready["token"]

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


def measure(servers: int) -> dict[str, Any]:
    """Collect once and make the same calls barely, each against a fresh emulator."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Emulator(directory, servers) as emulator:
            environ = os.environ | {
                "CLOUDDC_TOKEN": emulator.token,
                "XDG_STATE_HOME": str(directory / "state"),  # each begins knowing nothing
            }
            command = [*COLLECTOR, "collect", str(emulator.inventory), "--quiet",
                       "--out", str(directory / "out"), "--progress", "none"]  # fmt: skip
            figures["collect"] = cpu_s(command, environ)
            calls = emulator.calls()
        figures["calls"] = calls
        for loop in ("uvloop", "asyncio"):
            bodies = directory / loop
            bodies.mkdir()
            with Emulator(directory, servers) as emulator:
                plan = {"inventory": str(emulator.inventory), "status": calls["status"],
                        "token": emulator.token, "out": str(bodies), "at_once": 64,
                        "uvloop": loop == "uvloop"}  # fmt: skip
                command = [sys.executable, "-c", BARE_CLIENT, json.dumps(plan)]
                figures[loop] = cpu_s(command, dict(os.environ))
                made = emulator.calls()
                if made != calls:
                    raise RuntimeError(f"the bare client made {made}, not {calls}")
    return figures


def main() -> int:
    """Print the table; return 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=6000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    runs = [measure(arguments.servers) for _ in range(arguments.runs)]
    each = 1e6 / arguments.servers
    for figures in runs:
        print(
            f"{figures['calls']['total']} calls; CPU a server: collect "
            f"{figures['collect'] * each:.0f} us, bare {figures['uvloop'] * each:.0f} us on "
            f"uvloop, {figures['asyncio'] * each:.0f} us on asyncio"
        )
    ratios = {
        loop: statistics.median(figures["collect"] / figures[loop] for figures in runs)
        for loop in ("uvloop", "asyncio")
    }
    print(
        f"collect / bare client, median of {len(runs)}: {ratios['uvloop']:.2f} on the same loop "
        f"(uvloop), {ratios['asyncio']:.2f} on asyncio's own; limit {LIMIT}"
    )
    return int(ratios["uvloop"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
