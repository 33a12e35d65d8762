"""A gzipped tar, read to its end as it arrives."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from collector.archive.format import RATIO_AFTER_BYTES, ArchiveError, UnpackLimits
from collector.archive.targz.gunzip import Gunzip
from collector.archive.targz.tar import TarReader
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.archive.format import Contents, Member

_UNLIMITED = UnpackLimits(unpacked=sys.maxsize, ratio=math.inf)


class TarGzReader:
    """Is fed a `.tar.gz` in pieces of any size; its memory is bounded whatever the archive's size.

    Within the last gzip, what follows the tar's end is inflated for its checksum and otherwise not
    looked at, as every tar does it.

    Args:
        limits: what it may unpack to; None: anything.
        on_member: is given each member.
    """

    def __init__(
        self,
        limits: UnpackLimits | None = None,
        on_member: Callable[[Member], None] | None = None,
    ) -> None:
        self._tar = TarReader(limits.members if limits else None, on_member)
        self._gunzip = Gunzip(_Limited(self._tar, limits or _UNLIMITED).feed)

    def feed(self, data: bytes | memoryview) -> None:
        """Read on.

        Raises:
            ArchiveError: this is no whole archive, whatever may follow.
        """
        self._gunzip.feed(data)

    def finish(self) -> Contents:
        """Say what was inside; nothing may follow.

        Raises:
            ArchiveError: the archive is not whole.
        """
        self._gunzip.finish()
        return self._tar.finish()


class _Limited:
    """Hands on what is inflated, unless it is too much."""

    def __init__(self, tar: TarReader, limits: UnpackLimits) -> None:
        self._tar = tar
        self._limits = limits
        self._unpacked = 0

    def feed(self, data: bytes, packed: int) -> None:
        """Read on, in a tar that was packed into so many bytes until here.

        Raises:
            ArchiveError: it is over a limit, or no tar.
        """
        limits = self._limits
        self._unpacked += len(data)
        if self._unpacked > limits.unpacked:
            raise ArchiveError(
                f"it unpacks to more than the {size(limits.unpacked)} that --max-unpacked allows",
                too_large=True,
            )
        if self._unpacked > limits.ratio * packed + RATIO_AFTER_BYTES:
            raise ArchiveError(
                f"it unpacks to more than {limits.ratio:g} times its size, and --max-ratio allows "
                "no more",
                too_large=True,
            )
        self._tar.feed(data)
