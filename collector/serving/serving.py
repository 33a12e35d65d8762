"""What is served: the run of this process while it is under way, or the runs under a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from collector.bystander import Bystander
from collector.serving.guard import Guard
from collector.serving.own_run import OwnRun
from collector.serving.run_site import RunSite
from collector.serving.runs_site import RunsSite
from collector.serving.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

    from collector.serving.guard import Token
    from collector.serving.listening import Listening
    from collector.serving.own_run import Run
    from collector.serving.server import Asked

LAST_WORDS_S: Final = 1.0
"""How long the end of a run waits for those who look on to be told of it."""


class Serving:
    """Serves one run from `serve` to `finish`, and never raises for anything but its cancellation.

    Args:
        run: under way, or about to be.
        listening: where.
        token: lets whoever has it stop the run; and look, from other machines.
        stop: stops the run.
    """

    def __init__(
        self, run: Run, listening: Listening, token: Token, stop: Callable[[], None]
    ) -> None:
        guard = Guard(listening, token)
        self._own = OwnRun(run)
        self._site = RunSite(self._own, guard, stop=stop)
        self._server = Server(listening, guard, self._answer)
        self._bystander = Bystander(
            "the live page", f"`collector serve {run.directory.parent}` serves this run as well"
        )

    async def serve(self) -> None:
        """Serve until cancelled."""
        with self._bystander:
            try:
                await self._server.open()
                await self._site.keep()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._server.close()

    async def finish(self) -> None:
        """Tell those who look on that the run is over; they have a moment to hear it."""
        self._own.end()
        if not self._bystander.is_broken:
            with anyio.move_on_after(LAST_WORDS_S), self._bystander:
                await self._site.look()
                await self._site.ticks.until_nobody_looks()

    async def _answer(self, asked: Asked) -> web.StreamResponse:
        return await self._site.answer(asked, asked.path.removeprefix("/"))


async def serve_runs(out: Path, listening: Listening, token: Token) -> None:
    """Serve the runs under a directory, until cancelled.

    Args:
        out: the directory.
        listening: where.
        token: lets whoever has it look from other machines.
    """
    guard = Guard(listening, None if listening.is_loopback else token)
    site = RunsSite(out, guard)
    server = Server(listening, guard, site.answer)
    try:
        await server.open()
        await site.keep()
    finally:
        with anyio.CancelScope(shield=True):
            await server.close()
