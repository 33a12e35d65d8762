"""The service that the runs in `tests/fixtures/runs/` were made beside, and are resumed beside."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tests.support.answers import sane
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.wire import Script

ENDPOINT: Final = "http://clouddc.test"
"""Reached through a proxy, so that it may be served anywhere."""
ETAG: Final = b'"as-it-was"'
BLOCK: Final = 0xFFFF


def fleet(count: int, scripts: Mapping[str, Script]) -> Wire:
    """Servers `bms-1` to `bms-COUNT`."""
    return Wire([f"bms-{number}" for number in range(1, count + 1)], sane, scripts)


def inventory(wire: Wire) -> dict[str, Any]:
    made = wire.inventory()
    made["projects"][0] |= {"endpoint": ENDPOINT, "limits": {"exports_in_flight": 2}}
    return made


@cache
def large() -> bytes:
    """An archive that is written in pieces: a large log of spaces, in blocks that are not deflated.

    Whatever zlib there is: half of these bytes lie in the fixtures.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("var/log/messages")
        info.size, info.mtime = 1_200_000, 1_700_000_000
        tar.addfile(info, io.BytesIO(b" " * info.size))
    plain = packed.getvalue()
    blocks = [plain[at : at + BLOCK] for at in range(0, len(plain), BLOCK)]
    stored = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ BLOCK) + block
        for block in blocks
    )
    trailer = struct.pack("<II", zlib.crc32(plain), len(plain))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stored + trailer


def large_from(start: int, upto: int | None = None) -> bytes:
    """The answer that carries it from some byte on, perhaps not to its end."""
    whole = large()
    first = (
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d"
        % (start, len(whole) - 1, len(whole))
        if start
        else b"HTTP/1.1 200 OK"
    )
    head = (
        first,
        b"Content-Type: application/octet-stream",
        b'Content-Disposition: attachment; filename="logs.tar.gz"',
        b"Content-Length: %d" % (len(whole) - start),
        b"Accept-Ranges: bytes",
        b"ETag: " + ETAG,
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + whole[start:upto]
