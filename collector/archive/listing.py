"""What is inside an archive, as lines of JSON to search later."""

from __future__ import annotations

from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

from isal import isal_zlib

from collector.archive.format import ArchiveError
from collector.sizes import size

if TYPE_CHECKING:
    from collector.archive.format import Member

_GZIP = 31  # zlib's wbits for a gzip
_LEVEL = 1
_PACKED_AT_ONCE = 128 << 10  # characters: names may be long
_SECONDS = len("2026-11-23T07:00:29")


PACKED_LIMIT = 64 << 20
"""The most bytes of a list: it is in memory until its archive is stored. Names make it large that
nobody would give, as long as can be and each unlike the others."""


class Listing:
    """A line for each member of one archive, packed as they come into one gzip member.

    A million members take some MiB, and no archive takes more than `PACKED_LIMIT`. A
    name that is no UTF-8 has surrogates in its place, which JSON writes as escapes.

    Args:
        path: what a line calls the archive: its path in the run.
    """

    def __init__(self, path: str) -> None:
        self._opening = f'{{"archive":{quoted(path)},"name":'
        self._lines: list[str] = []
        self._waiting = 0  # characters in them
        self._packer: isal_zlib.Compress | None = None
        self._packed: list[bytes] = []
        self._size = 0  # bytes of them

    def add(self, member: Member) -> None:
        """Write down a member.

        Raises:
            ArchiveError: its name is one too many.
        """
        name, size, mtime_s, kind = member
        facts = f'"size":{size},"mtime":{_time(mtime_s)},"type":"{kind}"'
        line = f"{self._opening}{quoted(name)},{facts}}}\n"
        self._lines.append(line)
        self._waiting += len(line)
        if self._waiting >= _PACKED_AT_ONCE:
            self._pack()

    def finish(self) -> bytes:
        """Return all lines, packed."""
        self._pack()
        assert self._packer is not None  # noqa: S101  # made just now
        packer, self._packer = self._packer, None  # its memory is the next one's
        return b"".join([*self._packed, packer.flush()])

    def _pack(self) -> None:
        if self._packer is None:
            self._packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        packed = self._packer.compress("".join(self._lines).encode("ascii"))
        self._packed.append(packed)
        self._size += len(packed)
        if self._size > PACKED_LIMIT:
            raise ArchiveError(
                f"the names of its members are so long that a list of them has over "
                f"{size(PACKED_LIMIT)}",
                too_large=True,
            )
        self._lines.clear()
        self._waiting = 0


def _time(at_s: float) -> str:
    """Write a time of Unix seconds as in the manifest; null where no calendar has it."""
    try:
        at = datetime.fromtimestamp(at_s, UTC)
    except (ValueError, OverflowError, OSError):
        return "null"
    return f'"{at.isoformat()[:_SECONDS]}Z"'  # strftime writes the year 1 as 1
