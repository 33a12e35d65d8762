"""Who is called while files are mutated: the service that the inventory names, and a thief.

The service is a process of its own, so that whoever starts it has no threads and can fork. It
writes down every byte that it is sent, before it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import re
import signal
import socket
import tarfile
from functools import cache
from gzip import compress
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from tests.support.answers import archive_of, completed, error, reply, running, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

QUICK: Final = "quick"
SLOW: Final = "slow"
"""While the service is held up, its export is never complete."""
TALL: Final = "tall"
"""Its archive is so large that a part of it is kept; while held up, half of it comes."""
SERVERS: Final = (QUICK, SLOW, TALL)
_PATH: Final = re.compile(
    r"/v1/[^/]+/physicalservers/(?P<server>[^/]+)/logs/exports"
    r"(?:/(?P<export>[^/]+)(?P<content>/content)?)?(?:\?.*)?"
)
_PLACES: Final = {QUICK: "p1", SLOW: "p1", TALL: "p2"}


class Service:
    """A service in order, for three servers in two projects.

    Args:
        home: an empty directory, where it writes down what it is asked.
    """

    def __init__(self, home: Path) -> None:
        self.token = "the-0nly-t0ken-that-is-right"
        self.url = ""
        self._log = home / "requests"
        self._flag = home / "held-up"
        self._seen = 0
        self._process = 0

    def __enter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._log.touch()
        self._process = os.fork()
        if not self._process:
            try:
                asyncio.run(self._serve(listening))
            finally:
                os._exit(1)
        listening.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def inventory(self) -> dict[str, Any]:
        """All of it, with something of each thing that an inventory can hold."""
        return {
            "version": 1,
            "credentials": {
                "ops": {"kind": "token", "token_env": "CLOUDDC_TOKEN", "account": "acme"}
            },
            "defaults": {
                "credentials": "ops",
                "limits": {"share": 0.9, "downloads": 4, "bytes_per_second": "500MB"},
            },
            "projects": [
                {
                    "id": project,
                    "name": f"name of {project}",
                    "endpoint": self.url,
                    "limits": {"requests_per_second": 200.0, "exports_in_flight": 50},
                    "servers": [
                        {"id": one, "name": f"bms-{one}", "tags": {"role": "db", "rack": "r1"}}
                        for one in SERVERS
                        if _PLACES[one] == project
                    ],
                }
                for project in ("p1", "p2")
            ],
        }

    @contextlib.contextmanager
    def held_up(self) -> Iterator[None]:
        """Leave exports and downloads unfinished."""
        self._flag.touch()
        yield
        self._flag.unlink()

    def asked(self) -> bytes:
        """Return what was sent to it since the last time."""
        with self._log.open("rb") as log:
            log.seek(self._seen)
            found = log.read()
        self._seen += len(found)
        return found

    async def _serve(self, listening: socket.socket) -> None:
        self._file = self._log.open("ab", buffering=0)
        self._exports: dict[str, list[str]] = {}
        server = await asyncio.start_server(self._connected, sock=listening, limit=1 << 20)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError
        ):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self._file.write(head)
                line, *lines = head.decode("latin-1").split("\r\n")
                method, target, _ = line.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (one.partition(":") for one in lines)
                }
                if length := int(headers.get("content-length", 0)):
                    self._file.write(await reader.readexactly(length))
                for piece in self._answer(method, target, headers):
                    writer.write(piece)
                    await writer.drain()
                    if not piece:
                        await reader.read()
        writer.close()

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[bytes, ...]:
        """Return an answer in pieces; after an empty one nothing comes any more."""
        found = _PATH.fullmatch(target)
        if headers.get("x-auth-token") != self.token:
            return (error(401, "APIGW.0301"),)
        if found is None or (server := unquote(found["server"])) not in SERVERS:
            return (error(404, "iMetal.0100"),)
        exports = self._exports.setdefault(server, [])
        if method == "POST":
            exports.append(f"e-{server}-{len(exports) + 1}")
            return (started(exports[-1]),)
        if unquote(found["export"] or "") not in exports:
            return (error(404, "iMetal.0102"),)
        late = self._flag.exists()
        if found["content"] is None:
            return (running() if late and server == SLOW else completed(),)
        return self._archive(server, headers, late=late)

    def _archive(self, server: str, headers: dict[str, str], *, late: bool) -> tuple[bytes, ...]:
        content = tall_archive() if server == TALL else archive_of(server)
        named = [b'Content-Disposition: attachment; filename="%s.tar.gz"' % server.encode()]
        named.append(b'ETag: "%s"' % server.encode())
        asked = re.fullmatch(r"bytes=(\d{1,15})-", headers.get("range", ""))
        if asked is not None and (start := int(asked[1])) < len(content):
            last = len(content) - 1
            named.append(b"Content-Range: bytes %d-%d/%d" % (start, last, len(content)))
            return (reply(206, content[start:], *named, kind=b"application/gzip"),)
        whole = reply(200, content, *named, kind=b"application/gzip")
        return (whole[: -len(content) // 4], b"") if late and server == TALL else (whole,)


@cache
def tall_archive() -> bytes:
    """An archive of half a megabyte."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("var/log/sel.bin")
        info.size, info.mtime = 500_000, 1_700_000_000
        tar.addfile(info, io.BytesIO(random.Random(3).randbytes(info.size)))  # noqa: S311
    return compress(packed.getvalue(), mtime=0)


class Thief:
    """A port that nobody is to call: whoever does is let in, and never answered."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=500)
        self._listening.settimeout(0)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listening.close()

    def taken(self) -> list[bytes]:
        """Return what each of those who have called since the last time has sent."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    connection.settimeout(0)
                    try:
                        found.append(connection.recv(1 << 16))
                    except OSError:
                        found.append(b"")
        return found
