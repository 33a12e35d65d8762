"""How many requests a second does the emulator serve from one core?

Each row is one kind of call, made by 32 connections from another process. A second of the
server's own CPU counts, so that a busy machine changes little. The first row is a bare aiohttp
server that answers every request with the same bytes: what the emulator's own work is compared to.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import uvloop
from aiohttp import web

from collector.emulator import Emulator, Throttle, fleet

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CONNECTIONS = 32
SECONDS = 2.0
WANTED_PER_S = 3000
NEVER_REACHED = (Throttle("user", 10**9), Throttle("api", 10**9), Throttle("project", 10**9))
SCENARIO = fleet(
    servers=300, seed=1, dialect="mixed", export_duration_s=0.0, throttles=NEVER_REACHED
)


@dataclass(frozen=True, slots=True)
class Measure:
    """What one kind of call came to: requests, by the second and by the server's CPU second."""

    call: str
    per_s: float
    per_cpu_s: float


def cpu_s() -> float:
    """The CPU time of this process, user and system, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def bare(_: web.BaseRequest) -> web.Response:
    """What the fastest server on this stack would do."""
    body = b'{"export_id": "1", "status": "processing", "percentage": "30%"}'
    return web.Response(body=body, content_type="application/json")


async def serve(pipe: Connection) -> None:
    """Serve the emulator and the bare server; tell the CPU time used whenever asked."""
    runner = web.ServerRunner(web.Server(bare, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Emulator(SCENARIO) as emulator:
        pipe.send((emulator.url, emulator.token, runner.addresses[0][1]))
        while await asyncio.to_thread(pipe.recv) == "cpu":
            pipe.send(cpu_s())
    await runner.cleanup()


def serve_until_told(pipe: Connection) -> None:
    """The other process."""
    uvloop.run(serve(pipe))


async def exports(url: str, token: str) -> list[str]:
    """The addresses of a completed export of every server."""
    addresses = []
    async with aiohttp.ClientSession(headers={"X-Auth-Token": token}) as session:
        for project in SCENARIO.projects:
            for server in project.servers:
                path = f"/v1/{project.id}/physicalservers/{server.id}/logs/exports"
                async with session.post(url + path, json={}) as response:
                    addresses.append(f"{path}/{json.loads(await response.read())['export_id']}")
    return addresses


async def connection(port: int, requests: list[bytes], until_s: float) -> int:
    """Make the requests over and over on one connection; how many were answered."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    while loop.time() < until_s:
        writer.write(requests[answered % len(requests)])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        answered += 1
    writer.close()
    return answered


async def measure(call: str, port: int, requests: list[bytes], pipe: Connection) -> Measure:
    """Load the server with one kind of call for `SECONDS`."""
    loop = asyncio.get_running_loop()
    pipe.send("cpu")
    before_s = pipe.recv()
    began_s = loop.time()
    async with asyncio.TaskGroup() as group:
        connections = [
            group.create_task(connection(port, requests[start::CONNECTIONS], began_s + SECONDS))
            for start in range(CONNECTIONS)
        ]
    pipe.send("cpu")
    used_s = pipe.recv() - before_s
    answered = sum(task.result() for task in connections)
    return Measure(call, answered / (loop.time() - began_s), answered / used_s)


async def measure_all(pipe: Connection) -> list[Measure]:
    """One row after the other."""
    url, token, bare_port = pipe.recv()
    port = int(url.rpartition(":")[2])
    addresses = await exports(url, token)

    def requests(method: str, paths: list[str], body: str = "") -> list[bytes]:
        head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Auth-Token: {token}"
        rest = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        return [f"{method} {path} {rest}".encode() for path in paths]

    status = requests("GET", addresses)
    export = requests("POST", [path.rpartition("/")[0] for path in addresses], "{}")
    download = requests("GET", [f"{path}/content" for path in addresses])
    return [
        await measure("bare aiohttp", bare_port, status, pipe),
        await measure("status", port, status, pipe),
        await measure("export", port, export, pipe),
        await measure("download, 4 KiB", port, download, pipe),
    ]


def main() -> None:
    """Print the table; exit 1 if status calls come at less than the wanted rate."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_until_told, args=(theirs,))
    server.start()
    measures = uvloop.run(measure_all(ours))
    ours.send("end")
    server.join()
    print(f"{'call':<16} {'a second':>10} {'a CPU second':>13} {'of bare':>8}")
    for row in measures:
        share = row.per_cpu_s / measures[0].per_cpu_s
        print(f"{row.call:<16} {row.per_s:>10,.0f} {row.per_cpu_s:>13,.0f} {share:>8.2f}")
    print(f"wanted: at least {WANTED_PER_S:,} status calls a CPU second")
    if measures[1].per_cpu_s < WANTED_PER_S:
        sys.exit(1)


if __name__ == "__main__":
    main()
