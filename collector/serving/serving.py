"""The run of this process, served while it is under way: `collect --serve`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from collector.serving.guard import Guard
from collector.serving.own import Own
from collector.serving.run_site import RunSite
from collector.serving.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from collector.serving.guard import Token
    from collector.serving.listening import Listening
    from collector.serving.own import Run
    from collector.serving.server import Asked

_LAST_WORDS_S = 1.0
"""How long the end of a run waits for those who look on to be told of it."""

_log = logging.getLogger(__name__)


class Serving:
    """Serves one run from `serve` to `finish`, and never raises for anything but its cancellation.

    Args:
        run: to be made before the run begins.
        listening: where.
        token: lets whoever has it stop the run; and look, from other machines.
        stop: stops the run.
    """

    def __init__(
        self, run: Run, listening: Listening, token: Token, stop: Callable[[], None]
    ) -> None:
        guard = Guard(listening, token)
        self._own = Own(run)
        self._site = RunSite(self._own, guard, stop)
        self._server = Server(listening, guard, self._answer)

    async def serve(self) -> None:
        """Serve until cancelled."""
        try:
            await self._server.open()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._own.hear)
                tasks.start_soon(self._site.keep)
        except Exception as error:  # noqa: BLE001  # the run matters more than its page
            _log.warning(f"the page is no longer served: {error!r}; the run continues")
        finally:
            with anyio.CancelScope(shield=True):
                await self._server.close()

    async def finish(self) -> None:
        """Tell those who look on that the run is over; they have a moment to hear it."""
        self._own.end()
        with anyio.move_on_after(_LAST_WORDS_S):
            await self._site.look()
            await self._site.ticks.until_nobody_looks()

    async def _answer(self, asked: Asked) -> web.StreamResponse:
        return await self._site.answer(asked, asked.path.removeprefix("/"))
