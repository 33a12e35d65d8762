"""`FILE.part`: a file that has not earned its name yet."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PartFile:
    """Is written under `FILE.part`, and gets its name once it is whole and on disk.

    Made at the first write: the file for its owner alone, and its directory and that one's
    parent, where they are missing. What is above must be there: a run's directory that somebody
    has removed is not made anew. No link is followed, neither at the file nor at its directory.
    Every method blocks, and raises OSError as the system does.
    """

    def __init__(self, directory: Path, file_name: str) -> None:
        self.path = directory / file_name
        self._directory = directory
        self._name = file_name
        self._part_name = f"{file_name}.part"
        self._grown: list[Path] = []  # directories that got an entry
        self._directory_fd = -1
        self._fd = -1

    def write(self, data: bytes) -> None:
        """Append all of the data."""
        if self._fd < 0:
            self._open()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def sync(self) -> None:
        """Have what was written on disk."""
        os.fsync(self._fd)

    def give_name(self) -> None:
        """Give the file its name: call `sync` before, and `sync_name` after."""
        os.rename(
            self._part_name,
            self._name,
            src_dir_fd=self._directory_fd,
            dst_dir_fd=self._directory_fd,
        )

    def sync_name(self) -> list[Path]:
        """Have the name on disk; return the directories above whose new entries are not yet."""
        os.fsync(self._directory_fd)
        return self._grown

    def close(self) -> None:
        """Close what is open; the file stays as it is. May be called twice."""
        for fd in (self._fd, self._directory_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory_fd = -1

    def discard(self) -> None:
        """Close and remove `FILE.part`, whoever left it there, as far as the disk lets us."""
        self.close()
        with contextlib.suppress(OSError):
            (self._directory / self._part_name).unlink()

    def _open(self) -> None:
        self._make_directory()
        self._directory_fd = os.open(self._directory, _DIRECTORY)
        try:
            self._fd = self._create()
        except FileExistsError:
            # Left by a process that was stopped, or planted: either way not ours to write to.
            os.unlink(self._part_name, dir_fd=self._directory_fd)
            self._fd = self._create()

    def _create(self) -> int:
        return os.open(self._part_name, _CREATE, 0o600, dir_fd=self._directory_fd)

    def _make_directory(self) -> None:
        parent = self._directory.parent
        try:
            made = _make(self._directory)
        except FileNotFoundError:
            if _make(parent):
                self._grown.append(parent.parent)
            made = _make(self._directory)
        if made:
            self._grown.insert(0, parent)


def sync_directory(directory: Path) -> None:
    """Have a directory's entries on disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _make(directory: Path) -> bool:
    """Make a directory for its owner alone; say whether it had to be made."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True
