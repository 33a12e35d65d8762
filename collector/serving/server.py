"""Takes requests within bounds: so many connections, so large, and none that nobody reads from."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from collector import descriptors
from collector.serving.guard import PARAMETER, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import TypeAlias

    from collector.serving.guard import Guard
    from collector.serving.listening import Listening

    Answering: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    Site: TypeAlias = Callable[["Asked"], Awaitable[web.StreamResponse]]

STALL_S: Final = 30.0
"""How long an onlooker may read nothing."""
MOST_CONNECTIONS: Final = 320
_LEAST_CONNECTIONS: Final = 4
_PART_OF_FILES: Final = 8
"""Of the files that this process may still open, one in so many may be a connection."""
_IDLE_S: Final = 15.0
"""How long a connection may take for its request, and be kept after it."""
_LONGEST_LINE: Final = 4096
_LONGEST_FIELD: Final = 8190
"""Of a header: a browser sends along the cookies of all ports of this host."""
_MOST_HEADERS: Final = 64
_PIECE: Final = 16 << 10
"""Bytes that are written at once."""
_BUFFERED: Final = 32 << 10
"""Bytes of an answer that wait in this process for one onlooker."""
_ENDED_WITHIN_S: Final = 1.0

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "collector",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

_log = logging.getLogger(__name__)
_NO_LOG: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is here as a whole.

    Attributes:
        body: its bytes.
        kind: their media type.
        status: of HTTP.
        headers: besides those of every answer.
    """

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200) -> Answer:
    """Make an answer of JSON."""
    return Answer(msgspec.json.encode(value) + b"\n", "application/json", status)


