"""One onlooker of a run: a stream of server-sent events, at the pace at which it is read.

Nothing is queued. An onlooker is known by the revision that it was told last, and once a second at
most it is told all that has changed since: who reads slowly is told the same in fewer words.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from aiohttp import web

    from collector.serving.server import Asked
    from collector.serving.source import Revision, Source

APART_S: Final = 1.0
"""Between two events for one onlooker."""
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 2000
"""How long a browser waits before it connects again."""
MOST: Final = 256
"""Onlookers of one collector."""


class Ticks:
    """Wakes all onlookers of a run when there may be news.

    Attributes:
        onlookers: how many there are.
        number: of ticks so far.
    """

    def __init__(self) -> None:
        self.onlookers = 0
        self.number = 0
        self._next = anyio.Event()
        self._gone = anyio.Event()

    def tick(self) -> None:
        """Wake those who wait."""
        self.number += 1
        self._next.set()
        self._next = anyio.Event()

    async def until_nobody_looks(self) -> None:
        """Wait until the last onlooker has gone."""
        while self.onlookers:
            await self._gone.wait()

    def come(self) -> None:
        """Count an onlooker."""
        self.onlookers += 1
        self._gone = anyio.Event()

    def go(self) -> None:
        """Count one less."""
        self.onlookers -= 1
        if not self.onlookers:
            self._gone.set()

    async def wait(self, after: int, within_s: float) -> None:
        """Wait for a tick after that number, but not for long."""
        with anyio.move_on_after(within_s):
            while self.number <= after:
                await self._next.wait()


class Onlooker:
    """One open stream.

    Args:
        asked: the request.
        source: the run.
        has: what the page at the other end shows; None if that is not known.
    """

    def __init__(self, asked: Asked, source: Source, has: Revision | None) -> None:
        self._asked = asked
        self._source = source
        self._has = has

    async def look(self, ticks: Ticks) -> web.StreamResponse:
        """Tell what changes, until the run has ended or the onlooker goes.

        Raises:
            Refused: there is nothing to look at.
            ConnectionError: it has gone, or reads nothing any more.
        """
        ticks.come()
        try:
            await self._source.refresh()
            headers = {"X-Accel-Buffering": "no"}
            response = await self._asked.begin("text/event-stream; charset=utf-8", headers)
            if not self._asked.wants_body:
                return await self._asked.end(response)
            await self._asked.write(response, b"retry: %d\n\n" % RETRY_MS)
            wrote_s = began_s = time.monotonic()
            while True:
                tick = ticks.number
                if await self._tell(response):
                    wrote_s = time.monotonic()
                    if self._source.has_ended:
                        return await self._asked.end(response)
                await anyio.sleep(max(0.0, began_s + APART_S - time.monotonic()))
                await ticks.wait(tick, max(0.0, wrote_s + HEARTBEAT_S - time.monotonic()))
                began_s = time.monotonic()
                if began_s >= wrote_s + HEARTBEAT_S:
                    await self._asked.write(response, b": still here\n\n")
                    wrote_s = began_s
        finally:
            ticks.go()

    async def _tell(self, response: web.StreamResponse) -> bool:
        """Send what has changed since the last time, if anything has."""
        now, ended = self._source.revision, self._source.has_ended
        if self._has == now and not ended:
            return False
        news = None
        if self._has is not None and self._has.epoch == now.epoch:
            news = await self._source.news(self._has)
        if news is None:
            await self._event(response, "reset", now, b"{}")
            news = await self._source.news(now) if ended else None
        if news is not None:
            await self._event(response, "ended" if ended else "delta", now, news)
        self._has = now
        return True

    async def _event(
        self, response: web.StreamResponse, name: str, now: Revision, data: bytes
    ) -> None:
        await self._asked.write(response, f"id: {now}\nevent: {name}\ndata: ".encode())
        await self._asked.write(response, data)  # one and the same for all who were told as much
        await self._asked.write(response, b"\n\n")
