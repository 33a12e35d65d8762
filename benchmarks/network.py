"""A network that goes away for a minute, an endpoint that is dead, a process that stands still.

The same fleet is collected undisturbed, while its service is gone for a while in the middle (its
listener closed and its connections reset; or packets swallowed, as a lost VPN does), beside a
project whose endpoint is dead, and by a process that is stopped for a while, as a laptop sleeps.
Nobody may fail for any of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread
from anyio.abc import SocketAttribute

from collector.emulator import Emulator, Throttle, fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import SocketStream

COLLECTOR = (sys.executable, "-m", "collector")
MOST_LONGER = 1.05
DEAD = "http://127.0.0.1:9"  # the port that discards: nobody listens


class Way:
    """The way to a service: a relay that can be cut.

    Attributes:
        port: where it listens.
        swallows: what comes goes nowhere, and nobody is told.
        page: whoever asks is answered with this, by something on the way.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.port = 0
        self.swallows = False
        self.page: bytes | None = None
        self._listening = anyio.CancelScope()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Way]:
        """Relay until the context is left."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._listen)
            yield self
            tasks.cancel_scope.cancel()

    async def cut(self, seconds: float, *, swallow: bool) -> None:
        """Be gone for a while."""
        if swallow:
            self.swallows = True
            await anyio.sleep(seconds)
            self.swallows = False
            return
        self._listening.cancel()
        await anyio.sleep(seconds)
        self._listening = anyio.CancelScope()

    async def _listen(self, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:  # noqa: ANN401
        while True:
            scope = self._listening
            with scope:
                listener = await anyio.create_tcp_listener(
                    local_host="127.0.0.1", local_port=self.port, reuse_port=True
                )
                async with listener:
                    if not self.port:
                        self.port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no database's
                        task_status.started()
                    await listener.serve(self._relay)
            while self._listening is scope:  # noqa: ASYNC110  # a benchmark may poll
                await anyio.sleep(0.05)

    async def _relay(self, near: SocketStream) -> None:
        async with near, await anyio.connect_tcp("127.0.0.1", self._to_port) as far:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._ask, near, far, tasks.cancel_scope.cancel)
                    tasks.start_soon(self._pass, far, near, tasks.cancel_scope.cancel)
            except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # one end has gone, and so the other goes

    async def _ask(self, near: SocketStream, far: SocketStream, end: Callable[[], None]) -> None:
        async for data in near:
            if self.page is None:
                if not self.swallows:
                    await far.send(data)
            elif data.startswith((b"GET ", b"POST ")):
                await near.send(self.page)
        if self.swallows:
            await anyio.sleep_forever()
        end()

    async def _pass(self, one: SocketStream, other: SocketStream, end: Callable[[], None]) -> None:
        async for data in one:
            if not self.swallows:
                await other.send(data)
        if not self.swallows:
            end()
        else:
            await anyio.sleep_forever()


@dataclass(frozen=True, slots=True)
class Ended:
    """A collect that is over."""

    code: int
    took_s: float
    totals: dict[str, int]
    directory: Path

    def rows(self, project: str) -> list[dict[str, Any]]:
        """Return a project's servers, as the manifest has them."""
        document = json.loads((self.directory / "manifest.json").read_bytes())
        (found,) = (one for one in document["projects"] if one["name"] == project)
        return list(found["servers"])


