"""All that changes a disk, and how a run's own files are read: the rooms that keep runs do it here.

So there is one place to record what a run does to its disk, and to let it fail. Files and
directories are made for their owner alone, whatever the umask.

A run's directory may come from anybody, so a name in it may belong to a link, a pipe or a device:
no link is followed here, nothing is waited for, and only regular files are read. Every function
blocks, and raises OSError as the system does.

Shares and sticks may have no permissions, no sync of a directory, no rename over another file: what
a run can do without is done without here. `keeps_private` and `can_sync` tell, so that a person
can be told.
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
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
)
"""How a file system says that it has no such thing."""
_NO_CHMOD = _UNSUPPORTED | {errno.EPERM, errno.EACCES}
_NO_DIRECTORY_SYNC = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
_NO_REPLACING = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EEXIST}


def open_to_write(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file that is to be changed, and make it where `flags` say so; return its descriptor.

    Args:
        path: of the file; a name, where `dir_fd` is given.
        flags: as of `os.open`; no link is followed in any case.
        dir_fd: the directory that the name is in.
    """
    descriptor = os.open(path, flags | _ALWAYS, 0o600, dir_fd=dir_fd)
    if flags & os.O_CREAT:
        keep_private(descriptor, 0o600)
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


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that has this name.

    Some file systems number a file anew whenever they look: then it is, if it has a name at all,
    and the other one has its size and its time.

    Raises:
        OSError: nothing has the name, or it cannot be looked at.
    """
    mine, named = os.fstat(descriptor), path.lstat()
    if os.path.samestat(mine, named):
        return True
    return mine.st_nlink > 0 and _look(mine) == _look(named)


def _look(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_mode, found.st_size, found.st_mtime_ns


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
    """Have a file, or a directory's entries, on disk; as far as the file system can do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if error.errno not in (_NO_DIRECTORY_SYNC if is_directory else _UNSUPPORTED):
            raise


def sync_data(descriptor: int) -> None:
    """Have a file's bytes and its size on disk; as far as the file system can do that.

    macOS has no fdatasync; its F_FULLFSYNC, which also empties the drive's cache, is too slow here.
    """
    if sys.platform == "darwin":
        sync(descriptor)
        return
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        sync(descriptor)


def can_sync(path: Path) -> bool:
    """Whether the names in a directory can be had on disk."""
    try:
        descriptor = os.open(path, DIRECTORY)
    except OSError:
        return False
    try:
        os.fsync(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def keep_private(file: Path | int, mode: int) -> None:
    """Let a file have the permissions of `mode`; as far as the file system has any."""
    if stat.S_IMODE(os.stat(file).st_mode) == mode:  # noqa: PTH116  # of a descriptor too
        return
    try:
        os.chmod(file, mode)  # noqa: PTH101  # as above
    except OSError as error:
        if error.errno not in _NO_CHMOD:
            raise


def keeps_private(path: Path) -> bool:
    """Whether nobody but its owner may enter a directory that was made here."""
    try:
        return not path.stat().st_mode & 0o077
    except OSError:
        return False  # as far as anybody knows


def truncate(descriptor: int, size: int) -> None:
    """Cut a file off."""
    os.ftruncate(descriptor, size)


def rename(old: Path | str, new: Path | str, *, dir_fd: int | None = None) -> None:
    """Give a file another name, in place of whatever file or link has it.

    Where the file system replaces nothing, what has the name goes first, if it is in the same
    directory: then it can only be removed where the other can be renamed, too.
    """
    try:
        os.rename(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError as error:
        apart = os.path.dirname(old) != os.path.dirname(new)  # noqa: PTH120  # of text or a path
        if error.errno not in _NO_REPLACING or apart:
            raise
        try:
            os.unlink(new, dir_fd=dir_fd)
        except OSError:
            raise error from None
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
    keep_private(path, 0o700)


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
