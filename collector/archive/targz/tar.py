"""Tar, read as it arrives: headers checked, members counted, the end demanded.

The formats are those of POSIX.1-2017 (pax: ustar and pax) and of the GNU tar manual (long names,
sparse members, base-256 numbers). Where they leave a choice it is made as Python's `tarfile` makes
it, since a person will most likely list the archive with that, or with a tar that agrees.
"""

from __future__ import annotations

import enum
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from collector.archive.errors import ArchiveError
from collector.archive.targz.announced import NAME_LIMIT, NOTHING, Announced, Told, kept

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 512
"""Bytes in a block: headers are one, content is padded to them."""

PAX_LIMIT = 1 << 20
"""The most bytes of a pax header; it is held in memory, and real ones have a few hundred."""

_ZEROS = bytes(BLOCK)

_REGULAR = frozenset(b"0\x007S")
_WITHOUT_CONTENT = frozenset(b"123456")
_LONG_NAMES = frozenset(b"LK")
_LONG_NAME = ord("L")
_HALF = BLOCK // 2  # Adler-32 sums so many bytes without wrapping
_KINDS = {
    ord("1"): "hardlink",
    ord("2"): "symlink",
    ord("3"): "character device",
    ord("4"): "block device",
    ord("5"): "directory",
    ord("6"): "fifo",
}
_PAX = frozenset(b"xX")
_PAX_GLOBAL = ord("g")
_SPARSE = ord("S")
_OLD_REGULAR = 0
_DIRECTORY = ord("5")

_GNU_MAGIC = b"ustar "  # GNU's format has other fields where ustar has its prefix

_BASE_256 = 0x80
_BASE_256_NEGATIVE = 0xFF

# Modification times outside the years 1 to 9999 tell nothing, and few calendars can hold them.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799

_DIGITS = re.compile(rb"[0-9]{1,20}")
_PAX_LENGTH = re.compile(rb"([0-9]{1,20}) ")


