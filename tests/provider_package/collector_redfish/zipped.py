"""`ZIP`: ZIP files (APPNOTE.TXT 6.3), read as they arrive.

Each member is inflated and its CRC compared. Then the central directory has to name the same
members, and the end record has to follow it: so a file that was cut or damaged anywhere is noticed.
Not read are encrypted members, and ZIP64: a BMC's logs have less than 4 GB.
"""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.archive.format import (
    RATIO_AFTER_BYTES,
    ArchiveError,
    Contents,
    Member,
    UnpackLimits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from collector.archive.format import ArchiveFormat, ArchiveReader

LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
END: Final = struct.Struct("<4sHHHHIIH")
DESCRIPTOR: Final = struct.Struct("<III")
STORED: Final = 0
DEFLATED: Final = 8
ENCRYPTED: Final = 0x1
LATER: Final = 0x8
"""Its sizes and CRC follow the member."""
UTF8: Final = 0x800
PIECE: Final = 64 << 10


class _Entry(NamedTuple):
    name: bytes
    crc: int
    packed: int
    size: int


class ZipReader:
    """Reads one ZIP file as it arrives."""

    def __init__(
        self, limits: UnpackLimits | None, on_member: Callable[[Member], None] | None
    ) -> None:
        self._limits = limits
        self._on_member = on_member
        self._buffer = bytearray()
        self._fed = 0
        self._unpacked = 0
        self._entries: list[_Entry] = []
        self._times: list[float] = []
        self._is_over = False
        self._parser = self._archive()

    def feed(self, data: bytes | memoryview, /) -> None:
        """Read the next bytes."""
        self._buffer += data
        self._fed += len(data)
        if self._is_over:
            self._no_more()
        else:
            next(self._parser, None)

    def finish(self) -> Contents:
        """Say what was inside."""
        if not self._is_over:
            raise ArchiveError("the ZIP file ends too early", unfinished=True)
        times = self._times
        return Contents(len(self._entries), min(times, default=None), max(times, default=None))

    def _archive(self) -> Generator[None, None, None]:
        """Read it all; yield where more bytes are needed."""
        while (mark := (yield from self._peek(4))) == b"PK\x03\x04":
            yield from self._member()
        if mark not in (b"PK\x01\x02", b"PK\x05\x06"):
            raise ArchiveError("it is no ZIP file, or it is damaged")
        for entry in self._entries if mark == b"PK\x01\x02" else ():
            yield from self._listed(entry)
        yield from self._end()
        self._is_over = True
        self._no_more()

    def _member(self) -> Generator[None, None, None]:
        header = LOCAL.unpack((yield from self._take(LOCAL.size)))
        _, _, flags, method, time, date, crc, packed, size, name_size, extra_size = header
        name = yield from self._take(name_size)
        yield from self._take(extra_size)
        if flags & ENCRYPTED or method not in (STORED, DEFLATED):
            raise ArchiveError("a member of the ZIP file is encrypted, or packed in an odd way")
        if flags & LATER and method == STORED:
            raise ArchiveError("a member of the ZIP file does not say how long it is")
        before = self._unpacked
        found = yield from self._content(method, None if flags & LATER else packed)
        if flags & LATER:
            if (yield from self._peek(4)) == b"PK\x07\x08":
                yield from self._take(4)
            crc, packed, size = DESCRIPTOR.unpack((yield from self._take(DESCRIPTOR.size)))
        if (found, self._unpacked - before) != (crc, size):
            raise ArchiveError("a member of the ZIP file is damaged")
        self._entries.append(_Entry(name, crc, packed, size))
        self._tell(name, flags, size, _time_s(date, time))

    def _content(self, method: int, packed: int | None) -> Generator[None, None, int]:
        """Read a member's bytes; return their CRC."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        crc, left = 0, packed
        while not inflater.eof if left is None else left > 0:
            if inflater.eof:
                raise ArchiveError("a member of the ZIP file ends before the size that it states")
            if not self._buffer:
                yield
                continue
            piece = bytes(self._buffer[: PIECE if left is None else min(PIECE, left)])
            if method == STORED:
                plain, used = piece, len(piece)
            else:
                plain, used = _inflated(inflater, piece)
            del self._buffer[:used]
            left = None if left is None else left - used
            crc = zlib.crc32(plain, crc)
            self._count(len(plain))
        return crc

    def _listed(self, entry: _Entry) -> Generator[None, None, None]:
        """Compare an entry of the central directory with its member."""
        header = CENTRAL.unpack((yield from self._take(CENTRAL.size)))
        mark, _, _, _, _, _, _, crc, packed, size, name_size, extra_size, comment_size = header[:13]
        name = yield from self._take(name_size)
        yield from self._take(extra_size + comment_size)
        if mark != b"PK\x01\x02" or _Entry(name, crc, packed, size) != entry:
            raise ArchiveError("the directory of the ZIP file names other members than it has")

    def _end(self) -> Generator[None, None, None]:
        mark, _, _, _, entries, _, _, comment_size = END.unpack((yield from self._take(END.size)))
        if mark != b"PK\x05\x06":
            raise ArchiveError("it is no ZIP file, or it is damaged")
        if entries != len(self._entries) & 0xFFFF:
            raise ArchiveError("the ZIP file has other members than its end says")
        yield from self._take(comment_size)

    def _peek(self, size: int) -> Generator[None, None, bytes]:
        while len(self._buffer) < size:
            yield
        return bytes(self._buffer[:size])

    def _take(self, size: int) -> Generator[None, None, bytes]:
        taken = yield from self._peek(size)
        del self._buffer[:size]
        return taken

    def _count(self, unpacked: int) -> None:
        self._unpacked += unpacked
        limits = self._limits
        if limits is None:
            return
        over = self._unpacked - RATIO_AFTER_BYTES
        if self._unpacked > limits.unpacked or over > limits.ratio * self._fed:
            raise ArchiveError("it unpacks to more than is allowed", too_large=True)

    def _tell(self, name: bytes, flags: int, size: int, mtime_s: float) -> None:
        if self._limits is not None and len(self._entries) > self._limits.members:
            raise ArchiveError("it has more members than are allowed", too_large=True)
        is_directory = name.endswith(b"/")
        if not is_directory:
            self._times.append(mtime_s)
        if self._on_member is not None:
            text = name.decode("utf-8" if flags & UTF8 else "cp437", "surrogateescape")
            kind = "directory" if is_directory else "file"
            self._on_member(Member(text.rstrip("/"), size, mtime_s, kind))

    def _no_more(self) -> None:
        if self._buffer:
            raise ArchiveError("something follows the end of the ZIP file")


def _inflated(inflater: zlib._Decompress, piece: bytes) -> tuple[bytes, int]:
    """Return what comes of a piece, and how much of it belongs to the member."""
    if inflater.eof:
        raise ArchiveError("a member of the ZIP file is damaged")
    try:
        plain = inflater.decompress(piece)
    except zlib.error:
        raise ArchiveError("a member of the ZIP file is damaged") from None
    return plain, len(piece) - len(inflater.unused_data)


class Zip:
    """Archives that are ZIP files."""

    suffix = ".zip"

    def reader(
        self,
        limits: UnpackLimits | None = None,
        on_member: Callable[[Member], None] | None = None,
    ) -> ArchiveReader:
        """Return a reader for one archive."""
        return ZipReader(limits, on_member)


def _time_s(date: int, time: int) -> float:
    """Return a time of DOS, taken for UTC, in Unix seconds; 0 where it is none."""
    try:
        return datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63,
            min(59, 2 * (time & 31)), tzinfo=UTC,
        ).timestamp()  # fmt: skip
    except ValueError:
        return 0.0


ZIP: Final[ArchiveFormat] = Zip()
