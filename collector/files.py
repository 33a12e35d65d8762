"""All that changes a disk, and how a run's own files are read: the rooms that keep runs do it here.

So there is one place to record what a run does to its disk, and to let it fail. Files and
directories are made for their owner alone, whatever the umask.

A run's directory may come from anybody, so a name in it may belong to a link, a pipe or a device:
no link is followed here, nothing is waited for, and only regular files are read. Every function
blocks, and raises OSError as the system does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Data = bytes | bytearray | memoryview

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
BLOCK_BYTES = 1 << 20
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


def open_to_read(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a regular file that is to be read; return its descriptor.

    Raises:
        OSError: also where it is a link (ELOOP) or no regular file (EINVAL).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _ALWAYS, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path)) from None
        if error.errno == errno.ENXIO:  # a socket, or a device that nothing is behind
            raise _not_regular(path) from None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _not_regular(path)


def read_within(path: Path | str, most: int, *, dir_fd: int | None = None) -> bytes:
    """Return a regular file's content.

    Args:
        path: of the file; a name, where `dir_fd` is given.
        most: bytes that it may have.
        dir_fd: the directory that the name is in.

    Raises:
        OSError: as for `open_to_read`; EFBIG where it is larger.
    """
    with open(open_to_read(path, dir_fd=dir_fd), "rb") as file:  # a descriptor has no path
        # A sparse file of terabytes is refused before it is read, and one that grows, after.
        if os.fstat(file.fileno()).st_size <= most and len(content := file.read(most + 1)) <= most:
            return content
    raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))


def open_beneath(directory: Path, path: str) -> int:
    """Open a regular file in a directory's tree to be read, by no link anywhere in its path.

    Args:
        directory: the tree's root, which may itself be reached by links.
        path: relative to it, with slashes, as a journal or a manifest names it.

    Raises:
        OSError: as for `open_to_read`; EINVAL where the path is not one that stays in the tree.
    """
    *parents, name = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in (*parents, name)):
        raise OSError(errno.EINVAL, "not a path inside the directory", path)
    here = os.open(directory, DIRECTORY)
    try:
        for part in parents:
            above, here = here, os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(above)
        return open_to_read(name, dir_fd=here)
    finally:
        os.close(here)


def _not_regular(path: Path | str) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))


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


def make_hard_link(old: Path, new: Path) -> None:
    """Give a file a second name.

    Raises:
        FileExistsError: something has that name.
    """
    os.link(old, new, follow_symlinks=False)


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
