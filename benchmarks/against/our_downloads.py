"""The download calls of `collector`, alone: opens archives and stores them, as a run does.

Runs as a script; the first line it reads is JSON: `url`, `project`, `archives` (pairs of a
server and an export), `out`, `at_once` and `durability`. It prints `ready`, waits for another line,
and answers with what it took, in JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from collector.archive.store import store
from collector.archive.workers import Workers
from collector.engine.answers import Problem, Stored
from collector.providers.base import OpenArchive, Target
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.credentials import TokenSource

if TYPE_CHECKING:
    from collections.abc import Iterator


async def stored(
    opened: OpenArchive, directory: Path, workers: Workers, durability: str
) -> Stored | Problem:
    """Store one archive: all that this script knows of `store`."""
    del durability  # see `relax`
    return await store(
        opened.chunks, directory, "bms-logs.tar.gz",
        length=opened.length, throttle=None, workers=workers,
    )  # fmt: skip


def relax() -> None:
    """Have no sync take any time."""
    os.fsync = lambda fd: None  # noqa: ARG005  # its name is part of its type


def peak_kib() -> int:
    """Return the most memory held; getrusage would count what the process was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


async def main(plan: dict[str, Any]) -> None:
    """Download all archives of the plan once the word comes."""
    out = Path(plan["out"])
    if plan["durability"] == "relaxed":
        relax()
    source = TokenSource("the benchmark", "benchmark-token")
    workers = Workers()
    archives: Iterator[tuple[str, str]] = iter([(s, e) for s, e in plan["archives"]])
    async with CloudDC({"c": source}, {"c": "a"}, connections=plan["at_once"]) as fleet:

        async def download() -> None:
            for server, export_id in archives:
                target = Target(plan["url"], plan["project"], server, "c")
                async with fleet.open_archive(target, export_id, asks_limits=False) as opened:
                    answer: Stored | Problem
                    if isinstance(opened, OpenArchive):
                        answer = await stored(opened, out / server, workers, plan["durability"])
                    else:
                        answer = opened
                if isinstance(answer, Problem):
                    sys.exit(f"{server}: {answer.message}")

        print("ready", flush=True)
        sys.stdin.readline()
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as downloads:
            for _ in range(plan["at_once"]):
                downloads.start_soon(download)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    print(json.dumps({"took_s": took_s, "cpu_s": cpu_s, "peak_kib": peak_kib()}), flush=True)


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.stdin.readline()), backend_options={"use_uvloop": True})
