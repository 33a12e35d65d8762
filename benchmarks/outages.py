"""An endpoint that is really down: how soon is that found, and how soon is it left again?

A fleet is collected through a relay that, for a while, is gone (its listener closed, connections
reset), swallows what it gets, or answers everybody with a page under 200, 403 or 502; in the middle
of a run, and from its start. By the journal: how long after the cut, or after the first call could
leave, the endpoint was said to be down; and how long after its return the first call got through.
Each is wanted within 5 s, as one condition, with nobody failed. Ends with 1 otherwise.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from benchmarks.network import Way, collect, scene, through
from collector.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

FOUND_S = LEFT_S = 5.0
AFTER_S = 4.0
"""How long a run has gone on when it is cut."""
PAGE = b"<html><head><title>Blocked</title></head><body>Request blocked</body></html>"
GOT_THROUGH = ("ExportStarted", "ExportCompleted", "ArchiveStored")


def page(status: int) -> bytes:
    """Return an answer that something on the way gives."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n\r\n"
    return head.encode() + PAGE


CUTS: dict[str, bytes | None] = {
    "listener closed": None,
    "packets swallowed": None,
    "page under 200": page(200),
    "page under 403": page(403),
    "page under 502": page(502),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a journal tells of an outage.

    Attributes:
        found_s: from the cut until the endpoint was said to be down.
        left_s: from its return until the first call got through.
        downs: how often it was said to be down.
    """

    found_s: float
    left_s: float
    downs: int


def found(journal: Path, cut_s: float, back_s: float) -> Found:
    """Return what a journal tells of an outage between two times, in Unix seconds."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    began_s = next(unix_s(one) for one in events if one["event"] == "SelectionEnded")
    downs = [unix_s(one) for one in events if one["event"] == "EndpointWentDown"]
    through_s = [unix_s(one) for one in events if one["event"] in GOT_THROUGH]
    return Found(
        found_s=min(downs, default=math.inf) - max(cut_s, began_s),
        left_s=min((at_s for at_s in through_s if at_s > back_s), default=math.inf) - back_s,
        downs=len(downs),
    )


def unix_s(event: dict[str, Any]) -> float:
    """Return when something was recorded."""
    return datetime.fromisoformat(event["at"]).timestamp()


async def measure(cut: str, *, from_start: bool, servers: int, gone_s: float) -> bool:
    """Collect through an outage; print a row, and return whether all is as wanted."""
    times_s: list[float] = []
    async with Emulator(scene(servers)) as emulator:
        way = Way(int(emulator.url.rpartition(":")[2]))

        async def break_it() -> None:
            if not from_start:
                await anyio.sleep(AFTER_S)
            way.page = CUTS[cut]
            times_s.append(time.time())
            if way.page is None:
                await way.cut(gone_s, swallow=cut == "packets swallowed")
            else:
                await anyio.sleep(gone_s)
                way.page = None
            times_s.append(time.time())

        async with way.open(), anyio.create_task_group() as tasks:
            tasks.start_soon(break_it)
            await anyio.lowlevel.checkpoint()
            ended = await collect(through(emulator, way.port), emulator.token, "--deadline", "180s")
    told = found(ended.directory / "journal.jsonl", *times_s)
    totals = ended.totals
    quick = told.found_s <= FOUND_S and told.left_s <= LEFT_S
    ok = quick and told.downs == 1 and ended.code == 0 and totals["collected"] == servers
    print(
        f"{cut:<20}{'start' if from_start else 'middle':<8}{told.found_s:>9.2f}{told.left_s:>8.2f}"
        f"{told.downs:>7}{totals['collected']:>11}{totals['failed']:>8}{totals['pending']:>9}"
        f"{ended.took_s:>8.1f}  {'' if ok else 'X'}",
        flush=True,
    )
    return ok


async def main() -> int:
    """Print the table; return 1 where a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", type=int, default=120)
    parser.add_argument("--gone", type=float, default=15.0, help="seconds")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the outages")
    arguments = parser.parse_args()
    print(
        f"{'outage':<20}{'from':<8}{'found s':>9}{'left s':>8}{'downs':>7}{'collected':>11}"
        f"{'failed':>8}{'pending':>9}{'took s':>8}"
    )
    ok = True
    for cut in fnmatch.filter(CUTS, arguments.only):
        for from_start in (False, True):
            well = await measure(
                cut, from_start=from_start, servers=arguments.servers, gone_s=arguments.gone
            )
            ok = ok and well
    return int(not ok)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
