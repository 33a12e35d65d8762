"""Room on the disk: an archive that does not fit is refused before it fills it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

AHEAD_BYTES = 64 << 20
"""Room that a download of unknown length asks for at a time."""
KEPT_FREE = 16 << 20
"""Bytes that archives leave to the journal and the manifest, unless the disk is a small one."""
_KEPT_PART = 100


class Space:
    """What is free on the disk of a directory, less what downloads under way still need."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._promised = 0

    def free(self) -> int:
        """Return what is free on the disk for archives. May be called in any thread.

        Raises:
            OSError: the disk cannot be asked, or does not know its own size.
        """
        found = os.statvfs(self._directory)
        if not found.f_blocks:
            raise OSError(errno.ENOSYS, "the file system does not know its size", self._directory)
        kept = min(KEPT_FREE, found.f_blocks * found.f_frsize // _KEPT_PART)
        return max(0, found.f_bavail * found.f_frsize - kept)

    def claim(self, needed: int, free: int) -> int | None:
        """Promise so many bytes to a download; return None, or what is left if that is too little.

        Args:
            needed: bytes.
            free: what was free a moment ago.
        """
        left = max(0, free - self._promised)
        if needed > left:
            return left
        self._promised += needed
        return None

    def release(self, promised: int) -> None:
        """Take note that so many promised bytes are written, or not needed any more."""
        self._promised -= promised


def mount_point(path: Path) -> str:
    """Return where the disk is mounted that a directory, which may still be missing, lies on."""
    try:
        here = Path(os.path.realpath(path))  # also of a link that leads to itself
    except OSError:  # the current directory was removed
        return str(path)
    while not here.is_mount() and here.parent != here:
        here = here.parent
    return str(here)
