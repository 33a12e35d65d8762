"""Files in a directory's tree that are reached by no link: the paths may come from anybody."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from collector import files

if TYPE_CHECKING:
    from pathlib import Path


def open_beneath(directory: Path, path: str) -> int:
    """Open a regular file in a directory's tree for reading, with no link anywhere in its path.

    Args:
        directory: the tree's root, which itself may be reached by links.
        path: relative to it, with slashes, as a journal or a manifest names it.

    Raises:
        OSError: as for `open_to_read`; EINVAL if the path leads out of the tree.
    """
    *parents, name = path.split("/")
    if not stays_beneath(path):
        raise OSError(errno.EINVAL, "not a path inside the directory", path)
    here = os.open(directory, files.DIRECTORY)
    try:
        for part in parents:
            above, here = here, files.open_directory(part, dir_fd=here)
            os.close(above)
        return files.open_to_read(name, dir_fd=here)
    finally:
        os.close(here)


def size_beneath(directory: Path, path: str) -> int | None:
    """Return the size of a regular file in a directory's tree.

    Args:
        directory: the tree's root.
        path: as for `open_beneath`.

    Returns:
        Its bytes; None if there is no such file, or only through a link or outside the tree.
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


def stays_beneath(path: str) -> bool:
    """Whether a relative path with slashes stays inside its directory."""
    if any(part in ("", ".", "..") or "\0" in part for part in path.split("/")):
        return False
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half a character, which no file name contains
        return False
    return True
