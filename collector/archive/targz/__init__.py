"""`.tar.gz`: the first archive format.

The bytes pass two readers, one behind the other: `gunzip` checks every header, checksum and length
of the gzip and inflates it, `tar` checks every header of the tar inside and demands its end. So an
archive that was cut or damaged anywhere is noticed before its last byte is written.

| module | what it does |
| --- | --- |
| `reader` | both behind one another, and the limits on what they unpack |
| `gunzip` | gzip (RFC 1952), inflated by ISA-L |
| `tar` | tar (POSIX.1-2017 and GNU), member by member |
| `header` | the fields of a tar's header |
| `extended` | headers that come before a member and override its own: pax records and long names |
| `disguise` | what a body is that should have been a gzip, for the message |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.archive.targz.reader import TarGzReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.archive.format import ArchiveFormat, Member, UnpackLimits

__all__ = ["TAR_GZ", "TarGz"]


class TarGz:
    """Archives that are a tar in a gzip, or in several gzips behind one another."""

    suffix = ".tar.gz"

    def reader(
        self,
        limits: UnpackLimits | None = None,
        on_member: Callable[[Member], None] | None = None,
    ) -> TarGzReader:
        """Return a reader for one archive: see `ArchiveFormat.reader`."""
        return TarGzReader(limits, on_member)


TAR_GZ: Final[ArchiveFormat] = TarGz()
"""The format of every archive whose provider names no other."""
