"""Archives that are stored already, read once more: by `verify`, and to list their members."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import beneath
from collector.archive.format import ArchiveError
from collector.archive.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.archive.destination import Destination
    from collector.archive.format import ArchiveFormat, Contents, Member


@dataclass(frozen=True, slots=True)
class Examined:
    """A whole archive as it is stored.

    Attributes:
        bytes: its size.
        sha256: of all of it, in hex.
        contents: what is inside.
    """

    bytes: int
    sha256: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class StoredArchives:
    """The archives of one run. Its methods block, and may be called by several threads at once.

    Attributes:
        destination: where they are kept.
        format_at: says what the archive at a path is packed as.
        on_read: is told how many bytes were read just now.
    """

    destination: Destination
    format_at: Callable[[str], ArchiveFormat]
    on_read: Callable[[int], None] | None = None

    def size(self, path: str) -> int | None:
        """Return how many bytes an archive has; None if there is none, or the path cannot be one.

        Args:
            path: in the run, as a record names it, however damaged that is.

        Raises:
            OSError: the destination cannot be asked.
        """
        return self.destination.size(path) if beneath.stays_beneath(path) else None

    def examine(self, path: str, on_member: Callable[[Member], None] | None = None) -> Examined:
        """Read an archive to its end, in constant memory.

        Args:
            path: its path in the run.
            on_member: is given each member.

        Raises:
            ArchiveError: it is no whole archive.
            OSError: it cannot be read.
        """
        reader = self.format_at(path).reader(on_member=on_member)
        sha256 = hashlib.sha256()
        count = 0
        with contextlib.closing(self.destination.read(path)) as pieces:
            for piece in pieces:
                sha256.update(piece)
                reader.feed(piece)
                count += len(piece)
                if self.on_read is not None:
                    self.on_read(len(piece))
        return Examined(count, sha256.hexdigest(), reader.finish())

    def sha256(self, path: str) -> str:
        """Hash what is stored at a path, whatever it is.

        Raises:
            OSError: it cannot be read.
        """
        sha256 = hashlib.sha256()
        with contextlib.closing(self.destination.read(path)) as pieces:
            for piece in pieces:
                sha256.update(piece)
        return sha256.hexdigest()

    def list_again(self, path: str) -> bytes | None:
        """Return the lines of an archive's members; None where it cannot be read.

        `verify` names what cannot be read.
        """
        listing = Listing(path)
        try:
            self.examine(path, listing.add)
        except (ArchiveError, OSError):
            return None
        return listing.finish()