class Member(NamedTuple):
    """A member of a tar, as `tarfile` lists it.

    Attributes:
        name: with surrogates where it is no UTF-8, as the system's own file names have them.
        size: bytes that it has when it is unpacked.
        mtime_s: when it was modified, in Unix seconds.
        kind: `file`, `directory`, `symlink`, `hardlink`, `fifo`, `character device` or
            `block device`.
    """

    name: str
    size: int
    mtime_s: float
    kind: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside an archive.

    Attributes:
        members: how many members `tarfile` lists.
        oldest_s, newest_s: the earliest and latest modification time of its regular members, in
            Unix seconds; None where it has none.
    """

    members: int
    oldest_s: float | None
    newest_s: float | None


class _Next(enum.Enum):
    """What the next block is, once the content to skip is over."""

    HEADER = enum.auto()
    PAX = enum.auto()
    LONG_NAME = enum.auto()
    SPARSE_MAP = enum.auto()
    SECOND_ZEROS = enum.auto()
    NOTHING = enum.auto()


class TarReader:
    """Is fed a tar in pieces of any size, and keeps a block of it at most, or a pax header.

    Args:
        most_members: so many may be in it; None: any number.
        listing: is given each member.
    """

    def __init__(
        self,
        most_members: int | None = None,
        listing: Callable[[Member], None] | None = None,
    ) -> None:
        self._most_members = most_members
        self._listing = listing
        self._long_name = bytearray()
        self._naming = 0  # bytes to come of a long name, and its padding
        self._next = _Next.HEADER
        self._held = b""  # the start of a block whose rest has not come
        self._skip = 0  # bytes to come that are content and its padding
        self._content = 0  # the same of a sparse member, whose map comes first
        self._offset = 0  # where in the tar the next block begins
        self._members = 0
        self._oldest_s: float | None = None
        self._newest_s: float | None = None
        self._announced = False  # a header has spoken of a member that has not come
        self._pax = bytearray()
        self._pax_size = 0
        self._pax_is_global = False
        self._told = Announced()

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            ArchiveError: this is no tar, or a damaged one.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        position, end = 0, len(data)
        while position < end and self._next is not _Next.NOTHING:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
            elif end - position < BLOCK:
                self._held = data[position:]
                return
            else:
                step = BLOCK
                self._read(data[position : position + BLOCK])
            position += step
            self._offset += step

    def finish(self) -> Contents:
        """Say what was inside; nothing may follow.

        Raises:
            ArchiveError: the tar is not whole, or has no members.
        """
        if self._skip:
            raise ArchiveError(
                f"the tar is cut off; members begun: {self._members}, bytes missing: {self._skip}"
            )
        if self._next is _Next.SECOND_ZEROS and not self._held.strip(b"\0"):
            self._next = _Next.NOTHING  # a lone block of zeros: GNU tar warns, and all is there
        if self._next is not _Next.NOTHING:
            raise ArchiveError(
                f"the tar ends without its end-of-archive mark{self._where()}"
                if self._offset or self._held
                else "the gzip is empty"
            )
        if not self._members:
            raise ArchiveError("the tar is empty: it has no members")
        return Contents(self._members, self._oldest_s, self._newest_s)

    def _read(self, block: bytes) -> None:
        match self._next:
            case _Next.HEADER:
                self._read_header(block)
            case _Next.PAX:
                self._read_pax(block)
            case _Next.LONG_NAME:
                self._read_long_name(block)
            case _Next.SPARSE_MAP:
                self._read_sparse_map(block)
            case _:
                self._read_second_zeros(block)

    def _read_header(self, block: bytes) -> None:
        if block == _ZEROS:
            if self._announced:
                raise ArchiveError(f"the tar ends before a member that it announced{self._where()}")
            self._next = _Next.SECOND_ZEROS
            return
        self._check(block)
        size = self._number(block[124:136], "size")
        kind = block[156]
        if size < 0:
            raise ArchiveError(f"a negative size in the tar header{self._where()}")
        if kind in _LONG_NAMES:
            self._announced = True
            if kind == _LONG_NAME and self._listing is not None and size:
                self._naming = _padded(size)
                self._long_name.clear()
                self._next = _Next.LONG_NAME
            else:
                self._skip = _padded(size)
        elif kind in _PAX or kind == _PAX_GLOBAL:
            self._begin_pax(size, is_global=kind == _PAX_GLOBAL)
        else:
            self._begin_member(block, kind, size)

    def _check(self, block: bytes) -> None:
        """Compare the header's checksum: the sum of its bytes, its own field taken as spaces."""
        field = block[148:156]
        # Adler-32's lower half is one more than the sum: ten times as fast as adding up in Python.
        whole = (zlib.adler32(block[:_HALF]) & 0xFFFF) + (zlib.adler32(block[_HALF:]) & 0xFFFF) - 2
        found = whole - sum(field) + 8 * 0x20
        try:
            told = self._number(field, "checksum")
        except ArchiveError:
            told = -1
        if told == found:
            return
        # Some old tars added the bytes as signed ones.
        negative = sum(byte >> 7 for byte in block) - sum(byte >> 7 for byte in field)
        if told == found - 256 * negative:
            return
        if not self._offset:
            raise ArchiveError("the gzip holds no tar: its first block is not a tar header")
        raise ArchiveError(f"wrong checksum in the tar header{self._where()}")

    def _begin_member(self, block: bytes, kind: int, size: int) -> None:
        self._members += 1
        if self._most_members is not None and self._members > self._most_members:
            raise ArchiveError(
                f"the tar has more than the {self._most_members} members that --max-members allows",
                too_large=True,
            )
        self._announced = False
        if kind == _OLD_REGULAR and block[:100].partition(b"\0")[0].endswith(b"/"):
            kind = _DIRECTORY  # so says the format of 1979
        mtime_s: float = self._number(block[136:148], "modification time")
        told = NOTHING
        if self._told.anything:
            told = self._told.settle(hears_global=kind != _SPARSE)
            size, mtime_s = self._overridden(told, size, mtime_s)
        if self._listing is not None:
            self._listing(self._member(block, kind, size, mtime_s, told))
        if kind in _REGULAR and _EARLIEST_S <= mtime_s <= _LATEST_S:
            if self._oldest_s is None or mtime_s < self._oldest_s:
                self._oldest_s = mtime_s
            if self._newest_s is None or mtime_s > self._newest_s:
                self._newest_s = mtime_s
        if kind == _SPARSE and block[482]:
            self._next = _Next.SPARSE_MAP
            self._content = _padded(size)
        elif kind not in _WITHOUT_CONTENT:
            self._skip = _padded(size)

    def _member(self, block: bytes, kind: int, size: int, mtime_s: float, told: Told) -> Member:
        if told.real_size is not None and _DIGITS.fullmatch(told.real_size):
            size = int(told.real_size)
        elif kind == _SPARSE:
            size = self._number(block[483:495], "real size")
        name = told.name
        if name is None:
            name = _own_name(block, kind)
        if kind == _DIRECTORY:
            name = name.rstrip(b"/")
        text = name[:NAME_LIMIT].decode("utf-8", "surrogateescape")
        return Member(text, size, mtime_s, _KINDS.get(kind, "file"))

    def _read_long_name(self, block: bytes) -> None:
        room = NAME_LIMIT - len(self._long_name)
        self._long_name += block[:room]
        self._naming -= BLOCK
        if not self._naming:
            self._next = _Next.HEADER
            self._told.take_long_name(bytes(self._long_name))

    def _overridden(self, told: Told, size: int, mtime_s: float) -> tuple[int, float]:
        """Let pax headers speak."""
        if told.size is not None:
            if not _DIGITS.fullmatch(told.size):
                raise ArchiveError(f"no number for a size in the pax header{self._where()}")
            size = int(told.size)
        if told.mtime is not None:
            try:
                mtime_s = float(told.mtime)
            except ValueError:
                mtime_s = 0.0
        return size, mtime_s

    def _begin_pax(self, size: int, *, is_global: bool) -> None:
        if size > PAX_LIMIT:
            raise ArchiveError(
                f"a pax header of {size} bytes, more than {PAX_LIMIT},{self._where()}"
            )
        self._announced = True
        self._pax_size = size
        self._pax_is_global = is_global
        if size:
            self._next = _Next.PAX
        else:
            self._told.take_records({}, is_global=is_global)

    def _read_pax(self, block: bytes) -> None:
        self._pax += block
        if len(self._pax) < self._pax_size:
            return
        records = self._pax_records(bytes(self._pax[: self._pax_size]))
        self._pax.clear()
        self._next = _Next.HEADER
        self._told.take_records(records, is_global=self._pax_is_global)

    def _pax_records(self, pax: bytes) -> dict[bytes, bytes]:
        """Split the records, `LENGTH KEY=VALUE` and a newline each; keep sizes and times."""
        records = {}
        position = 0
        while position < len(pax) and pax[position]:
            found = _PAX_LENGTH.match(pax, position)
            end = position + int(found[1]) if found else 0
            if not found or not found.end() < end <= len(pax) or pax[end - 1] != ord("\n"):
                raise ArchiveError(f"a malformed pax header{self._where()}")
            key, equals, value = pax[found.end() : end - 1].partition(b"=")
            if not key or not equals:
                raise ArchiveError(f"a malformed pax header{self._where()}")
            if kept(key):
                records[key] = value[: NAME_LIMIT + 1]
            position = end
        return records

    def _read_sparse_map(self, block: bytes) -> None:
        if not block[504]:
            self._next = _Next.HEADER
            self._skip = self._content

    def _read_second_zeros(self, block: bytes) -> None:
        if block != _ZEROS:
            raise ArchiveError(f"a lone block of zeros in the midst of the tar{self._where()}")
        self._next = _Next.NOTHING

    def _number(self, field: bytes, meaning: str) -> int:
        """Read octal digits, or GNU's base-256 where a first byte of 128 or 255 says so."""
        try:
            return int(field.partition(b"\0")[0] or b"0", 8)
        except ValueError:
            if field[0] == _BASE_256:
                return int.from_bytes(field[1:], "big")
            if field[0] == _BASE_256_NEGATIVE:
                return int.from_bytes(field, "big", signed=True)
            if not field.partition(b"\0")[0].strip():
                return 0
        raise ArchiveError(f"no number for the {meaning} in the tar header{self._where()}")

    def _where(self) -> str:
        return f" at byte {self._offset}; members so far: {self._members}"


def _own_name(block: bytes, kind: int) -> bytes:
    """Return the name that stands in a member's own header."""
    name = block[:100].partition(b"\0")[0]
    if block[345] and kind != _SPARSE and block[257:263] != _GNU_MAGIC:
        if kind == _DIRECTORY:
            name = name.rstrip(b"/")
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
