"""Tar, read as it arrives: headers checked, members counted, the end demanded.

The formats are those of POSIX.1-2017 (pax: ustar and pax) and of the GNU tar manual (long names,
sparse members, base-256 numbers). Where they leave a choice it is made as Python's `tarfile` makes
it, since a person will most likely list the archive with that, or with a tar that agrees.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from collector.archive.format import ArchiveError, Contents, Member
from collector.archive.targz.extended import (
    NAME_LIMIT,
    NO_OVERRIDES,
    ExtendedHeaders,
    Overrides,
    pax_records,
)
from collector.archive.targz.header import (
    BLOCK,
    DIRECTORY,
    SPARSE,
    has_right_checksum,
    name_in,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAX_LIMIT = 1 << 20
"""The most bytes of a pax header; it is held in memory, and real ones have a few hundred."""

_ZEROS = bytes(BLOCK)

_REGULAR = frozenset(b"0\x007S")
_WITHOUT_CONTENT = frozenset(b"123456")
_LONG_NAMES = frozenset(b"LK")
_LONG_NAME = ord("L")
_KINDS = {
    ord("1"): "hardlink",
    ord("2"): "symlink",
    ord("3"): "character device",
    ord("4"): "block device",
    DIRECTORY: "directory",
    ord("6"): "fifo",
}
_PAX = frozenset(b"xX")
_PAX_GLOBAL = ord("g")
_OLD_REGULAR = 0

# Modification times outside the years 1 to 9999 tell nothing, and few calendars can hold them.
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799

_DIGITS = re.compile(rb"[0-9]{1,20}")


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
        on_member: is given each member.
    """

    def __init__(
        self,
        most_members: int | None = None,
        on_member: Callable[[Member], None] | None = None,
    ) -> None:
        self._most_members = most_members
        self._on_member = on_member
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
        self._extended = ExtendedHeaders()

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
        if not has_right_checksum(block, self._where):
            if not self._offset:
                raise ArchiveError("the gzip holds no tar: its first block is not a tar header")
            raise ArchiveError(f"wrong checksum in the tar header{self._where()}")
        size = number(block[124:136], "size", self._where)
        kind = block[156]
        if size < 0:
            raise ArchiveError(f"a negative size in the tar header{self._where()}")
        if kind in _LONG_NAMES:
            self._announced = True
            if kind == _LONG_NAME and self._on_member is not None and size:
                self._naming = _padded(size)
                self._long_name.clear()
                self._next = _Next.LONG_NAME
            else:
                self._skip = _padded(size)
        elif kind in _PAX or kind == _PAX_GLOBAL:
            self._begin_pax(size, is_global=kind == _PAX_GLOBAL)
        else:
            self._begin_member(block, kind, size)

    def _begin_member(self, block: bytes, kind: int, size: int) -> None:
        self._members += 1
        if self._most_members is not None and self._members > self._most_members:
            raise ArchiveError(
                f"the tar has more than the {self._most_members} members that --max-members allows",
                too_large=True,
            )
        self._announced = False
        if kind == _OLD_REGULAR and block[:100].partition(b"\0")[0].endswith(b"/"):
            kind = DIRECTORY  # so says the format of 1979
        mtime_s: float = number(block[136:148], "modification time", self._where)
        overrides = NO_OVERRIDES
        if self._extended.say_anything:
            overrides = self._extended.take(with_global=kind != SPARSE)
            size, mtime_s = self._overridden(overrides, size, mtime_s)
        if self._on_member is not None:
            self._on_member(self._member(block, kind, size, mtime_s, overrides))
        if kind in _REGULAR and _EARLIEST_S <= mtime_s <= _LATEST_S:
            if self._oldest_s is None or mtime_s < self._oldest_s:
                self._oldest_s = mtime_s
            if self._newest_s is None or mtime_s > self._newest_s:
                self._newest_s = mtime_s
        if kind == SPARSE and block[482]:
            self._next = _Next.SPARSE_MAP
            self._content = _padded(size)
        elif kind not in _WITHOUT_CONTENT:
            self._skip = _padded(size)

    def _member(
        self, block: bytes, kind: int, size: int, mtime_s: float, overrides: Overrides
    ) -> Member:
        if overrides.real_size is not None and _DIGITS.fullmatch(overrides.real_size):
            size = int(overrides.real_size)
        elif kind == SPARSE:
            size = number(block[483:495], "real size", self._where)
        name = overrides.name
        if name is None:
            name = name_in(block, kind)
        if kind == DIRECTORY:
            name = name.rstrip(b"/")
        text = name[:NAME_LIMIT].decode("utf-8", "surrogateescape")
        return Member(text, size, mtime_s, _KINDS.get(kind, "file"))

    def _read_long_name(self, block: bytes) -> None:
        room = NAME_LIMIT - len(self._long_name)
        self._long_name += block[:room]
        self._naming -= BLOCK
        if not self._naming:
            self._next = _Next.HEADER
            self._extended.add_long_name(bytes(self._long_name))

    def _overridden(self, overrides: Overrides, size: int, mtime_s: float) -> tuple[int, float]:
        """Return the size and the time that hold: the overrides', where there are any."""
        if overrides.size is not None:
            if not _DIGITS.fullmatch(overrides.size):
                raise ArchiveError(f"no number for a size in the pax header{self._where()}")
            size = int(overrides.size)
        if overrides.mtime is not None:
            try:
                mtime_s = float(overrides.mtime)
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
            self._extended.add_records({}, is_global=is_global)

    def _read_pax(self, block: bytes) -> None:
        self._pax += block
        if len(self._pax) < self._pax_size:
            return
        records = pax_records(bytes(self._pax[: self._pax_size]), self._where)
        self._pax.clear()
        self._next = _Next.HEADER
        self._extended.add_records(records, is_global=self._pax_is_global)

    def _read_sparse_map(self, block: bytes) -> None:
        if not block[504]:
            self._next = _Next.HEADER
            self._skip = self._content

    def _read_second_zeros(self, block: bytes) -> None:
        if block != _ZEROS:
            raise ArchiveError(f"a lone block of zeros in the midst of the tar{self._where()}")
        self._next = _Next.NOTHING

    def _where(self) -> str:
        return f" at byte {self._offset}; members so far: {self._members}"


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
