"""What lies in a run's directory; links are seen, and never followed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in the tree that is no directory, or a directory that cannot be listed.

    Attributes:
        path: relative to the run's directory, with slashes.
        kind: `file`, `link`, `special` (a pipe, a socket, a device) or `unreadable`.
    """

    path: str
    kind: str


def walk(directory: Path, below: str = "") -> Iterator[Entry]:
    """List everything in the tree but directories, each directory's by name."""
    try:
        with os.scandir(directory / below) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield Entry(below or ".", "unreadable")
        return
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_symlink():
            yield Entry(path, "link")
        elif entry.is_dir(follow_symlinks=False):
            yield from walk(directory, path)
        else:
            yield Entry(path, "file" if entry.is_file(follow_symlinks=False) else "special")


def regular_size(directory: Path, path: str) -> int | None:
    """Return the size of a regular file in the tree.

    Args:
        directory: the run's.
        path: relative to it, with slashes, as a journal or a manifest names it.

    Returns:
        Its bytes; None where there is no such file, or only through a link or outside the tree.
    """
    *parents, name = path.split("/")
    if not all(part not in ("", ".", "..") and "\0" not in part for part in (*parents, name)):
        return None
    try:
        for part in parents:
            directory /= part
            if not stat.S_ISDIR(directory.lstat().st_mode):
                return None
        found = (directory / name).lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
