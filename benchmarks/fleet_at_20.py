"""The main job at a real rate: 300 servers in 3 projects, all dialects, 20 calls a second.

One collection, against an emulator in this process. Ends with 1 unless every server is in the
manifest once and collected, every archive is what the emulator made, each server was exported
once, and under 5 % of the calls were throttled. tests/integration/test_fleet.py holds the same at
ten times the rate.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

import collector
from collector.emulator import Emulator, Lognormal, Throttle, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = 300
CALLS_A_SECOND = 20
THROTTLED_MOST = 0.05


async def main() -> int:
    """Collect, print the figures, and tell whether all of it holds."""
    scenario = fleet(
        servers=SERVERS,
        projects=3,
        seed=7,
        dialect="mixed",
        throttles=(Throttle("user", CALLS_A_SECOND),),
        export_duration_s=Lognormal(median=3, low=0.5, high=10),
    )
    with tempfile.TemporaryDirectory() as out:
        async with Emulator(scenario) as emulator:
            began_s = time.monotonic()
            run = await _collected(emulator, Path(out))
            took_s = time.monotonic() - began_s
            wrong = list(_wrong(emulator, run.directory))
            counted = emulator.statistics()
    calls, throttled = counted["calls"]["total"], counted["throttled"]["total"]
    print(
        f"fleet_at_20: {run.state.collected} of {SERVERS} servers in {took_s:.1f} s, {calls} calls "
        f"({calls / took_s:.1f} a second of {CALLS_A_SECOND}), {throttled} throttled "
        f"({throttled / calls:.2%}, under {THROTTLED_MOST:.0%})"
    )
    if throttled >= THROTTLED_MOST * calls:
        wrong.append("too many calls were throttled")
    for what in wrong:
        print(f"  {what}")
    return 1 if wrong else 0


async def _collected(emulator: Emulator, out: Path) -> collector.Collection:
    environ = {"CLOUDDC_TOKEN": emulator.token}
    text = io.BytesIO(json.dumps(emulator.inventory()).encode())
    inventory = collector.load(text, environ=environ)
    access = collector.Access(environ=environ)
    async with collector.collect(inventory.select(), out, access=access) as run:
        async for _ in run:
            pass
    return run


def _wrong(emulator: Emulator, directory: Path) -> Iterator[str]:
    """Compare what lies on disk with what the emulator made and counted."""
    manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
    rows = [row for project in manifest["projects"] for row in project["servers"]]
    fleet_ids = [server.id for project in emulator.scenario.projects for server in project.servers]
    if sorted(row["id"] for row in rows) != sorted(fleet_ids):
        yield "not every server is in the manifest exactly once"
    for row in rows:
        if row["archive"] is None:
            yield f"{row['name']} is not collected"
            continue
        content = (directory / row["archive"]["path"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != emulator.truth(row["id"])["sha256"]:
            yield f"{row['name']}: the archive is not what was sent"
    if emulator.statistics()["exports"]["by_server"] != dict.fromkeys(fleet_ids, 1):
        yield "not every server was exported exactly once"


if __name__ == "__main__":
    sys.exit(anyio.run(main))
