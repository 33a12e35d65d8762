"""All that changes a disk: the rooms that keep archives and runs do it through here.

So there is one place to record what a run does to its disk, and to let it fail. Files and
directories are made for their owner alone, whatever the umask. Every function blocks, and raises
OSError as the system does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Data = bytes | bytearray | memoryview

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No link is followed, and no pipe waited for."""


def open_to_write(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file that is to be changed, and make it where `flags` say so; return its descriptor.

    Args:
        path: of the file; a name, where `dir_fd` is given.
        flags: as of `os.open`; no link is followed in any case.
        dir_fd: the directory that the name is in.
    """
    descriptor = os.open(path, flags | _ALWAYS, 0o600, dir_fd=dir_fd)
    if flags & os.O_CREAT:
        os.fchmod(descriptor, 0o600)
    return descriptor


def write(descriptor: int, data: Data) -> int:
    """Write some of the data; return how much."""
    return os.write(descriptor, data)


def write_pieces(descriptor: int, pieces: Sequence[Data]) -> int:
    """Write some of the pieces, at most as many as the system takes; return how many bytes."""
    return os.writev(descriptor, pieces)


def write_all(descriptor: int, data: Data) -> None:
    """Write all of the data."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(descriptor, rest) :]


def sync(descriptor: int) -> None:
    """Have a file, or a directory's entries, on disk."""
    os.fsync(descriptor)


def sync_data(descriptor: int) -> None:
    """Have a file's bytes and its size on disk.

    macOS has no fdatasync; its F_FULLFSYNC, which also empties the drive's cache, is too slow here.
    """
    if sys.platform == "darwin":
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


def truncate(descriptor: int, size: int) -> None:
    """Cut a file off."""
    os.ftruncate(descriptor, size)


def rename(old: Path | str, new: Path | str, *, dir_fd: int | None = None) -> None:
    """Give a file another name, in place of whatever has it."""
    os.rename(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def remove(path: Path | str, *, dir_fd: int | None = None) -> None:
    """Remove a file or a link."""
    os.unlink(path, dir_fd=dir_fd)


def make_link(target: str, path: Path) -> None:
    """Make a symbolic link."""
    path.symlink_to(target, target_is_directory=True)


def make_directory(path: Path) -> None:
    """Make a directory.

    Raises:
        FileExistsError: something has that name.
    """
    path.mkdir(mode=0o700)
    path.chmod(0o700)


def make_directories(path: Path) -> None:
    """Make a directory and those above it, as far as they are missing; others stay as they are."""
    missing, above = [], path
    while not above.exists():
        missing.append(above)
        above = above.parent
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was faster
            make_directory(directory)
    if not path.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def sync_directory(path: Path) -> None:
    """Have the names in a directory on disk, as `sync` has a file's bytes there."""
    descriptor = os.open(path, DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
