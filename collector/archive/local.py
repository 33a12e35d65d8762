"""The first destination: archives lie in the run's directory, under their paths.

An archive is written to `FILE.part` beside its place, and renamed once it is whole. So what a crash
leaves is that file, with a beginning of what was appended, or the archive under its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collector import beneath, files
from collector.archive.names import PART

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.archive.destination import Pieces, Steps

READ_BYTES = 1 << 20
KEPT_FREE = 16 << 20
"""Bytes that archives leave to the journal and the manifest, unless the disk is a small one."""

_KEPT_SHARE = 100
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_MOST_BUFFERS = 512
"""The system takes 1,024 in one call, and less on some."""


class LocalDirectory:
    """Keeps archives in a run's directory: see `Destination`.

    Links are not followed anywhere below that directory, and what is made is its owner's alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._named: set[Path] = set()  # directories of projects whose names are on disk

    def stage(self, path: str) -> LocalFile:
        """Return a place for an archive that is about to come."""
        directory, _, name = path.rpartition("/")
        return LocalFile(self._directory / directory, name, self._named)

    def size(self, path: str) -> int | None:
        """Return an archive's bytes; None where no regular file is, or only through a link."""
        return beneath.size_beneath(self._directory, path)

    def read(self, path: str) -> Pieces:
        """Read an archive, by no link."""
        buffer = memoryview(bytearray(READ_BYTES))
        with open(beneath.open_beneath(self._directory, path), "rb", buffering=0) as file:  # noqa: PTH123  # of a descriptor
            while count := file.readinto(buffer):
                yield buffer[:count]

    def remove(self, path: str) -> None:
        """Remove an archive, if there is one."""
        place = self._directory / path
        with contextlib.suppress(FileNotFoundError):
            descriptor = _open_directory(place.parent)
            try:
                files.remove(place.name, dir_fd=descriptor)
            finally:
                os.close(descriptor)

    def entries(self) -> Iterator[str]:
        """Return nothing: all is in the run's directory."""
        return iter(())

    def room(self) -> int | None:
        """Return what is free on the disk for archives."""
        found = os.statvfs(self._directory)
        if not found.f_blocks:
            return None  # the file system does not know its size
        kept = min(KEPT_FREE, found.f_blocks * found.f_frsize // _KEPT_SHARE)
        return max(0, found.f_bavail * found.f_frsize - kept)

    def describe(self, path: str) -> str:
        """Name the file, and where the disk is mounted that it lies on."""
        place = self._directory / path
        return f"{place} on the disk at {mount_point(place.parent)}"

    def close(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True, slots=True)
class _DirectorySync:
    """The names in a directory: see `Sync`."""

    directory: Path

    def __call__(self) -> None:
        files.sync_directory(self.directory)


class LocalFile:
    """Writes to `FILE.part`: see `StagedFile`.

    Made at the first write: the file for its owner alone, and its directory and that one's
    parent, where they are missing. What is above must be there: a run's directory that somebody
    has removed is not made anew. No link is followed, neither at the file nor at its two
    directories.
    """

    def __init__(self, directory: Path, file_name: str, named: set[Path]) -> None:
        self._directory = directory
        self._name = f"{file_name}{PART}"
        self._named = named
        self._directory_fd = -1
        self._fd = -1

    def resume(self) -> int:
        """Reopen `FILE.part`; a link, or a file that has a second name, is not ours to write to."""
        try:
            self._directory_fd = _open_directory(self._directory)
            self._fd = files.open_to_write(self._name, os.O_RDWR, dir_fd=self._directory_fd)
        except OSError:
            self.close()
            return 0
        found = os.fstat(self._fd)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid():
            os.lseek(self._fd, 0, os.SEEK_END)
            return found.st_size
        self.close()
        return 0

    def read(self, offset: int = 0) -> Pieces:
        """Read back what is here; where writing goes on is not changed by it."""
        while piece := os.pread(self._fd, READ_BYTES, offset):
            yield piece
            offset += len(piece)

    def append(self, pieces: Sequence[bytes]) -> None:
        """Write all of them to the end."""
        if self._fd < 0:
            self._open()
        for first in range(0, len(pieces), _MOST_BUFFERS):
            some = pieces[first : first + _MOST_BUFFERS]
            written = files.write_pieces(self._fd, some)
            if written < sum(map(len, some)):
                files.write_all(self._fd, memoryview(b"".join(some))[written:])

    def commit(self, path: str, *, durable: bool) -> Steps[None]:
        """Rename the file, which lies in its directory already; durably: after it is synced."""
        if self._fd < 0:
            raise FileNotFoundError(errno.ENOENT, "nothing is staged", path)
        if durable:
            files.sync(self._fd)
            yield ()
        name = path.rpartition("/")[2]
        files.rename(self._name, name, dir_fd=self._directory_fd)
        self._name = name
        if durable:
            yield ()
            files.sync(self._directory_fd)
            # Whoever made the directories, another archive or a process that was killed, may not
            # have synced their names yet.
            parent = self._directory.parent
            above = [parent] if parent in self._named else [parent, parent.parent]
            yield [_DirectorySync(directory) for directory in above]
            self._named.add(parent)

    def discard(self) -> None:
        """Remove the file, under whichever of its names it has, as far as the disk lets us."""
        self.close()
        with contextlib.suppress(OSError):
            self._directory_fd = _open_directory(self._directory)
            files.remove(self._name, dir_fd=self._directory_fd)
        self.close()

    def close(self) -> None:
        """Close what is open; the file stays as it is."""
        for fd in (self._fd, self._directory_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory_fd = -1

    def _open(self) -> None:
        self._make_directory()
        self._directory_fd = _open_directory(self._directory)
        try:
            self._fd = self._create()
        except FileExistsError:
            # Left by a process that was stopped, or planted: either way not ours to write to.
            files.remove(self._name, dir_fd=self._directory_fd)
            self._fd = self._create()

    def _create(self) -> int:
        return files.open_to_write(self._name, _CREATE, dir_fd=self._directory_fd)

    def _make_directory(self) -> None:
        parent = self._directory.parent
        if parent.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "a link stands in place of", str(parent))
        try:
            _make(self._directory)
        except FileNotFoundError:
            _make(parent)
            _make(self._directory)


def mount_point(path: Path) -> str:
    """Return where the disk is mounted that a directory, which may still be missing, lies on."""
    try:
        here = Path(os.path.realpath(path))  # also of a link that leads to itself
    except OSError:  # the current directory was removed
        return str(path)
    while not here.is_mount() and here.parent != here:
        here = here.parent
    return str(here)


def _open_directory(directory: Path) -> int:
    """Open a directory; neither it nor the one above may be a link."""
    parent = files.open_directory(directory.parent)
    try:
        return files.open_directory(directory.name, dir_fd=parent)
    finally:
        os.close(parent)


def _make(directory: Path) -> None:
    """Make a directory for its owner alone, unless it is there."""
    with contextlib.suppress(FileExistsError):
        files.make_directory(directory)
