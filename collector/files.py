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
import select
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Data = bytes | bytearray | memoryview

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
BLOCK_BYTES = 1 << 20
WRITER_WITHIN_S = 5.0
PIPE_WITHIN_S = 60.0
"""How long a pipe that a person has named is waited for: until somebody has it open to write, and
until its end. What a shell's `<(...)` makes has a writer from its beginning."""
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""No link is followed, and no pipe waited for."""
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY}
)
"""How a file system says that it has no such thing."""
_NO_CHMOD = _UNSUPPORTED | {errno.EPERM, errno.EACCES}
_NO_DIRECTORY_SYNC = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
_NO_REPLACING = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EEXIST}
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def open_to_write(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file that is to be changed, and make it where `flags` say so; return its descriptor.

    A file that is there keeps its mode: it is not changed by being opened.

    Args:
        path: of the file; a name, where `dir_fd` is given.
        flags: as of `os.open`; no link is followed in any case.
        dir_fd: the directory that the name is in.

    Raises:
        OSError: also as for `open_to_read`; EMLINK where the file has a second name, under which it
            would change as well; EPERM where it belongs to another user than its directory.
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
    """Open a file that is read and appended to, and make it where it is missing.

    One that has a second name becomes a copy first: what a backup or somebody else knows by that
    name stays as it is.

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
    """Open a file that is locked and never written to, and make it where it is missing."""
    # Opened for writing: NFS grants an exclusive lock only then.
    flags = os.O_RDWR | os.O_CREAT
    descriptor = _made(path, flags, dir_fd)
    return _open_regular(path, os.O_RDWR, dir_fd) if descriptor is None else descriptor


def open_to_read(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a regular file that is to be read; return its descriptor.

    Raises:
        OSError: also where it is a link (ELOOP) or no regular file (EINVAL).
    """
    return _open_regular(path, os.O_RDONLY, dir_fd)


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
    if not stays_beneath(path):
        raise OSError(errno.EINVAL, "not a path inside the directory", path)
    here = os.open(directory, DIRECTORY)
    try:
        for part in parents:
            above, here = here, open_directory(part, dir_fd=here)
            os.close(above)
        return open_to_read(name, dir_fd=here)
    finally:
        os.close(here)


def size_beneath(directory: Path, path: str) -> int | None:
    """Return the size of a regular file in the tree.

    Args:
        directory: the run's.
        path: relative to it, with slashes, as a journal or a manifest names it.

    Returns:
        Its bytes; None where there is no such file, or only through a link or outside the tree.
    """
    if not stays_beneath(path):
        return None
    *parents, name = path.split("/")
    try:
        for part in parents:
            directory /= part
            if not stat.S_ISDIR(directory.lstat().st_mode):
                return None
        found = (directory / name).lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def open_directory(path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a directory; return its descriptor.

    Raises:
        OSError: also where it is a link (ELOOP).
    """
    try:
        return os.open(path, DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    except NotADirectoryError:  # Linux says so of a link, too
        if stat.S_ISLNK(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path)) from None
        raise


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


def stays_beneath(path: str) -> bool:
    """Whether a path with slashes, as a file names it, leads to a place inside a directory."""
    if any(part in ("", ".", "..") or "\0" in part for part in path.split("/")):
        return False
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half a character, which no file's name holds
        return False
    return True


def read_input(path: Path | str, most: int) -> bytes:
    """Return what a file holds that a person has named: links and pipes are as good as files.

    A pipe that nobody writes to is given up after `WRITER_WITHIN_S`, and one that does not come to
    its end after `PIPE_WITHIN_S`.

    Args:
        path: of the file, the pipe or the device.
        most: bytes to read: one more is returned where there is more.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return b"".join(_pieces(descriptor, most + 1, str(path)))
    finally:
        os.close(descriptor)


def _pieces(descriptor: int, most: int, path: str) -> Iterator[bytes]:
    """Read up to so many bytes, and wait a while for what has not come yet."""
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    began_s, begun = time.monotonic(), False
    while most:
        try:
            piece = os.read(descriptor, min(most, BLOCK_BYTES))
        except BlockingIOError:  # somebody has it open to write
            begun, left_s = True, began_s + PIPE_WITHIN_S - time.monotonic()
            if left_s <= 0 or not _is_readable(descriptor, left_s):
                why = f"it has not come to its end within {PIPE_WITHIN_S:g} s"
                raise TimeoutError(errno.ETIMEDOUT, why, path) from None
            continue
        if piece:
            begun, most = True, most - len(piece)
            yield piece
        elif begun or not is_pipe:
            return
        elif time.monotonic() - began_s > WRITER_WITHIN_S:
            why = f"a pipe that nobody has written to within {WRITER_WITHIN_S:g} s"
            raise TimeoutError(errno.ETIMEDOUT, why, path)
        else:
            time.sleep(0.01)


def _is_readable(descriptor: int, within_s: float) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(within_s * 1000))


def _made(path: Path | str, flags: int, dir_fd: int | None) -> int | None:
    """Make a file for its owner alone; None where there is one, unless that is an error."""
    try:
        descriptor = os.open(path, flags | os.O_EXCL | _ALWAYS, 0o600, dir_fd=dir_fd)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return None
    keep_private(descriptor, 0o600)
    return descriptor


def _open_regular(path: Path | str, flags: int, dir_fd: int | None) -> int:
    # Looked at before, too: to open a device may do something.
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
    """See that to write to a file changes nothing elsewhere, and nobody else's."""
    found = os.fstat(descriptor)
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has a second name (a hard link)", str(path))
    if found.st_uid != os.geteuid():
        # On some network shares all belongs to one user, whoever has made it.
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
