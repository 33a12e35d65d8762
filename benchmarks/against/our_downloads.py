"""The download calls of `collector`, alone: opens archives and stores them, as a run does.

Runs as a script; the first line it reads is JSON: `url`, `project`, `archives` (pairs of a
server and an export), `out`, `at_once` and `durability`. It prints `ready`, waits for another line,
and answers with what it took, in JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from collector.archive.local import LocalDirectory
from collector.archive.staged import ArchivePolicy
from collector.archive.store import ArchiveStore, ArchiveStream
from collector.archive.targz import TAR_GZ
from collector.model.answers import Problem
from collector.model.ceilings import STORING
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.tokens import TokenSource
from collector.providers.protocol import ProjectAddress, Target

NAME = "bms-logs.tar.gz"

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def noting_the_end(
    chunks: AsyncIterator[bytes | Problem], ended: Callable[[], None]
) -> AsyncIterator[bytes | Problem]:
    """Pass bytes on, and tell when all have come: the next download may begin then."""
    async for chunk in chunks:
        yield chunk
    ended()


def peak_kib() -> int:
    """Return the most memory held; getrusage would count what the process was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


async def main(plan: dict[str, Any]) -> None:
    """Download all archives of the plan once the word comes."""
    out = Path(plan["out"])
    store = ArchiveStore(LocalDirectory(out), ArchivePolicy(durable=plan["durability"] == "full"))
    source = TokenSource("the benchmark", "benchmark-token")
    places = anyio.Semaphore(plan["at_once"])
    project = ProjectAddress("clouddc", plan["url"], plan["project"], "c", "a")
    async with CloudDC({"c": source}, connections=plan["at_once"]) as fleet:

        async def download(server: str, export_id: str) -> None:
            target = Target(project, server)
            async with fleet.open_archive(target, export_id, asks_limits=False) as opened:
                if isinstance(opened, Problem):
                    sys.exit(f"{server}: {opened.message}")
                stream = ArchiveStream(
                    noting_the_end(opened.chunks, places.release), opened.length, NAME
                )
                answer = await store.store(stream, store.stage(server, NAME, TAR_GZ))
            storing.release()
            if isinstance(answer, Problem):
                sys.exit(f"{server}: {answer.message}")

        storing = anyio.Semaphore(STORING)
        print("ready", flush=True)
        sys.stdin.readline()
        gc.freeze()  # as a run does
        gc.set_threshold(100_000, 50, 100)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as downloads:
            for server, export_id in plan["archives"]:
                await storing.acquire()
                await places.acquire()
                downloads.start_soon(download, server, export_id)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    print(json.dumps({"took_s": took_s, "cpu_s": cpu_s, "peak_kib": peak_kib()}), flush=True)


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.stdin.readline()), backend_options={"use_uvloop": True})
