"""A header of a tar: one block of 512 bytes, whose fields are read here."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from collector.archive.format import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 512
"""Bytes in a block: headers are one, content is padded to them."""

DIRECTORY, SPARSE = ord("5"), ord("S")

_HALF = BLOCK // 2  # Adler-32 sums so many bytes without wrapping
_GNU_MAGIC = b"ustar "  # GNU's format has other fields where ustar has its prefix
_BASE_256 = 0x80
_BASE_256_NEGATIVE = 0xFF


def has_right_checksum(block: bytes, where: Callable[[], str]) -> bool:
    """Compare a header's checksum: the sum of its bytes, its own field taken as spaces."""
    field = block[148:156]
    # Adler-32's lower half is one more than the sum: ten times as fast as adding up in Python.
    whole = (zlib.adler32(block[:_HALF]) & 0xFFFF) + (zlib.adler32(block[_HALF:]) & 0xFFFF) - 2
    found = whole - sum(field) + 8 * 0x20
    try:
        stated = number(field, "checksum", where)
    except ArchiveError:
        return False
    if stated == found:
        return True
    # Some old tars added the bytes as signed ones.
    negative = sum(byte >> 7 for byte in block) - sum(byte >> 7 for byte in field)
    return stated == found - 256 * negative


def number(field: bytes, meaning: str, where: Callable[[], str]) -> int:
    """Read octal digits, or GNU's base-256 where a first byte of 128 or 255 says so.

    Raises:
        ArchiveError: it is no number.
    """
    try:
        return int(field.partition(b"\0")[0] or b"0", 8)
    except ValueError:
        if field[0] == _BASE_256:
            return int.from_bytes(field[1:], "big")
        if field[0] == _BASE_256_NEGATIVE:
            return int.from_bytes(field, "big", signed=True)
        if not field.partition(b"\0")[0].strip():
            return 0
    raise ArchiveError(f"no number for the {meaning} in the tar header{where()}")


def name_in(block: bytes, kind: int) -> bytes:
    """Return the name that stands in a member's own header."""
    name = block[:100].partition(b"\0")[0]
    if block[345] and kind != SPARSE and block[257:263] != _GNU_MAGIC:
        if kind == DIRECTORY:
            name = name.rstrip(b"/")
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return name
