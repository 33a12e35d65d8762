"""Sending an archive: whole, in part, or with one of the faults of downloads."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from aiohttp import web

from collector.emulator.archives import Archive, ArchiveShelf
from collector.emulator.chance import draw, opaque
from collector.emulator.checksums import checksum_headers
from collector.emulator.hostile import HOSTILE, hostile
from collector.emulator.logs import LOGS_END
from collector.emulator.refusals import html_page
from collector.emulator.working import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.emulator.faults import Fault
    from collector.emulator.scenario import Scenario, ServerSpec
    from collector.emulator.statistics import Statistics

    Strike: TypeAlias = Callable[[Callable[[Fault], bool]], Fault | None]

_SMALL_BYTES = 64 * 1024
_LONGER_BYTES = 2000
_WRITES_PER_S = 20
_BREAKS = ("truncated", "truncated_chunked", "cut", "changed", "huge_length")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PLAIN_NAME = re.compile(r"[^\s\"(),;<=>?@\[\]{}\\]+")


def content_disposition(server: ServerSpec, file_name: str) -> str:
    """Return the header that names the archive, in the documented form if the name allows."""
    if server.content_disposition is not None:
        return server.content_disposition
    if not file_name.isascii():
        return f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
    if _PLAIN_NAME.fullmatch(file_name):
        return f"attachment; filename={file_name}"
    escaped = file_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'attachment; filename="{escaped}"'


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the start and stop of the bytes that a Range header asks for.

    None if it asks for all, or is not understood (several ranges): RFC 9110 says to ignore those. A
    range that starts past the end is returned as it is.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size
    start = int(match[1])
    stop = min(size, int(match[2]) + 1) if match[2] else size
    return (start, stop) if start < stop or start >= size else None


@dataclass(frozen=True, slots=True)
class _Version:
    """Which of a server's archives is sent: its version, and the one that it has the length of."""

    number: int = 0
    as_long: bool = True


_FIRST = _Version()


@dataclass(frozen=True, slots=True)
class _Content:
    """What is sent for a server, and what identifies it."""

    archive: Archive
    validators: Mapping[str, str]
    checksums: Mapping[str, str]

    def is_meant(self, if_range: str) -> bool:
        """Whether an If-Range matches this content (RFC 9110)."""
        return not if_range.startswith("W/") and if_range in self.validators.values()


