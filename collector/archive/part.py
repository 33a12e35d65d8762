"""`FILE.part`: a file that has not earned its name yet."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from collector import files
from collector.archive.names import PART, REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

READ_BYTES = 1 << 20

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_MOST_BUFFERS = 512
"""The system takes 1,024 in one call, and less on some."""


class PartFile:
    """Is written under `FILE.part`, and gets its name once it is whole and on disk.

    Made at the first write: the file for its owner alone, and its directory and that one's
    parent, where they are missing. What is above must be there: a run's directory that somebody
    has removed is not made anew. No link is followed, neither at the file nor at its two
    directories. Every method blocks, and raises OSError as the system does.
    """

    def __init__(self, directory: Path, file_name: str) -> None:
        self._directory = directory
        self._name = file_name
        self._part_name = f"{file_name}{PART}"
        self._grown: list[Path] = []  # directories that got an entry
        self._is_named = False
        self._directory_fd = -1
        self._fd = -1

    @property
    def name(self) -> str:
        """What the file shall be called."""
        return self._name

    @property
    def path(self) -> Path:
        """Where the file belongs."""
        return self._directory / self._name

    def take_up(self) -> int:
        """Go on with `FILE.part` as an earlier try has left it; return its bytes, 0 for none.

        A link, or a file that has a second name somewhere, is not ours to write to.
        """
        try:
            self._directory_fd = self._open_directory()
            self._fd = files.open_to_write(self._part_name, os.O_RDWR, dir_fd=self._directory_fd)
        except OSError:
            self.close()
            return 0
        found = os.fstat(self._fd)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid():
            return found.st_size
        self.close()
        return 0

    def read(self) -> Iterator[memoryview]:
        """Yield what is here from its start, in pieces that hold until the next; writing follows.

        What is written afterwards is appended.
        """
        os.lseek(self._fd, 0, os.SEEK_SET)
        buffer = memoryview(bytearray(READ_BYTES))
        while count := os.readv(self._fd, [buffer]):
            yield buffer[:count]

    def at(self, offset: int, size: int) -> bytes:
        """Return so many bytes from there, or fewer where the file ends."""
        return os.pread(self._fd, size, offset)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append all of them."""
        if self._fd < 0:
            self._open()
        for first in range(0, len(pieces), _MOST_BUFFERS):
            some = pieces[first : first + _MOST_BUFFERS]
            written = files.write_pieces(self._fd, some)
            if written < sum(map(len, some)):
                files.write_all(self._fd, memoryview(b"".join(some))[written:])

    def sync(self) -> None:
        """Have what was written on disk."""
        files.sync(self._fd)

    def give_name(self) -> None:
        """Give the file its name: call `sync` before, and `sync_name` after."""
        self._rename(self._name)
        self._is_named = True

    def reject(self) -> None:
        """Keep it as `FILE.rejected`, and close it."""
        with contextlib.suppress(OSError):  # not even there, or no room for a name
            self._rename(f"{self._name}{REJECTED}")
        self.close()

    def sync_name(self) -> list[Path]:
        """Have the name on disk; return the directories above whose new entries are not yet."""
        files.sync(self._directory_fd)
        return self._grown

    def close(self) -> None:
        """Close what is open; the file stays as it is. May be called twice."""
        for fd in (self._fd, self._directory_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory_fd = -1

    def discard(self) -> None:
        """Close and remove `FILE.part`, whoever left it there, as far as the disk lets us.

        Where it has got its name already, which then could not be synced, it loses that.
        """
        self.close()
        with contextlib.suppress(OSError):
            self._directory_fd = self._open_directory()
            name = self._name if self._is_named else self._part_name
            files.remove(name, dir_fd=self._directory_fd)
        self.close()

    def forget_rejected(self) -> None:
        """Remove what an earlier try has left as `FILE.rejected`."""
        with contextlib.suppress(FileNotFoundError):
            files.remove(f"{self._name}{REJECTED}", dir_fd=self._directory_fd)

    def _rename(self, name: str) -> None:
        files.rename(self._part_name, name, dir_fd=self._directory_fd)

    def _open(self) -> None:
        self._make_directory()
        self._directory_fd = self._open_directory()
        try:
            self._fd = self._create()
        except FileExistsError:
            # Left by a process that was stopped, or planted: either way not ours to write to.
            files.remove(self._part_name, dir_fd=self._directory_fd)
            self._fd = self._create()

    def _open_directory(self) -> int:
        parent = files.open_directory(self._directory.parent)
        try:
            return files.open_directory(self._directory.name, dir_fd=parent)
        finally:
            os.close(parent)

    def _create(self) -> int:
        return files.open_to_write(self._part_name, _CREATE, dir_fd=self._directory_fd)

    def _make_directory(self) -> None:
        parent = self._directory.parent
        if parent.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link stands in place of", str(parent))
        try:
            made = _make(self._directory)
        except FileNotFoundError:
            if _make(parent):
                self._grown.append(parent.parent)
            made = _make(self._directory)
        if made:
            self._grown.insert(0, parent)


def _make(directory: Path) -> bool:
    """Make a directory for its owner alone; say whether it had to be made."""
    try:
        files.make_directory(directory)
    except FileExistsError:
        return False
    return True
