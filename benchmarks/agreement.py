"""Does the simulator of `pacing/` tell what the engine does over TCP?

Three fleets are collected by the library from the emulator, which is another process, and by the
engine alone in virtual time. Both meet the same servers with the same durations, limits and
latency, and use all of a limit. Ends with 1 where a makespan over TCP is more than 10 % off the
simulated one.

A run hangs on chance, in the small, so the simulated one is the median of several. Give a number
to collect each fleet as often (1).
"""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio

import collector
from benchmarks.pacing import scenarios
from benchmarks.pacing.driver import Wire
from benchmarks.pacing.gateway import Limit
from benchmarks.pacing.simulate import DOWNLOADS, Result, simulate
from collector import emulator
from collector.model import events as e
from collector.model.answers import ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from multiprocessing.connection import Connection

    from collector.runtime.collection import Collection

OFF_MOST = 0.1
SIMULATED = 9
LATENCY_S = 0.02
"""How long the emulator holds a call; what the wire takes is measured."""
JITTER = 0.1
MEDIAN_S = 3.0
SPREAD = 0.5
MEASURED = 50


@dataclass(frozen=True, slots=True)
class Both:
    """A fleet, said to the simulator and to the emulator.

    Attributes:
        simulated: without the wire.
        throttles, exports_in_flight: the same limits for the emulator.
    """

    simulated: scenarios.Scenario
    throttles: tuple[emulator.Throttle, ...] = ()
    exports_in_flight: int | None = None

    def emulated(self, durations_s: list[float]) -> emulator.Scenario:
        """Return what the emulator is to be."""
        servers = tuple(
            emulator.ServerSpec(f"s{number}", export_duration_s=duration_s)
            for number, duration_s in enumerate(durations_s)
        )
        return emulator.Scenario(
            projects=(emulator.ProjectSpec("p0", servers=servers),),
            throttles=self.throttles,
            exports_in_flight=self.exports_in_flight,
            debug_headers=False,
            latency_s=LATENCY_S,
        )


FLEETS = (
    Both(
        scenarios.Scenario(
            name="20 a second, told by words", kind="between", servers=150,
            limits=(Limit(ScopeKind.USER, 20, 1.0),),
        ),
        throttles=(emulator.Throttle("user", 20, window="sliding"),),
    ),
    Both(
        scenarios.Scenario(
            name="10 a second, bare 429s", kind="quota", servers=100, shape="bare",
            limits=(Limit(ScopeKind.USER, 10, 1.0),),
        ),
        throttles=(emulator.Throttle("user", 10, window="sliding", refusal="empty"),),
    ),
    Both(
        scenarios.Scenario(
            name="10 exports at once, not told", kind="concurrency", servers=60, shape="service",
            exports_running=10,
        ),
        exports_in_flight=10,
    ),
)  # fmt: skip


async def serve(scenario: emulator.Scenario, pipe: Connection) -> None:
    """Be the emulator, until told to end."""
    async with emulator.Emulator(scenario) as served:
        pipe.send((served.url, served.token, served.inventory()))
        await asyncio.to_thread(pipe.recv)
        pipe.send(served.statistics())


def serve_until_told(scenario: emulator.Scenario, pipe: Connection) -> None:
    """The other process."""
    anyio.run(serve, scenario, pipe, backend_options={"use_uvloop": True})


async def collected(
    url: str, token: str, inventory: dict[str, Any], out: Path
) -> tuple[Wire, float]:
    """Collect a fleet; return what the way to it is like, and the makespan."""
    wire = await measured(url, out)
    inventory["defaults"]["limits"] = {"share": 1.0, "downloads": DOWNLOADS}
    environ = {"CLOUDDC_TOKEN": token}
    text = io.BytesIO(json.dumps(inventory).encode())
    selection = collector.load(text, environ=environ).select()
    run = collector.collect(selection, out, access=collector.Access(environ=environ))
    return wire, await makespan_s(run)


