"""Files around a run, put down anew for each command, and what a command has changed of them."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LARGEST_READ: Final = 8 << 20
"""Larger files are compared by their size."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What stands where a file should.

    Attributes:
        kind: what it is. `link` is a symbolic one, `hard` another name of a file.
        target: of a link: of a symbolic one as it stands there, else relative to the stage.
    """

    kind: Literal["fifo", "directory", "socket", "link", "hard"]
    target: str = ""


@dataclass(frozen=True, slots=True)
class Huge:
    """A file that is too large to hold it: a hole between two ends, or `filler` again and again."""

    first: bytes
    size: int
    last: bytes = b""
    filler: bytes = b""


Content = bytes | Thing | Huge
Tree = dict[str, Content]
"""Files by their paths, with slashes."""


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return the mode of all below a directory, and the bytes of files."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in directory.rglob("*")
    }


class Stage:
    """A directory in which all that a test plays with lies.

    Args:
        root: the directory; it is made, and made anew.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before: dict[str, object] = {}

    def set(self, tree: Mapping[str, Content]) -> None:
        """Put these files down, and nothing else."""
        shutil.rmtree(self.root, ignore_errors=True)
        os.umask(0o077)  # as the command makes them: a key that others can read is none
        made = set()
        later = []
        for name, content in tree.items():
            place = f"{self.root}/{name}"
            if (parent := place.rpartition("/")[0]) not in made:
                os.makedirs(parent, 0o700, exist_ok=True)  # noqa: PTH103  # thousands of them
                made.add(parent)
            if isinstance(content, bytes):
                with open(place, "wb") as file:  # noqa: PTH123  # as above
                    file.write(content)
            elif isinstance(content, Huge):
                _fill(place, content)
            else:
                later.append((place, content))
        for place, thing in later:
            self._make(place, thing)
        self._before = self._snapshot()

    def note(self) -> None:
        """Take what is there now for what was put down."""
        self._before = self._snapshot()

    def content(self) -> Tree:
        """Return all files, as `set` takes them."""
        return {
            name: found
            for name, found in self._snapshot().items()
            if isinstance(found, bytes | Thing)
        }

    def changed(self, *spared: str) -> list[str]:
        """Name what is not as it was put down, but for these paths and what lies below them."""
        after = self._snapshot()
        return [
            f"{name}: {_told(self._before.get(name))} before, {_told(after.get(name))} now"
            for name in sorted(self._before.keys() | after.keys())
            if self._before.get(name) != after.get(name)
            and not f"{name}/".startswith(tuple(f"{one.rstrip('/')}/" for one in spared))
        ]

    def holding(self, *secrets: bytes) -> list[str]:
        """Name the files that hold a secret, but for those that were put down with it."""
        return [
            name
            for name, found in self._snapshot().items()
            if isinstance(found, bytes)
            and any(secret in found for secret in secrets)
            and self._before.get(name) != found
        ]

    def _make(self, place: str, thing: Thing) -> None:
        match thing.kind:
            case "fifo":
                os.mkfifo(place)
            case "directory":
                os.mkdir(place)  # noqa: PTH102  # thousands of them
            case "socket":
                # A socket's path may have a hundred characters or so.
                there = os.open(os.path.dirname(place), os.O_RDONLY)  # noqa: PTH120  # as above
                here = os.open(".", os.O_RDONLY)
                os.fchdir(there)
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(os.path.basename(place))  # noqa: PTH119  # as above
                os.fchdir(here)
                os.close(here)
                os.close(there)
            case "link":
                os.symlink(thing.target, place)  # noqa: PTH211  # as above
            case "hard":
                os.link(f"{self.root}/{thing.target}", place)

    def _snapshot(self) -> dict[str, object]:
        start = len(str(self.root)) + 1
        return {path[start:]: found for path, found in _found(str(self.root))}


def _found(directory: str) -> Iterator[tuple[str, object]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                if status.st_size > LARGEST_READ:
                    yield entry.path, status.st_size
                else:
                    with open(entry.path, "rb") as file:  # noqa: PTH123  # thousands of them
                        yield entry.path, file.read()
            elif entry.is_symlink():
                yield entry.path, Thing("link", os.readlink(entry.path))  # noqa: PTH115  # as above
            else:
                yield entry.path, stat.filemode(status.st_mode)
                if entry.is_dir(follow_symlinks=False):
                    yield from _found(entry.path)


def _fill(place: str, huge: Huge) -> None:
    with open(place, "wb") as file:  # noqa: PTH123  # as above
        file.write(huge.first)
        if huge.filler:
            rest = huge.size
            while rest > 0:
                rest -= file.write(huge.filler[:rest])
        else:
            file.truncate(len(huge.first) + huge.size)
            file.seek(0, os.SEEK_END)
        file.write(huge.last)


def _told(found: object) -> str:
    if isinstance(found, bytes):
        return f"{len(found)} bytes"
    return "nothing" if found is None else f"{found}"
