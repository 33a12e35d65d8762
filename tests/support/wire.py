"""A server on loopback that sends any bytes at any pace, and remembers what it was asked.

An answer is a tuple of steps: bytes, pauses, drips, and how the connection ends. A behaviour makes
an answer of a call, or leaves it to the sane one; a script says which server behaves how at which
kind of call.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

Kind = Literal["export", "status", "download", "stored"]
"""The three calls of the API, and GETs of `/stored/SERVER`, where redirections may lead."""

_HEAD_MAX = 1 << 20
_PATH = re.compile(
    r"/v1/[^/]+/physicalservers/(?P<server>[^/]+)/logs/exports"
    r"(?:/(?P<export>[^/]+)(?P<content>/content)?)?(?:\?.*)?"
)
_ORIGIN = re.compile(r"^http://[^/]+")
_STORED = re.compile(r"/stored/(?P<server>[^/?]+).*")


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is sent for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """The same piece again and again, `times` times or until the client leaves."""

    piece: bytes
    every_s: float
    times: int | None = None


class End(enum.Enum):
    """How a connection ends. Without one, it waits for the next request."""

    CLOSED = "closed"
    HALF_CLOSED = "nothing more is sent, and the connection stays open until the client leaves"
    RESET = "reset"
    SILENT = "nothing more is sent, nor said to be"


Step = bytes | Wait | Drip | End
Answer = tuple[Step, ...]


@dataclass(slots=True)
class Call:
    """A request as it came, and what became of it.

    Attributes:
        nth: which call of its kind it is for its server, from 1.
        headers: names in lower case.
        at_s: seconds since the service began.
        since_export_s: seconds since the server's latest POST; infinite before it.
        left_s: when the client was seen to leave before the answer was complete.
    """

    kind: Kind
    server: str
    export: str
    nth: int
    headers: Mapping[str, str]
    at_s: float
    since_export_s: float
    left_s: float | None = None


Behaviour = Callable[[Call], Answer | None]
Script = Mapping[Kind, Behaviour]
Sane = Callable[[Call], bytes]


class _ClientLeftError(Exception):
    pass


@dataclass(slots=True)
class Wire:
    """The service: sane but for what `scripts` say of a server, or `everywhere` of all.

    Attributes:
        servers: their ids.
        sane: makes the answer of a server in order.
        calls: so far, in the order in which they came.
        token: what the inventory's credential may be; any is taken.
    """

    servers: Sequence[str]
    sane: Sane
    scripts: Mapping[str, Script] = field(default_factory=dict)
    everywhere: Script = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    token: str = "any-t0ken-is-taken-here"
    _began_s: float = field(default_factory=time.monotonic)
    _exported_s: dict[str, float] = field(default_factory=dict)
    _nth: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=_HEAD_MAX, backlog=1000
        )
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._listening is not None
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def inventory(self) -> dict[str, Any]:
        return {
            "version": 1,
            "credentials": {"ops": {"kind": "token", "token_env": "CLOUDDC_TOKEN"}},
            "defaults": {"credentials": "ops"},
            "projects": [
                {
                    "id": "p1",
                    "name": "fleet",
                    "endpoint": self.url,
                    "servers": [{"id": one, "name": one} for one in self.servers],
                }
            ],
        }

    def called(self, server: str, kind: Kind) -> list[Call]:
        return [call for call in self.calls if (call.server, call.kind) == (server, kind)]

    def posts(self, server: str) -> int:
        return len(self.called(server, "export"))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, _ClientLeftError
            ):
                while await self._served(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        method, target, headers = _parsed(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(int(headers.get("content-length", 0)))
        call = self._understood(method, target, headers)
        if call is None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return True
        self.calls.append(call)
        answer = self._answer(call)
        if call.kind == "export":
            self._exported_s[call.server] = call.at_s
        try:
            for step in answer:
                await _take(step, reader, writer)
        except (_ClientLeftError, ConnectionError):
            call.left_s = self._now_s()
            raise
        return not (answer and isinstance(answer[-1], End))

    def _answer(self, call: Call) -> Answer:
        for script in (self.scripts.get(call.server, {}), self.everywhere):
            behaviour = script.get(call.kind)
            answer = behaviour(call) if behaviour is not None else None
            if answer is not None:
                return answer
        return (self.sane(call),)

    def _understood(self, method: str, target: str, headers: Mapping[str, str]) -> Call | None:
        kind: Kind
        if (found := _PATH.fullmatch(target)) is not None:
            export = unquote(found["export"] or "")
            kind = "export" if method == "POST" else "download" if found["content"] else "status"
        elif (found := _STORED.fullmatch(target)) is not None:
            export, kind = "", "stored"
        else:
            return None
        server = unquote(found["server"])
        if server not in self.servers:
            return None
        self._nth[server, kind] += 1
        at_s = self._now_s()
        since_export_s = at_s - self._exported_s.get(server, float("-inf"))
        return Call(kind, server, export, self._nth[server, kind], headers, at_s, since_export_s)

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s


def always(*answer: Step) -> Behaviour:
    """The same for every call."""
    return lambda _: answer


def first(times: int, *answer: Step) -> Behaviour:
    """This for the first calls; what is sane from then on."""
    return lambda call: answer if call.nth <= times else None


def in_turn(*answers: Answer) -> Behaviour:
    """One after the other; what is sane after the last."""
    return lambda call: answers[call.nth - 1] if call.nth <= len(answers) else None


def while_young(seconds: float, *answer: Step) -> Behaviour:
    """This for so long after the service began."""
    return lambda call: answer if call.at_s < seconds else None


def after_export(seconds: float, *answer: Step) -> Behaviour:
    """This for so long after the server's latest POST."""
    return lambda call: answer if call.since_export_s < seconds else None


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    first_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first_line.split(" ", 2)
    target = _ORIGIN.sub("", target)  # as a proxy is asked
    pairs: Iterable[tuple[str, str, str]] = (line.partition(":") for line in lines)
    return method, target, {name.lower(): value.strip() for name, _, value in pairs}


async def _take(step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match step:
        case bytes():
            writer.write(step)
            await writer.drain()
        case Wait(seconds):
            await _wait(reader, seconds)
        case Drip(piece, every_s, times):
            sent = 0
            while times is None or sent < times:
                writer.write(piece)
                await writer.drain()
                await _wait(reader, every_s)
                sent += 1
        case End.CLOSED:
            pass
        case End.HALF_CLOSED:
            writer.write_eof()
            await _wait(reader, None)
        case End.SILENT:
            await _wait(reader, None)
        case End.RESET:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


async def _wait(reader: asyncio.StreamReader, seconds: float | None) -> None:
    """Wait, and end as soon as the client leaves."""
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(1 << 16):
                pass
    except TimeoutError:
        return
    raise _ClientLeftError