async def collect(
    inventory: dict[str, Any], token: str, *options: str, sleeps: tuple[float, float] | None = None
) -> Ended:
    """Collect with the command; `sleeps`: it is stopped after so long, for so long."""
    home = Path(tempfile.mkdtemp())
    (home / "fleet.json").write_text(json.dumps(inventory))
    environ = os.environ | {"CLOUDDC_TOKEN": token, "XDG_STATE_HOME": str(home / "state")}
    began_s = time.monotonic()
    with subprocess.Popen(  # noqa: ASYNC220  # at once
        [*COLLECTOR, "collect", "fleet.json", "--json", "--progress", "none", *options],
        cwd=home, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        if sleeps is not None:
            await anyio.sleep(sleeps[0])
            process.send_signal(signal.SIGSTOP)
            await anyio.sleep(sleeps[1])
            process.send_signal(signal.SIGCONT)
        out, _ = await to_thread.run_sync(process.communicate)
    told = json.loads(out)
    took_s = time.monotonic() - began_s
    return Ended(process.returncode, took_s, told["totals"], home / told["directory"])


def scene(servers: int) -> Any:  # noqa: ANN401  # a scenario
    """Return a fleet that takes some twenty seconds."""
    return fleet(
        servers=servers, projects=1, export_duration_s=3.0, latency_s=0.05, archive_bytes=200_000,
        throttles=(Throttle("user", 20),), faults=(),
    )  # fmt: skip


def through(emulator: Emulator, port: int) -> dict[str, Any]:
    """Return an inventory whose endpoint is the way, not the service itself."""
    inventory: dict[str, Any] = json.loads(json.dumps(emulator.inventory()))
    for project in inventory["projects"]:
        project["endpoint"] = f"http://127.0.0.1:{port}"
    return inventory


async def cut(servers: int, after_s: float, gone_s: float, *, swallow: bool) -> Ended:
    """Collect while the network is gone for a while."""
    async with Emulator(scene(servers)) as emulator:
        way = Way(int(emulator.url.rpartition(":")[2]))
        async with way.open(), anyio.create_task_group() as tasks:

            async def break_it() -> None:
                await anyio.sleep(after_s)
                await way.cut(gone_s, swallow=swallow)

            tasks.start_soon(break_it)
            ended = await collect(through(emulator, way.port), emulator.token)
    return ended


async def beside_the_dead(servers: int, *, dead: bool) -> Ended:
    """Collect one project, and beside it one that is dead."""
    async with Emulator(scene(servers)) as emulator:
        inventory = json.loads(json.dumps(emulator.inventory()))
        (project,) = inventory["projects"]
        project["name"] = "living"
        if dead:
            inventory["projects"].append(
                {**project, "id": "dead", "name": "dead", "endpoint": DEAD}
            )
        # The makespan of the living project is what its own rows say.
        return await collect(inventory, emulator.token, "--deadline", "45s")


def makespan_s(rows: list[dict[str, Any]]) -> float:
    """Return the seconds from the first request of a project to its last archive."""
    from datetime import datetime  # noqa: PLC0415  # here alone

    begins = min(datetime.fromisoformat(row["export"]["requested_at"]) for row in rows)
    ends = max(datetime.fromisoformat(row["archive"]["finished_at"]) for row in rows)
    return (ends - begins).total_seconds()


async def slept(servers: int, after_s: float, for_s: float) -> Ended:
    """Collect with a process that stands still for a while."""
    async with Emulator(scene(servers)) as emulator:
        return await collect(emulator.inventory(), emulator.token, sleeps=(after_s, for_s))


async def main() -> int:
    """Print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=120)
    parser.add_argument("--gone", type=float, default=60.0, help="seconds")
    arguments = parser.parse_args()
    servers, gone_s = arguments.servers, arguments.gone
    ok = True
    for name, ended in (
        ("undisturbed", await slept(servers, 0.0, 0.0)),
        ("listener closed", await cut(servers, 8.0, gone_s, swallow=False)),
        ("packets swallowed", await cut(servers, 8.0, gone_s, swallow=True)),
        ("process stopped", await slept(servers, 8.0, gone_s)),
    ):
        totals = ended.totals
        ok = ok and ended.code == 0 and totals["collected"] == servers
        print(
            f"{name:18}  {ended.took_s:6.1f} s, exit {ended.code}: {totals['collected']} of "
            f"{servers} collected, {totals['failed']} failed, {totals['pending']} pending",
            flush=True,
        )
    alone = makespan_s((await beside_the_dead(servers, dead=False)).rows("living"))
    beside = makespan_s((await beside_the_dead(servers, dead=True)).rows("living"))
    ratio = beside / alone
    print(f"beside a dead endpoint: {beside:.1f} s, alone {alone:.1f} s: {ratio:.3f} x")
    return int(not ok or ratio > MOST_LONGER)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
