"""Everything that changes the disk, and how a run's own files are read.

All rooms that keep runs go through here, so that tests can record what a run does to its disk and
let each call fail. Files and directories are created for their owner only, whatever the umask.

A run's directory may come from anybody, so a name in it may be a link, a pipe or a device. No link
is followed, no pipe is waited for, and only regular files are read. Every function blocks, and
raises OSError as the system does.

Network shares and USB sticks may lack permissions, directory sync or atomic replacement: skipped.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Data = bytes | bytearray | memoryview

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
BLOCK_BYTES = 1 << 20
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No link is followed, and no pipe waited for."""
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
)
"""How a file system says that it does not support something."""
_NO_CHMOD = _UNSUPPORTED | {errno.EPERM, errno.EACCES}
_NO_DIRECTORY_SYNC = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
_NO_REPLACING = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EEXIST}
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def open_to_write(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file for changing, creating it if `flags` say so; return its descriptor.

    An existing file keeps its mode. As everywhere here, `path` is a name in the directory `dir_fd`,
    if that is given.

    Args:
        path: of the file.
        flags: for `os.open`; no link is followed in any case.
        dir_fd: the directory.

    Raises:
        OSError: as for `open_to_read`; also EMLINK if the file has a second name, under which it
            would change as well; EPERM if its owner is not that of its directory.
    """
    descriptor = _made(path, flags, dir_fd) if flags & os.O_CREAT else None
    if descriptor is not None:
        return descriptor
    descriptor = _open_regular(path, flags & ~os.O_CREAT, dir_fd)
    try:
        _check_alone(path, descriptor, dir_fd)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_to_append(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a file for reading and appending, creating it if it is missing.

    A file with a second name is copied first, so that what a backup or somebody else knows by that
    name does not change.

    Raises:
        OSError: as for `open_to_write`.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    try:
        return open_to_write(path, flags, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
    unfinished = f"{path}.part"
    with contextlib.suppress(FileNotFoundError):
        remove(unfinished, dir_fd=dir_fd)
    with (
        open(open_to_read(path, dir_fd=dir_fd), "rb") as old,
        open(open_to_write(unfinished, flags | os.O_EXCL, dir_fd=dir_fd), "wb") as new,
    ):
        while block := old.read(BLOCK_BYTES):
            write_all(new.fileno(), block)
        sync(new.fileno())
    rename(unfinished, path, dir_fd=dir_fd)
    return open_to_write(path, flags, dir_fd=dir_fd)


def open_to_lock(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a file to lock it, creating it if it is missing; it is never written to."""
    # Opened for writing, because NFS grants an exclusive lock only then.
    flags = os.O_RDWR | os.O_CREAT
    descriptor = _made(path, flags, dir_fd)
    return _open_regular(path, os.O_RDWR, dir_fd) if descriptor is None else descriptor


def lock(descriptor: int, within_s: float) -> bool:
    """Take a file's lock, which its process loses with the descriptor; return whether it was free.

    Meant for a worker thread. For locks that are held for an instant: it is tried for `within_s`.

    Raises:
        OSError: the file system has no locks.
    """
    until_s = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(0.001)
        else:
            return True


def open_to_read(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a regular file for reading; return its descriptor.

    Raises:
        OSError: also if it is a link (ELOOP) or not a regular file (EINVAL).
    """
    return _open_regular(path, os.O_RDONLY, dir_fd)


def read_within(path: Path | str, most: int, *, dir_fd: int | None = None) -> bytes:
    """Return a regular file's content; EFBIG if it has more than `most` bytes."""
    with open(open_to_read(path, dir_fd=dir_fd), "rb") as file:  # a descriptor has no path
        # A sparse file of terabytes is refused before it is read, a growing one afterwards.
        if os.fstat(file.fileno()).st_size <= most and len(content := file.read(most + 1)) <= most:
            return content
    raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))


def open_directory(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a directory; return its descriptor.

    Raises:
        OSError: also where it is a link (ELOOP).
    """
    try:
        return os.open(path, DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    except NotADirectoryError:  # Linux says so for a link, too
        if stat.S_ISLNK(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path)) from None
        raise


def _made(path: Path | str, flags: int, dir_fd: int | None) -> int | None:
    """Create a file for its owner only; None if it exists, unless that is an error."""
    try:
        descriptor = os.open(path, flags | os.O_EXCL | _ALWAYS, 0o600, dir_fd=dir_fd)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return None
    keep_private(descriptor, 0o600)
    return descriptor


def _open_regular(path: Path | str, flags: int, dir_fd: int | None) -> int:
    # Checked before opening as well, since opening a device may have effects.
    _check_regular(path, os.stat(path, dir_fd=dir_fd, follow_symlinks=False))
    descriptor = os.open(path, flags | _ALWAYS, dir_fd=dir_fd)
    try:
        _check_regular(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: Path | str, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "a link, which is not followed", str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a device")
        raise OSError(errno.EINVAL, f"{kind}, not a regular file", str(path))


def _check_alone(path: Path | str, descriptor: int, dir_fd: int | None) -> None:
    """Check that writing to a file changes no other file, and nobody else's."""
    found = os.fstat(descriptor)
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has a second name (a hard link)", str(path))
    if found.st_uid != os.geteuid():
        # On some network shares everything belongs to one user, whoever created it.
        above = Path(path).parent.stat() if dir_fd is None else os.fstat(dir_fd)
        if found.st_uid != above.st_uid:
            raise OSError(errno.EPERM, "it belongs to another user", str(path))


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
    """Flush a file, or a directory's entries, to disk, as far as the file system supports that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if error.errno not in (_NO_DIRECTORY_SYNC if is_directory else _UNSUPPORTED):
            raise


def sync_data(descriptor: int) -> None:
    """Flush a file's bytes and its size to disk, as far as the file system supports that.

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
    """Whether a directory's entries can be flushed to disk."""
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
    """Set a file's permissions, as far as the file system has any."""
    if stat.S_IMODE(os.stat(file).st_mode) == mode:  # noqa: PTH116  # of a descriptor too
        return
    try:
        os.chmod(file, mode)  # noqa: PTH101  # as above
    except OSError as error:
        if error.errno not in _NO_CHMOD:
            raise


def truncate(descriptor: int, size: int) -> None:
    """Truncate a file."""
    os.ftruncate(descriptor, size)


def rename(old: Path | str, new: Path | str, *, dir_fd: int | None = None) -> None:
    """Rename a file, replacing whatever file or link has the new name.

    If the file system cannot replace, the file with the new name is removed first, provided that it
    is in the same directory: there, one may be removed only where the other may be renamed.
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
    """Give a file a second name; FileExistsError if that is taken."""
    os.link(old, new, follow_symlinks=False)


def make_link(target: str, path: Path) -> None:
    """Make a symbolic link."""
    path.symlink_to(target, target_is_directory=True)


def make_directory(path: Path) -> None:
    """Create a directory; FileExistsError if the name is taken."""
    path.mkdir(mode=0o700)
    keep_private(path, 0o700)


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents; existing ones stay as they are."""
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
    """Flush a directory's entries to disk."""
    descriptor = os.open(path, DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