class Asked:
    """A request that may be answered, and its answer.

    Attributes:
        path: that is asked for, without the query.
        raw_path: the same, as it stands in the URL.
        has_token: whoever asks has the token.
        has_begun: the answer's headers were sent, so that it can become no other.
    """

    def __init__(self, request: web.BaseRequest, *, has_token: bool) -> None:
        self.path = request.path
        self.raw_path = request.rel_url.raw_path
        self.has_token = has_token
        self.has_begun = False
        self.request = request

    @property
    def wants_body(self) -> bool:
        """Whether the answer has a body: that to HEAD ends with its headers."""
        return self.request.method != "HEAD"

    @property
    def takes_gzip(self) -> bool:
        """Whether the answer may be compressed."""
        wanted = self.request.headers.get("Accept-Encoding", "").lower()
        return any(
            name.strip() == "gzip" and quality.replace(" ", "") not in ("q=0", "q=0.0")
            for name, _, quality in (one.partition(";") for one in wanted.split(","))
        )

    async def send(self, answer: Answer) -> web.StreamResponse:
        """Send an answer that is here as a whole."""
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        response = await self.begin(answer.kind, headers, status=answer.status)
        await self.write(response, answer.body)
        return await self.end(response)

    async def begin(
        self, kind: str, headers: Mapping[str, str], *, status: int = 200
    ) -> web.StreamResponse:
        """Send an answer's headers."""
        named = {**_HEADERS, "Content-Security-Policy": _POLICY, "Content-Type": kind, **headers}
        response = web.StreamResponse(status=status, headers=named)
        transport = self.request.transport
        if transport is None:
            raise ConnectionResetError("the onlooker has gone")
        transport.set_write_buffer_limits(high=_BUFFERED)
        self.has_begun = True
        with self.limited():
            await response.prepare(self.request)
        return response

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send bytes, as fast as they are read.

        Raises:
            ConnectionError: the onlooker has gone, or read nothing for too long.
        """
        view = memoryview(data if self.wants_body else b"")
        for start in range(0, len(view), _PIECE):
            with self.limited():
                await response.write(view[start : start + _PIECE])
                await self.request.writer.drain()
            await anyio.lowlevel.checkpoint()

    async def end(self, response: web.StreamResponse) -> web.StreamResponse:
        """Send the end of an answer."""
        with self.limited():
            await response.write_eof()
        return response

    @contextlib.contextmanager
    def limited(self, within_s: float | None = None) -> Iterator[None]:
        """Close the connection if something takes longer than that, or than an onlooker may stall.

        Raises:
            ConnectionError: it has.
        """
        with anyio.move_on_after(STALL_S if within_s is None else within_s) as within:
            yield
        if within.cancelled_caught:
            self.abort()
            raise ConnectionResetError("the onlooker reads too slowly")

    def abort(self) -> None:
        """Cut the connection, in the middle of an answer."""
        if self.request.transport is not None:
            self.request.transport.abort()


class _Connection(RequestHandler):
    """A connection whose bad requests are answered in our words, and logged nowhere."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message
        if isinstance(exc, ConnectionError):
            raise exc  # the onlooker has gone
        if status >= 500:  # noqa: PLR2004
            _log.warning(f"an answer to an onlooker failed: {exc!r}", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer that has begun cannot become another")
        text = "This went wrong." if status >= 500 else "This is no request."  # noqa: PLR2004
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
        response = web.Response(status=status, text=f"{text}\n", headers=headers)
        response.force_close()
        return response


class _Server(web.Server):
    """Makes connections, as many as there may be."""

    def __init__(self, answering: Answering, most: int) -> None:
        super().__init__(answering, handler_cancellation=True)
        self._most = most
        self.answering: set[object] = set()

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=_NO_LOG,
            keepalive_timeout=_IDLE_S,
            lingering_time=0,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_FIELD,
            max_headers=_MOST_HEADERS,
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        held = {one: via for one, via in self._connections.items() if not via.is_closing()}
        if len(held) > self._most:
            # The longest idle goes: who asks for nothing keeps nobody out who does ask.
            idle = (via for one, via in held.items() if one not in self.answering)
            next(idle, transport).abort()

    def abort(self) -> None:
        for transport in list(self._connections.values()):
            transport.abort()


class Server:
    """Serves a site on sockets that listen already, from `open` to `close`.

    Args:
        listening: the sockets.
        guard: says who may ask.
        site: answers those who may.
    """

    def __init__(self, listening: Listening, guard: Guard, site: Site) -> None:
        self._listening = listening
        self._guard = guard
        self._site = site
        self._server: _Server | None = None
        self._accepting: list[asyncio.AbstractServer] = []

    async def open(self) -> None:
        """Begin to answer."""
        room = descriptors.left() / _PART_OF_FILES
        most = MOST_CONNECTIONS if room >= MOST_CONNECTIONS else math.floor(room)
        server = self._server = _Server(self._answer, max(_LEAST_CONNECTIONS, most))
        loop = asyncio.get_running_loop()
        for one in self._listening.sockets:
            self._accepting.append(await loop.create_server(server, sock=one))

    async def close(self) -> None:
        """Let answers end that are being read, for a moment, and close all connections."""
        for accepting in self._accepting:
            accepting.close()
        self._listening.close()
        if self._server is not None:
            with anyio.move_on_after(_ENDED_WITHIN_S):
                await self._server.shutdown(_ENDED_WITHIN_S)
            self._server.abort()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._server is not None  # noqa: S101  # it is open
        connection = request.protocol
        self._server.answering.add(connection)
        try:
            return await self._answered(request)
        finally:
            self._server.answering.discard(connection)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            has_token = await self._guard.admit(request)
        except Refused as refused:
            return await Asked(request, has_token=False).send(refusal(refused))
        asked = Asked(request, has_token=has_token)
        try:
            answered: web.StreamResponse = await self._site(asked)
        except Refused as refused:
            if asked.has_begun:
                asked.abort()
                raise ConnectionResetError(refused.why) from refused
            return await asked.send(refusal(refused))
        return answered


def refusal(refused: Refused) -> Answer:
    """Make the answer to a request that is refused."""
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}  # noqa: PLR2004
    if refused.allow:
        headers = {"Allow": refused.allow}
    return Answer(f"{refused.why}\n".encode(), status=refused.status, headers=headers)


def check_method(asked: Asked, method: str = "GET") -> None:
    """Refuse a request with another method.

    Raises:
        Refused: it has one.
    """
    allowed = ("GET", "HEAD") if method == "GET" else (method,)
    if asked.request.method not in allowed:
        raise Refused(405, f"Only {method} is answered here.", allow=", ".join(allowed))


def with_token_kept(asked: Asked, cookie: str) -> Answer | None:
    """Make the answer to a page that is opened with the token in its URL: None to any other.

    The browser keeps the token where no script reads it, and no other site can send it along; and
    the URL that stays in its history is without it.
    """
    query = asked.request.query
    if not asked.has_token or PARAMETER not in query:
        return None
    kept = f"{cookie}={query[PARAMETER]}; Path=/; HttpOnly; SameSite=Strict"
    if asked.request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        headers = {"Set-Cookie": kept, "Location": "./"}
        return Answer(b"", status=303, headers=headers)
    # Whoever follows a link on another site does not send the cookie along a redirect.
    body = b'<!doctype html><meta http-equiv="refresh" content="0; url=./"><title>collector</title>'
    return Answer(body, "text/html; charset=utf-8", headers={"Set-Cookie": kept})
