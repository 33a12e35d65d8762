"""A gzipped tar, read to its end as it arrives."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.archive.disguise import disguise
from collector.archive.errors import ArchiveError
from collector.archive.tar import BLOCK, Contents, TarReader

if TYPE_CHECKING:
    from pathlib import Path

INPUT_BYTES = 64 << 10
"""Inflated in one call; what zlib cannot take at once is copied, so it is not much."""

OUTPUT_BYTES = 1 << 20
"""The most that is inflated in one call, whatever the ratio."""

READ_BYTES = 1 << 20

_MAGIC = b"\x1f\x8b"
_GZIP_ALONE = 31  # zlib's wbits for: a gzip header and trailer, checked, and the largest window

_DEFECTS = {
    "incorrect data check": "the gzip is damaged: its checksum (CRC-32) is not that of its content",
    "incorrect length check": "the gzip is damaged: its length is not that of its content",
}


class ArchiveReader:
    """Is fed a `.tar.gz` in pieces of any size; its memory is bounded whatever the archive's size.

    Several gzip members may follow one another, and zeros may follow the last (bsdtar pads with
    them). Within the last gzip, what follows the tar's end is inflated for its checksum and
    otherwise not looked at, as every tar does it.
    """

    def __init__(self) -> None:
        self._tar = TarReader()
        self._member: zlib._Decompress | None = None
        self._begun = 0  # gzip members
        self._held = b""  # what came of a gzip member, not yet enough to know it as one
        self._padded = False

    def feed(self, data: bytes | memoryview) -> None:
        """Read on.

        Raises:
            ArchiveError: this is no whole archive, whatever may follow.
        """
        view = memoryview(data)
        for start in range(0, len(view), INPUT_BYTES):
            rest: bytes | memoryview = view[start : start + INPUT_BYTES]
            while rest:
                member = self._member
                rest = self._begin(bytes(rest)) if member is None else self._inflate(member, rest)

    def finish(self) -> Contents:
        """Say what was inside; nothing may follow.

        Raises:
            ArchiveError: the archive is not whole.
        """
        if self._member is not None or self._held == _MAGIC[:1]:
            raise ArchiveError("the gzip is cut off", unfinished=True)
        if self._held:
            raise ArchiveError(disguise(self._held))
        if not self._begun:
            raise ArchiveError("the body is empty")
        return self._tar.finish()

    def _begin(self, data: bytes) -> bytes:
        """Tell what follows the last gzip member: another, padding, or what does not belong."""
        data = self._held + data
        self._held = b""
        if self._padded or (self._begun and not data[0]):
            self._padded = True
            if data.strip(b"\0"):
                raise ArchiveError("after the gzip and its padding there is something else")
            return b""
        if data.startswith(_MAGIC):
            self._member = zlib.decompressobj(_GZIP_ALONE)
            self._begun += 1
            return data
        if data != _MAGIC[:1]:
            if self._begun:
                raise ArchiveError(f"after the gzip there is something else: {data[:8].hex(' ')}")
            if len(data) >= BLOCK:
                raise ArchiveError(disguise(data))
        self._held = data
        return b""

    def _inflate(self, member: zlib._Decompress, data: bytes | memoryview) -> bytes:
        """Inflate all of the data that belongs to this gzip member, and return the rest."""
        while data:
            try:
                inflated = member.decompress(data, OUTPUT_BYTES)
            except zlib.error as error:
                reason = str(error).rpartition(": ")[2]
                raise ArchiveError(
                    _DEFECTS.get(reason, f"the gzip is damaged: {reason}")
                ) from error
            self._tar.feed(inflated)
            if member.eof:
                self._member = None
                return member.unused_data
            data = member.unconsumed_tail
        return b""


@dataclass(frozen=True, slots=True)
class Examined:
    """A whole archive as it lies on disk.

    Attributes:
        bytes: its size.
        sha256: of the file, in hex.
        contents: what is inside.
    """

    bytes: int
    sha256: str
    contents: Contents


def examine(path: Path) -> Examined:
    """Read an archive on disk to its end, in constant memory.

    Raises:
        ArchiveError: it is no whole archive.
        OSError: it cannot be read.
    """
    reader = ArchiveReader()
    sha256 = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            sha256.update(buffer[:count])
            reader.feed(buffer[:count])
            size += count
    return Examined(size, sha256.hexdigest(), reader.finish())
