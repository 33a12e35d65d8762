"""Gzip, read as it arrives: every header, checksum and length of every gzip member is checked.

The framing is RFC 1952's, read here; the deflate within is inflated by ISA-L.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

from isal import igzip_lib, isal_zlib

from collector.archive.format import ArchiveError
from collector.archive.targz.disguise import disguise
from collector.archive.targz.header import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT_BYTES = 64 << 10
"""Inflated in one call: what is left of it at a gzip member's end is copied, so it is not much."""

OUTPUT_BYTES = 256 << 10
"""The most that is inflated in one call, whatever the ratio."""

HEADER_LIMIT = 256 << 10
"""The most bytes of a gzip header; it is held in memory, and real ones have a few dozen."""

_FIRST_BYTES = 1024  # hold the codes of a deflate block, which are some 300 bytes at most

_DAMAGED: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # its stub is wrong
_MAGIC = b"\x1f\x8b"
_FIXED = 10
_TRAILER = struct.Struct("<II")
_DEFLATE = 8
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 2, 4, 8, 16, 0xE0


class Gunzip:
    """Is fed a gzip in pieces of any size; its memory is bounded whatever the ratio.

    Several gzip members may follow one another, and zeros may follow the last (bsdtar pads with
    them).

    Args:
        sink: is given what is inflated, in pieces of at most `OUTPUT_BYTES`, and `packed`.

    Attributes:
        packed: bytes read so far.
        members: gzip members begun so far.
    """

    def __init__(self, sink: Callable[[bytes, int], None]) -> None:
        self.packed = 0
        self.members = 0
        self._sink = sink
        self._deflate: igzip_lib.IgzipDecompressor | None = None
        self._strict: zlib._Decompress | None = None
        self._crc = 0
        self._size = 0
        self._held = b""  # of a header or a trailer whose rest has not come
        self._trailing = False
        self._padded = False

    def feed(self, data: bytes | memoryview) -> None:
        """Read on.

        Raises:
            ArchiveError: this is no whole gzip, whatever may follow.
        """
        view = memoryview(data)
        for start in range(0, len(view), INPUT_BYTES):
            self._feed(view[start : start + INPUT_BYTES])

    def _feed(self, rest: bytes | memoryview) -> None:
        self.packed += len(rest)
        while rest:
            if self._deflate is not None:
                rest = self._inflate(self._deflate, rest)
            elif self._trailing:
                rest = self._read_trailer(self._held + rest)
            elif self._padded or (self.members and not self._held and not rest[0]):
                self._read_padding(rest)
                return
            else:
                rest = self._read_header(self._held + rest)

    def finish(self) -> None:
        """See that nothing is missing; nothing may follow.

        Raises:
            ArchiveError: the gzip is not whole.
        """
        begun = self._held == _MAGIC[:1] or self._held.startswith(_MAGIC)
        if self._deflate is not None or self._trailing or begun:
            raise ArchiveError("the gzip is cut off", unfinished=True)
        if self._held:
            raise ArchiveError(disguise(self._held))
        if not self.members:
            raise ArchiveError("the body is empty")

    def _inflate(
        self, deflate: igzip_lib.IgzipDecompressor, data: bytes | memoryview
    ) -> bytes | memoryview:
        """Inflate all of the data that belongs to this gzip member, and return the rest."""
        if self._strict is not None:
            self._check_codes(self._strict, data)
        while True:
            try:
                inflated = deflate.decompress(data, OUTPUT_BYTES)
            except _DAMAGED as error:
                raise ArchiveError(f"the gzip is damaged: {_reason(error)}") from error
            if inflated:
                self._crc = isal_zlib.crc32(inflated, self._crc)
                self._size += len(inflated)
                self._sink(inflated, self.packed)
            if deflate.eof:
                self._deflate, self._trailing = None, True
                return deflate.unused_data
            if deflate.needs_input:
                return b""
            data = b""

    def _check_codes(self, strict: zlib._Decompress, data: bytes | memoryview) -> None:
        """See that zlib takes the first block's codes, too.

        ISA-L does not mind if they are incomplete, and no other tool could open the file. A small
        archive has one block; to see this of every block would take as long as to inflate twice.
        """
        try:
            inflated = strict.decompress(data[:_FIRST_BYTES], 1)
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise ArchiveError(f"the gzip is damaged: {reason}") from error
        if inflated or strict.eof or len(data) >= _FIRST_BYTES:
            self._strict = None

    def _read_header(self, data: bytes) -> bytes:
        """Read what begins here: a gzip member, or what does not belong."""
        self._held = b""
        if not data.startswith(_MAGIC[: len(data)]):
            if self.members:
                raise ArchiveError(f"after the gzip there is something else: {data[:8].hex(' ')}")
            if len(data) < BLOCK:  # what it is can be said when more of it is here
                self._held = data
                return b""
            raise ArchiveError(disguise(data))
        end = _header_end(data)
        if end is None:
            if len(data) > HEADER_LIMIT:
                raise ArchiveError(f"a gzip header of more than {HEADER_LIMIT} bytes")
            self._held = data
            return b""
        self._deflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        self._strict = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = self._size = 0
        self.members += 1
        return data[end:]

    def _read_trailer(self, data: bytes) -> bytes:
        if len(data) < _TRAILER.size:
            self._held = data
            return b""
        self._held = b""
        self._trailing = False
        crc, size = _TRAILER.unpack_from(data)
        if crc != self._crc:
            raise ArchiveError(
                "the gzip is damaged: its checksum (CRC-32) is not that of its content"
            )
        if size != self._size & 0xFFFFFFFF:
            raise ArchiveError("the gzip is damaged: its length is not that of its content")
        return data[_TRAILER.size :]

    def _read_padding(self, data: bytes | memoryview) -> None:
        self._padded = True
        if bytes(data).strip(b"\0"):
            raise ArchiveError("after the gzip and its padding there is something else")


def _header_end(data: bytes) -> int | None:  # noqa: C901  # a condition a field
    """Return where the header ends that `data` begins with; None where more of it is to come.

    Raises:
        ArchiveError: it is none that a gzip may have.
    """
    if len(data) < _FIXED:
        return None
    method, flags = data[2], data[3]
    if method != _DEFLATE:
        raise ArchiveError("the gzip is damaged: unknown compression method")
    if flags & _RESERVED:
        raise ArchiveError("the gzip is damaged: unknown header flags set")
    end = _FIXED
    if flags & _FEXTRA:
        if len(data) < end + 2:
            return None
        end += 2 + int.from_bytes(data[end : end + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            end = data.find(b"\0", end) + 1
            if not end:
                return None
    if flags & _FHCRC:
        end += 2
    if end > len(data):
        return None
    if flags & _FHCRC:
        stated = int.from_bytes(data[end - 2 : end], "little")
        if stated != zlib.crc32(data[: end - 2]) & 0xFFFF:
            raise ArchiveError("the gzip is damaged: its header's checksum is wrong")
    return end


def _reason(error: Exception) -> str:
    """Return ISA-L's words, without its number and its capital letter."""
    words = re.sub(r"\AError -?\d+ ", "", str(error))
    return words[:1].lower() + words[1:]
