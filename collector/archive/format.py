"""`ArchiveFormat`: the port through which archives are read, whatever they are packed as.

A format answers two questions about an archive while its bytes arrive: is it whole, and what is
inside? Both are asked at three times: when an archive is downloaded, when a resume reads back what
an earlier try has staged, and when `verify` reads an archive again. All three use the same reader.

`collector.archive.targz` is the first format. `docs/how-to/new-destination.md` says how to write
another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

RATIO_AFTER_BYTES = 64 << 20
"""Unpacked bytes that are not held against the ratio: a log of zeros is no bomb."""


class ArchiveError(Exception):
    """The bytes read so far are no whole archive, and no bytes to come could make them one.

    Its text completes "the archive is rejected: ...", for a person to read.

    Attributes:
        unfinished: the archive just ends too early: more bytes could have made it whole.
        too_large: it may be whole, and is over what a person allows.
    """

    def __init__(self, message: str, *, unfinished: bool = False, too_large: bool = False) -> None:
        super().__init__(message)
        self.unfinished = unfinished
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How much an archive may unpack to: a small file can hold more than any disk.

    What is over these is not read any further.

    Attributes:
        unpacked: bytes that an archive may unpack to, and that it may have itself.
        ratio: unpacked bytes for each packed one, after the first `RATIO_AFTER_BYTES`.
        members: members of the archive.
    """

    unpacked: int = 1 << 40
    ratio: float = 1000.0
    members: int = 1_000_000


class Member(NamedTuple):
    """A member of an archive, as the format's usual tool lists it.

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
    """What is inside a whole archive.

    Attributes:
        members: how many members it has.
        oldest_s, newest_s: the earliest and latest modification time of its regular members, in
            Unix seconds; None where it has none.
    """

    members: int
    oldest_s: float | None
    newest_s: float | None


class ArchiveReader(Protocol):
    """Reads one archive as it arrives. Its memory is bounded, whatever the archive's size.

    Methods block and are called in worker threads, by one thread at a time, which need not be the
    same one each time. A reader that has raised is not called again.
    """

    def feed(self, data: bytes | memoryview, /) -> None:
        """Read the next bytes, in pieces of any size. A memoryview is valid during the call only.

        Raises:
            ArchiveError: this is no whole archive, whatever may follow; or it is over a limit.
        """

    def finish(self) -> Contents:
        """Say what was inside, once all bytes were fed. It is called once.

        Raises:
            ArchiveError: the archive is not whole: `unfinished` if it is only cut off.
        """


class ArchiveFormat(Protocol):
    """One way to pack archives. An object of it holds no state and may be used by any thread."""

    @property
    def suffix(self) -> str:
        """What the names of its files end in, with the dot: `.tar.gz`."""

    def reader(
        self,
        limits: UnpackLimits | None = None,
        on_member: Callable[[Member], None] | None = None,
    ) -> ArchiveReader:
        """Return a reader for one archive, from its first byte on.

        Args:
            limits: what it may unpack to; None: anything, as when `verify` reads what was accepted.
            on_member: is given each member as it is read, and may raise an `ArchiveError`, which
                passes through `feed`. None: nobody asks, and names need not be read.
        """
