"""The tree of a run's directory; links are listed and never followed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in the tree that is not a directory, or a directory that cannot be listed.

    Attributes:
        path: relative to the run's directory, with slashes.
        kind: `file`, `link`, `special` (a pipe, a socket, a device) or `unreadable`.
    """

    path: str
    kind: str


def walk(directory: Path) -> Iterator[Entry]:
    """List everything in the tree but directories; within a directory, by name.

    A directory whose path is too long for the system counts as unreadable.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        deeper = []
        try:
            with os.scandir(directory / below) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield Entry(below or ".", "unreadable")
            continue
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            kind = _kind(entry)
            if kind == "directory":
                deeper.append(path)
            else:
                yield Entry(path, kind)
        waiting += reversed(deeper)


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_symlink():
            return "link"
        if entry.is_dir(follow_symlinks=False):
            return "directory"
        return "file" if entry.is_file(follow_symlinks=False) else "special"
    except OSError:  # some file systems do not give the type with the name
        return "unreadable"