class Downloads:
    """Builds and sends archives.

    Args:
        scenario: Says what archives are like and how they are sent.
        statistics: Where what is sent is counted.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self._shelf = ArchiveShelf(scenario.seed)
        self._versions: dict[str, _Version] = {}
        self._checksums: dict[tuple[object, ...], dict[str, str]] = {}

    def archive(self, server: ServerSpec) -> Archive:
        """Return the server's current archive. The first large ones take some 100 ms."""
        identity = {"id": server.id, "name": server.name, "serial": self._scenario.serial(server)}
        size = self._size(server)
        version = self._version(server)
        if version.number and version.as_long:
            first = self._shelf.build(identity, size)
            return self._shelf.build_as_long(identity, first, version.number)
        longer = version.number * max(_LONGER_BYTES, size // 10)
        return self._shelf.build(identity, size + longer, version.number)

    def _version(self, server: ServerSpec) -> _Version:
        return self._versions.get(server.id, _FIRST)

    def _size(self, server: ServerSpec) -> int:
        spread = server.archive_bytes
        if spread is None:
            spread = self._scenario.archive_bytes
        return round(draw(spread, self._scenario.seed, server.id, "archive size"))

    async def send(
        self,
        request: web.BaseRequest,
        server: ServerSpec,
        headers: Mapping[str, str],
        strike: Strike,
    ) -> web.StreamResponse:
        """Answer a download of the server's archive, or of a part of it.

        Args:
            request: The request, for its Range.
            server: Whose archive.
            headers: The headers of every answer.
            strike: Returns the fault that hits it, of those that can.
        """
        self._statistics.download_begun(server.id)
        content = await self._content(server, None)
        fault = strike(
            lambda one: _can_hit(one, content.archive.size, self._part(request, content))
        )
        name = fault.name if fault else ""
        if name in HOSTILE or name == "wrong_checksum":
            content = await self._content(server, fault)
        all_headers = {**headers, **self._headers(server), **content.validators}
        if name in ("html_archive", "zip_archive"):
            return self._masquerade(server, name, all_headers)
        archive, part = content.archive, self._part(request, content)
        all_headers.update(content.checksums)
        if part is None:
            start, stop, status = 0, archive.size, 200
        elif part[0] >= archive.size:
            all_headers["Content-Range"] = f"bytes */{archive.size}"
            return web.Response(status=416, headers=all_headers)
        else:
            start, stop, status = *part, 206
            all_headers["Content-Range"] = f"bytes {start}-{stop - 1}/{archive.size}"
            all_headers.pop("Content-MD5", None)
        response = web.StreamResponse(status=status, headers=all_headers)
        told = self._scenario.content_length and name != "truncated_chunked"
        if told or name == "huge_length":
            response.content_length = stop - start
        else:
            response.enable_chunked_encoding()
        body = archive.pieces(start, _end(fault, start, stop, archive.size))
        if name == "corrupt":
            body = _corrupted(body, archive.vital_offset() - start)
        await response.prepare(request)
        await self._write(response, server, body, fault)
        if fault is not None and name == "changed":
            self._change(server, as_long=not fault.other_length)
        await self._finish(request, response, server, name)
        return response

    async def whole(self, server: ServerSpec, headers: Mapping[str, str]) -> web.Response:
        """The server's whole archive, of which nothing is sent yet."""
        self._statistics.download_begun(server.id)
        content = await self._content(server, None)
        body = b"".join(content.archive.pieces(0, content.archive.size))
        self._statistics.sent(server.id, len(body))
        all_headers = {
            **headers, **self._headers(server), **content.validators, **content.checksums,
        }  # fmt: skip
        return web.Response(body=body, headers=all_headers)

    def _change(self, server: ServerSpec, *, as_long: bool) -> None:
        number = self._version(server).number + 1
        self._versions[server.id] = _Version(number, as_long)

    async def _content(self, server: ServerSpec, fault: Fault | None) -> _Content:
        """What the server has, or what a fault makes of it."""
        if fault is None and not self._scenario.checksums and self._size(server) <= _SMALL_BYTES:
            return self._build(server, None)
        return await in_thread(partial(self._build, server, fault))

    def _build(self, server: ServerSpec, fault: Fault | None) -> _Content:
        version, archive = self._version(server), self.archive(server)
        name = fault.name if fault is not None and fault.name in HOSTILE else ""
        if fault is not None and name:
            archive = hostile(fault, archive)
        key = server.id, version, fault
        if self._scenario.checksums and name != "huge_length" and key not in self._checksums:
            self._checksums[key] = checksum_headers(
                archive,
                self._scenario.checksums,
                wrong=fault is not None and fault.name == "wrong_checksum",
            )
        validators = self._validators(server, version.number, name)
        return _Content(archive, validators, self._checksums.get(key, {}))

    def _headers(self, server: ServerSpec) -> dict[str, str]:
        file_name = self._scenario.file_name(server)
        headers = {
            "Content-Disposition": content_disposition(server, file_name),
            "Content-Type": "application/octet-stream;charset=UTF-8",
            "Content-Transfer-Encoding": "binary",
        }
        if self._scenario.ranges:
            headers["Accept-Ranges"] = "bytes"
        return headers

    def _validators(self, server: ServerSpec, number: int, name: str) -> dict[str, str]:
        validators = {}
        if self._scenario.etag:
            tag = f'"{opaque(self._scenario.seed, server.id, number, name, "etag")}"'
            validators["ETag"] = f"W/{tag}" if self._scenario.weak_etag else tag
        if self._scenario.last_modified:
            # A minute later with each version, since HTTP dates have whole seconds.
            changed_s = LOGS_END.timestamp() + 60 * number
            validators["Last-Modified"] = formatdate(changed_s, usegmt=True)
        return validators

    def _part(self, request: web.BaseRequest, content: _Content) -> tuple[int, int] | None:
        if not self._scenario.ranges:
            return None
        condition = request.headers.get("If-Range")
        if condition is not None and not content.is_meant(condition):
            return None
        return wanted_range(request.headers.get("Range"), content.archive.size)

    def _masquerade(
        self, server: ServerSpec, name: str, headers: Mapping[str, str]
    ) -> web.Response:
        """Something that is not a gzip, with all the headers of an archive."""
        if name == "html_archive":
            body = html_page(200, "Service is being upgraded").body
        else:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("var/log/messages", "no gzip\n")
            body = packed.getvalue()
        self._statistics.sent(server.id, len(body))
        return web.Response(body=body, headers=headers)

    async def _write(
        self,
        response: web.StreamResponse,
        server: ServerSpec,
        body: Iterator[bytes],
        fault: Fault | None,
    ) -> None:
        if fault is None or fault.bytes_per_s is None:
            for piece in _gathered(body):
                await response.write(piece)
                self._statistics.sent(server.id, len(piece))
                if len(piece) >= _SMALL_BYTES:
                    # A client that reads as fast as we write would leave no turn to anybody else.
                    await asyncio.sleep(0)
            return
        step = max(1, int(fault.bytes_per_s / _WRITES_PER_S))
        for piece in body:
            for at in range(0, len(piece), step):
                part = piece[at : at + step]
                await response.write(part)
                self._statistics.sent(server.id, len(part))
                await asyncio.sleep(len(part) / fault.bytes_per_s)

    async def _finish(
        self, request: web.BaseRequest, response: web.StreamResponse, server: ServerSpec, name: str
    ) -> None:
        if name == "stalled":
            # Until the client leaves, which cancels the request.
            await asyncio.Event().wait()
        elif name in _BREAKS:
            # Flushes what is written and closes the connection, as a dying proxy does.
            if request.transport is not None:
                request.transport.close()
        else:
            await response.write_eof()
            self._statistics.download_ended(server.id)


def _can_hit(fault: Fault, size: int, part: tuple[int, int] | None) -> bool:
    """Whether a fault affects the requested part of an archive."""
    place = fault.place(size)
    if place is None:
        return True
    start, stop = part or (0, size)
    return place == start == 0 or start < place < stop or start < place == size == stop


def _end(fault: Fault | None, start: int, stop: int, size: int) -> int:
    """Return where sending the bytes from `start` to `stop` ends."""
    if fault is None:
        return stop
    if fault.name in ("truncated", "truncated_chunked", "stalled"):
        return start + (stop - start) // 2
    place = fault.place(size)
    return stop if place is None else place


def _gathered(body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in larger pieces, since each one costs a system call."""
    small: list[bytes] = []
    size = 0
    for piece in body:
        if small and size + len(piece) > _SMALL_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(piece) >= _SMALL_BYTES:
            yield piece
        else:
            small.append(piece)
            size += len(piece)
    if small:
        yield b"".join(small)


def _corrupted(body: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """Yield the same bytes, except for the one at `offset`."""
    at = 0
    for piece in body:
        if at <= offset < at + len(piece):
            inside = offset - at
            yield piece[:inside] + bytes([piece[inside] ^ 0xFF]) + piece[inside + 1 :]
        else:
            yield piece
        at += len(piece)
