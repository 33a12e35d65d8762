"""The download path alone, in a process of its own: what `collect` does with a completed export.

    python -m benchmarks.against.our_downloads URL OUT COUNT --at-once 8 --durability full

It downloads the archives of servers 0 to COUNT - 1, and prints its figures as JSON.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from collector.archive.incoming import Care
from collector.archive.store import Arriving, Shelf
from collector.engine.answers import Problem, Stored
from collector.providers.base import OpenArchive, Target
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.credentials import TokenSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def download(arguments: argparse.Namespace) -> dict[str, float]:
    """Download all, so many at once; a place is free again when the last byte has come."""
    secret = TokenSource.of({"token_env": "TOKEN"}, {"TOKEN": "benchmark"})
    shelf = Shelf(arguments.out, Care(durable=arguments.durability == "full"))
    places = anyio.CapacityLimiter(arguments.at_once)
    storing = anyio.CapacityLimiter(64)
    async with CloudDC({"ops": secret}, {"ops": "ops"}, connections=arguments.at_once) as fleet:

        async def one(number: int) -> None:
            target = Target(arguments.url, "p", f"s{number:06}", "ops")
            who = object()
            async with storing:
                await places.acquire_on_behalf_of(who)
                async with fleet.open_archive(target, "1", asks_limits=False) as opened:
                    assert isinstance(opened, OpenArchive), opened  # noqa: S101
                    body = _with_end(
                        opened.chunks, functools.partial(places.release_on_behalf_of, who)
                    )
                    incoming = shelf.place(f"p/{target.server_id}", "dump.tar.gz")
                    answer = await shelf.store(Arriving(body, opened.length), incoming)
                    assert isinstance(answer, Stored), answer  # noqa: S101

        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as tasks:
            for number in range(arguments.count):
                tasks.start_soon(one, number)
        return {
            "seconds": time.perf_counter() - began_s,
            "cpu_s": time.process_time() - began_cpu_s,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


async def _with_end(
    chunks: AsyncIterator[bytes | Problem], ended: Callable[[], None]
) -> AsyncIterator[bytes | Problem]:
    async for chunk in chunks:
        yield chunk
    ended()


def main() -> None:
    """Download, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--durability", choices=["full", "relaxed"], default="full")
    arguments = parser.parse_args()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as `collect` does
    figures = anyio.run(
        functools.partial(download, arguments), backend_options={"use_uvloop": True}
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
