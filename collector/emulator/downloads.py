"""Sending an archive: whole, a part of it, or in one of the ways in which downloads go wrong."""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from collector.emulator.archives import Archive, ArchiveShelf
from collector.emulator.chance import draw, opaque
from collector.emulator.refusals import html_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.emulator.faults import Fault
    from collector.emulator.scenario import Scenario, ServerSpec
    from collector.emulator.statistics import Statistics

_SMALL_BYTES = 64 * 1024
_WRITES_PER_S = 20
_BOMB_BYTES = 10_000_000_000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PLAIN_NAME = re.compile(r"[^\s\"(),;<=>?@\[\]{}\\]+")


def content_disposition(server: ServerSpec, file_name: str) -> str:
    """The header that names the archive: as documented, where the name can be written so."""
    if server.content_disposition is not None:
        return server.content_disposition
    if not file_name.isascii():
        return f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
    if _PLAIN_NAME.fullmatch(file_name):
        return f"attachment; filename={file_name}"
    escaped = file_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'attachment; filename="{escaped}"'


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last that a Range header asks for.

    None where it asks for all, or for what is not understood (several ranges): RFC 9110 has such
    headers ignored. A range that begins past the end comes back as it was asked for.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size
    start = int(match[1])
    stop = min(size, int(match[2]) + 1) if match[2] else size
    return (start, stop) if start < stop or start >= size else None


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
        self._versions: Counter[str] = Counter()

    def archive(self, server: ServerSpec) -> Archive:
        """The server's archive. The first large ones take some 100 ms."""
        identity = {"id": server.id, "name": server.name, "serial": self._scenario.serial(server)}
        if version := self._versions[server.id]:
            identity["version"] = str(version)
        return self._shelf.build(identity, self._size(server))

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
        fault: Fault | None,
    ) -> web.StreamResponse:
        """Answer a download of the server's archive, spoilt by `fault`."""
        self._statistics.download_begun(server.id)
        name = fault.name if fault else ""
        if name in ("html_archive", "zip_archive", "bomb"):
            return self._masquerade(name, {**headers, **self._headers(server)})
        if self._size(server) <= _SMALL_BYTES:
            archive = self.archive(server)
        else:
            archive = await asyncio.to_thread(self.archive, server)
        part = self._part(request, server, archive.size)
        all_headers = {**headers, **self._headers(server)}
        if part is None:
            start, stop, status = 0, archive.size, 200
        elif part[0] >= archive.size:
            all_headers["Content-Range"] = f"bytes */{archive.size}"
            return web.Response(status=416, headers=all_headers)
        else:
            start, stop, status = *part, 206
            all_headers["Content-Range"] = f"bytes {start}-{stop - 1}/{archive.size}"
        response = web.StreamResponse(status=status, headers=all_headers)
        if self._scenario.content_length and name != "truncated_chunked":
            response.content_length = stop - start
        else:
            response.enable_chunked_encoding()
        until = _end(fault, start, stop, archive.size)
        body = archive.pieces(start, until)
        if name == "corrupt":
            body = _corrupted(body, archive.vital_offset() - start)
        await response.prepare(request)
        await self._write(response, body, fault)
        if name == "changed":
            self._versions[server.id] += 1
        await self._finish(request, response, server, name)
        return response

    def _headers(self, server: ServerSpec) -> dict[str, str]:
        file_name = self._scenario.file_name(server)
        headers = {
            "Content-Disposition": content_disposition(server, file_name),
            "Content-Type": "application/octet-stream;charset=UTF-8",
            "Content-Transfer-Encoding": "binary",
        }
        if self._scenario.etag:
            headers["ETag"] = self._etag(server)
        if self._scenario.ranges:
            headers["Accept-Ranges"] = "bytes"
        return headers

    def _etag(self, server: ServerSpec) -> str:
        version = self._versions[server.id]
        return f'"{opaque(self._scenario.seed, server.id, version, "etag")}"'

    def _part(
        self, request: web.BaseRequest, server: ServerSpec, size: int
    ) -> tuple[int, int] | None:
        if not self._scenario.ranges:
            return None
        condition = request.headers.get("If-Range")
        if condition is not None and not (self._scenario.etag and condition == self._etag(server)):
            return None
        return wanted_range(request.headers.get("Range"), size)

    def _masquerade(self, name: str, headers: Mapping[str, str]) -> web.Response:
        """What is no gzip, under all the headers of an archive."""
        if name == "html_archive":
            body = html_page(200, "Service is being upgraded").body
        elif name == "bomb":
            body = _bomb()
        else:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("var/log/messages", "no gzip\n")
            body = packed.getvalue()
        self._statistics.bytes_sent += len(body)
        return web.Response(body=body, headers=headers)

    async def _write(
        self, response: web.StreamResponse, body: Iterator[bytes], fault: Fault | None
    ) -> None:
        if fault is None or fault.bytes_per_s is None:
            for piece in body:
                await response.write(piece)
                self._statistics.bytes_sent += len(piece)
            return
        step = max(1, int(fault.bytes_per_s / _WRITES_PER_S))
        for piece in body:
            for at in range(0, len(piece), step):
                part = piece[at : at + step]
                await response.write(part)
                self._statistics.bytes_sent += len(part)
                await asyncio.sleep(len(part) / fault.bytes_per_s)

    async def _finish(
        self, request: web.BaseRequest, response: web.StreamResponse, server: ServerSpec, name: str
    ) -> None:
        if name == "stalled":
            # Until the client has had enough: its going cancels the request.
            await asyncio.Event().wait()
        elif name in ("truncated", "truncated_chunked", "cut", "changed"):
            # Sends what is written and ends the connection there, as a dying proxy does.
            if request.transport is not None:
                request.transport.close()
        else:
            await response.write_eof()
            self._statistics.download_ended(server.id)


def _end(fault: Fault | None, start: int, stop: int, size: int) -> int:
    """Where what is sent of the bytes from `start` to `stop` ends."""
    if fault is not None and fault.name in ("truncated", "truncated_chunked", "stalled"):
        return start + (stop - start) // 2
    if fault is not None and fault.at is not None:
        return max(start, min(stop, round(size * fault.at)))
    return stop


@cache
def _bomb() -> bytes:
    """A tar with one file of 10 GB of zeros, packed to 10 MB."""
    packer = zlib.compressobj(9, wbits=31)
    member = tarfile.TarInfo("var/log/zeros")
    member.size = _BOMB_BYTES
    some = bytes(16 << 20)
    packed = [packer.compress(member.tobuf()), packer.flush(zlib.Z_FULL_FLUSH)]
    # After a full flush nothing refers back, so that the same bytes may be sent again.
    again = packer.compress(some) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"".join([*packed, *[again] * (_BOMB_BYTES // len(some))])


def _corrupted(body: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """The same bytes, but for the one at `offset`."""
    at = 0
    for piece in body:
        if at <= offset < at + len(piece):
            inside = offset - at
            yield piece[:inside] + bytes([piece[inside] ^ 0xFF]) + piece[inside + 1 :]
        else:
            yield piece
        at += len(piece)
