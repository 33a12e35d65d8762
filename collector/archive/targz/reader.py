"""A gzipped tar, read to its end as it arrives."""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import files
from collector.archive.errors import ArchiveError
from collector.archive.limits import RATIO_AFTER_BYTES, UnpackLimits
from collector.archive.targz.gunzip import Gunzip
from collector.archive.targz.tar import Contents, Member, TarReader
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_BYTES = 1 << 20
_UNLIMITED = UnpackLimits(unpacked=sys.maxsize, ratio=math.inf)


class ArchiveReader:
    """Is fed a `.tar.gz` in pieces of any size; its memory is bounded whatever the archive's size.

    Within the last gzip, what follows the tar's end is inflated for its checksum and otherwise not
    looked at, as every tar does it.

    Args:
        limits: what it may unpack to; None: anything.
        listing: is given each member.
    """

    def __init__(
        self,
        limits: UnpackLimits | None = None,
        listing: Callable[[Member], None] | None = None,
    ) -> None:
        self._tar = TarReader(limits.members if limits else None, listing)
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


def examine(
    directory: Path, path: str, listing: Callable[[Member], None] | None = None
) -> Examined:
    """Read an archive on disk to its end, in constant memory, and by no link.

    Args:
        directory: the run's.
        path: where it lies in that.
        listing: is given each member.

    Raises:
        ArchiveError: it is no whole archive.
        OSError: it cannot be read.
    """
    reader = ArchiveReader(listing=listing)
    sha256 = hashlib.sha256()
    count = 0
    buffer = memoryview(bytearray(READ_BYTES))
    with open(files.open_beneath(directory, path), "rb", buffering=0) as file:  # noqa: PTH123  # of a descriptor
        while read := file.readinto(buffer):
            sha256.update(buffer[:read])
            reader.feed(buffer[:read])
            count += read
    return Examined(count, sha256.hexdigest(), reader.finish())
