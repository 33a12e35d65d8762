"""The site of one run: its page, the page's data and events, its health, and a way to stop it."""

from __future__ import annotations

import contextlib
import zlib
from typing import TYPE_CHECKING, Final

import anyio

from collector.pages import render
from collector.report.rates import COUNTED_EVERY_S
from collector.serving.guard import Refused
from collector.serving.onlooker import APART_S, MOST, Onlooker, Ticks
from collector.serving.server import Answer, as_json, check_method, with_token_kept
from collector.serving.source import Revision, revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp import web

    from collector.serving.guard import Guard
    from collector.serving.server import Asked
    from collector.serving.source import Data, Source

SENDING: Final = 16
"""How many are sent the data of a run at once."""
TURN_S: Final = 60.0
SENT_WITHIN_S: Final = 30.0
SLOWEST: Final = 16 << 10
"""Bytes of data a second that an onlooker reads at least, from half a minute on."""
_PIECE: Final = 64 << 10
_LONGEST_ID: Final = 32


class RunSite:
    """Answers whoever looks at one run.

    Args:
        source: the run.
        guard: says who may stop it.
        stop: stops it; None where nobody may.
        runs_url: the list of runs; None where there is none.
    """

    def __init__(
        self,
        source: Source,
        guard: Guard,
        *,
        stop: Callable[[], None] | None = None,
        runs_url: str | None = None,
    ) -> None:
        self._runs_url = runs_url
        self.ticks = Ticks()
        self._sending = anyio.Semaphore(SENDING)
        self._source = source
        self._guard = guard
        self._stop = stop
        self._unseen = 0

    async def keep(self) -> None:
        """Look for news every second while somebody looks on, until cancelled."""
        while True:
            await anyio.sleep(APART_S)
            await self.look_if_wanted()

    async def look_if_wanted(self) -> None:
        """Look for news if somebody looks on; else now and then, for whoever comes next.

        How fast a run is, and how long it will still take, is known from several looks.
        """
        self._unseen += 1
        if self.ticks.onlookers or self._unseen * APART_S >= COUNTED_EVERY_S:
            self._unseen = 0
            with contextlib.suppress(Refused):  # it cannot be shown now: they keep what they have
                await self.look()

    async def look(self) -> None:
        """Look for news now, and tell all who look on."""
        try:
            await self._source.refresh()
        finally:
            self.ticks.tick()

    async def answer(self, asked: Asked, name: str) -> web.StreamResponse:
        """Answer a request.

        Args:
            asked: the request.
            name: what is asked for, below the place of the page.

        Raises:
            Refused: there is no such thing, or it is not for this one.
        """
        if name == "stop" and self._stop is not None:
            return await self._stopped(asked, self._stop)
        check_method(asked)
        if name == "":
            return await asked.send(with_token_kept(asked, self._guard.cookie) or self._page(asked))
        if name == "data":
            return await self._data(asked)
        if name == "events":
            return await self._events(asked)
        if name == "favicon.ico":
            return await asked.send(Answer(b"", status=204))
        if name == "healthz":
            return await asked.send(as_json((await self._source.health())._asdict()))
        raise Refused(404, "There is nothing here.")

    def _page(self, asked: Asked) -> Answer:
        stop = "stop" if self._stop is not None and asked.has_token else None
        headers = {"Content-Security-Policy": render.live_policy()}
        body = render.live("data", "events", stop, self._runs_url)
        return Answer(body, "text/html; charset=utf-8", headers=headers)

    async def _data(self, asked: Asked) -> web.StreamResponse:
        """Send the data of the page: to a few at once, since each holds some of them meanwhile."""
        with anyio.move_on_after(TURN_S) as waiting:
            await self._sending.acquire()
        if waiting.cancelled_caught:
            raise Refused(503, "Others are being sent the run's data; try again later.")
        try:
            data = await self._source.data()
            with asked.limited(SENT_WITHIN_S + len(data.compressed) / SLOWEST):
                return await self._send(asked, data)
        finally:
            self._sending.release()

    async def _send(self, asked: Asked, data: Data) -> web.StreamResponse:
        headers = {"ETag": f'"{data.revision}"', "Vary": "Accept-Encoding"}
        if asked.takes_gzip:
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(data.compressed))
        response = await asked.begin("application/json", headers)
        for piece in [data.compressed] if asked.takes_gzip else _inflated(data.compressed):
            await asked.write(response, piece)
        return await asked.end(response)

    async def _events(self, asked: Asked) -> web.StreamResponse:
        if self.ticks.onlookers >= MOST:
            raise Refused(503, "As many look on as may; try again later.")
        return await Onlooker(asked, self._source, self._has(asked)).look(self.ticks)

    def _has(self, asked: Asked) -> Revision | None:
        """Return what a page shows whose stream begins; None if it does not say."""
        request = asked.request
        told = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        return revision(told[:_LONGEST_ID])

    async def _stopped(self, asked: Asked, stop: Callable[[], None]) -> web.StreamResponse:
        check_method(asked, "POST")
        self._guard.check_stop(asked.request, has_token=asked.has_token)
        stop()
        return await asked.send(as_json({"stopping": True}, 202))


def _inflated(compressed: bytes) -> Iterator[bytes]:
    """Yield what was compressed, a piece at a time."""
    inflating = zlib.decompressobj(16 + zlib.MAX_WBITS)
    rest = compressed
    while rest or not inflating.eof:
        yield inflating.decompress(rest, _PIECE)
        rest = inflating.unconsumed_tail
        if inflating.eof:
            break
