"""Servers on the loopback interface that answer as they are told, and remember what they heard."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from collector.model.answers import Problem
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.tokens import TokenSource
from collector.providers.protocol import ProjectAddress, Target

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from collector.providers.protocol import OpenArchive

TOKEN = "canary-" + "t0ken" * 8
ARCHIVE = b"\x1f\x8b" + bytes(range(256)) * 40


@dataclass(frozen=True)
class Answer:
    """What a server says; a body that is no bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(status=self.status, body=raw, headers=dict(self.headers))


@dataclass(frozen=True)
class Heard:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Server:
    """Gives its answers in turn, the last one from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.heard: list[Heard] = []
        self.url = ""

    @property
    def last(self) -> Heard:
        return self.heard[-1]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heard.append(
            Heard(request.method, request.raw_path, request.headers.copy(), await request.read())
        )
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer.response()


@asynccontextmanager
async def serving(
    *answers: Answer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(*answers)
    runner = web.ServerRunner(web.Server(server._answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        server.url = f"http{'s' if tls else ''}://{shown}:{port}"
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(
    speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server of raw bytes: `speak` has each connection, which is closed after it."""
    spoken_to = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken_to.add(asyncio.current_task())
        await speak(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        if spoken_to:
            await asyncio.wait([task for task in spoken_to if task is not None], timeout=5)


async def request_head(reader: asyncio.StreamReader) -> bytes:
    """A request up to its body, or nothing where the client has left."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def target(endpoint: str, *, project: str = "p1", server: str = "s1") -> Target:
    return Target(ProjectAddress("clouddc", endpoint, project, "ops", "acme"), server)


def clouddc(
    *,
    token: TokenSource | None = None,
    connections: int = 10,
    ca_file: Path | None = None,
    stall_s: float = 30.0,
) -> CloudDC:
    source = token or TokenSource("a test", TOKEN)
    return CloudDC(
        {"ops": source},
        connections=connections,
        ca_file=ca_file,
        stall_s=stall_s,
    )


async def started(*answers: Answer) -> tuple[Any, Server]:
    """What a start of an export comes to, and the server that was asked."""
    async with serving(*answers) as server, clouddc() as fleet:
        return await fleet.start_export(target(server.url), asks_limits=False), server


async def asked(*answers: Answer, export_id: str = "e1") -> tuple[Any, Server]:
    """What a status call comes to, and the server that was asked."""
    async with serving(*answers) as server, clouddc() as fleet:
        return await fleet.ask_status(target(server.url), export_id, asks_limits=False), server


async def fetched(endpoint: str) -> tuple[Any, bytes, Problem | None]:
    """What opening an archive comes to, its bytes, and the problem at their end."""
    async with (
        clouddc() as fleet,
        fleet.open_archive(target(endpoint), "e1", asks_limits=False) as opened,
    ):
        if isinstance(opened, Problem):
            return opened, b"", None
        return opened, *await read_all(opened)


async def read_all(opened: OpenArchive) -> tuple[bytes, Problem | None]:
    body, problem = b"", None
    async for chunk in opened.chunks:
        assert problem is None, "a problem is the last chunk"
        if isinstance(chunk, Problem):
            problem = chunk
        else:
            body += chunk
    return body, problem