async def makespan_s(collecting: AbstractAsyncContextManager[Collection]) -> float:
    """Return how long it took from the first intention to the last archive's."""
    times: list[float] = []
    async with collecting as run:
        async for event in run:
            if isinstance(event, e.ArchiveStored) or not times:
                times.append(time.monotonic())
    if run.state.collected < len(run.state.servers):
        raise RuntimeError(f"{run.state.collected} of {len(run.state.servers)} collected")
    return times[-1] - times[0]


async def measured(url: str, directory: Path) -> Wire:
    """Measure how long a call takes that is not held, and how long a sync to disk."""
    async with aiohttp.ClientSession() as session:

        async def call() -> None:
            async with session.get(f"{url}/emulator/inventory") as answer:
                await answer.read()

        ways_s = []
        for _ in range(MEASURED):
            began_s = time.perf_counter()
            await call()
            ways_s.append(time.perf_counter() - began_s)
    return Wire(
        latency_s=LATENCY_S + statistics.median(ways_s), jitter=JITTER,
        download_s=0.0, journal_s=statistics.median(syncs_s(directory)),
    )  # fmt: skip


def syncs_s(directory: Path) -> Iterator[float]:
    """Write a little and sync it, several times."""
    with (directory / "synced").open("wb") as file:
        for _ in range(MEASURED):
            began_s = time.perf_counter()
            file.write(bytes(256))
            file.flush()
            os.fsync(file.fileno())
            yield time.perf_counter() - began_s


def over_tcp(both: Both, durations_s: list[float]) -> tuple[Wire, float, dict[str, Any]]:
    """Collect a fleet; return the way to it, the makespan, and what the emulator counted."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve_until_told, args=(both.emulated(durations_s), theirs))
    server.start()
    try:
        url, token, inventory = ours.recv()
        with tempfile.TemporaryDirectory() as out:
            wire, took_s = anyio.run(
                collected, url, token, inventory, Path(out), backend_options={"use_uvloop": True}
            )
        ours.send("end")
        return wire, took_s, ours.recv()
    finally:
        server.terminate()
        server.join()


def in_virtual_time(both: Both, durations_s: list[float], wire: Wire) -> list[Result]:
    """Simulate it several times, the shortest makespan first."""
    scenario = dataclasses.replace(both.simulated, wire=wire)
    results = []
    for seed in range(SIMULATED):
        trial = scenarios.Trial(scenario, seed)
        trial.durations_s = durations_s
        result = simulate(trial)
        if result.wrong:
            raise RuntimeError(result.wrong)
        results.append(result)
    return sorted(results, key=lambda result: result.makespan_s)


def agrees(both: Both) -> bool:
    """Run a fleet both ways, print a line, and tell whether the makespans agree."""
    chance = random.Random(both.simulated.name)  # noqa: S311  # a simulation
    durations_s = [
        MEDIAN_S * math.exp(SPREAD * chance.gauss(0, 1)) for _ in range(both.simulated.servers)
    ]
    wire, real_s, counted = over_tcp(both, durations_s)
    simulated = in_virtual_time(both, durations_s, wire)
    median = simulated[SIMULATED // 2]
    ratio = real_s / median.makespan_s
    print(
        f"{both.simulated.name:<30}{real_s:>8.2f}{median.makespan_s:>10.2f}"
        f"{f'{simulated[0].makespan_s:.1f} to {simulated[-1].makespan_s:.1f}':>15}{ratio:>7.3f}"
        f"{counted['calls']['total']:>7}{median.calls:>10}"
        f"{counted['throttled']['total']:>10}{median.throttled:>10}",
        flush=True,
    )
    return abs(ratio - 1) <= OFF_MOST


def main(times: int) -> int:
    """Print the table; tell whether all of it agrees."""
    print(
        f"{'fleet':<30}{'TCP, s':>8}{'simulated':>10}{'of them':>15}{'ratio':>7}"
        f"{'calls':>7}{'simulated':>10}{'throttled':>10}{'simulated':>10}"
    )
    agreed = [agrees(both) for _ in range(times) for both in FLEETS]
    print(f"wanted: ratios within {OFF_MOST:.0%} of 1")
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
