"""What a run does to its disk, written down in order: `collector.files` with an ear at it."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias

from collector import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    Data = bytes | bytearray | memoryview

CALLS = (
    "open_to_write",
    "write",
    "write_pieces",
    "sync",
    "sync_data",
    "truncate",
    "rename",
    "remove",
    "make_link",
    "make_directory",
)
"""All that reaches the disk; the other functions go through these."""

real = SimpleNamespace(**{name: getattr(files, name) for name in CALLS})

ROOT = 0
"""The number of the directory that all of it happens in."""


@dataclass(frozen=True, slots=True)
class Made:
    """A name for something new.

    Attributes:
        parent: the number of the directory.
        node: that of what is new.
        kind: `file`, `directory` or `link`.
        target: the link's.
    """

    parent: int
    name: str
    node: int
    kind: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Wrote:
    node: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    node: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file's bytes, or a directory's names."""

    node: int


@dataclass(frozen=True, slots=True)
class Renamed:
    parent: int
    name: str
    new_parent: int
    new_name: str


@dataclass(frozen=True, slots=True)
class Removed:
    parent: int
    name: str


Operation: TypeAlias = Made | Wrote | Cut | Synced | Renamed | Removed


@dataclass
class Recorder:
    """Does all that is asked of it, one after the other, and takes note of what succeeded.

    Attributes:
        home: the directory below which everything lies; what is there already is on disk.
        operations: what was done, in order; first, what makes what was there.
        before: how many of them do so.
    """

    home: Path
    operations: list[Operation] = field(default_factory=list)
    before: int = 0
    _nodes: dict[tuple[int, int], int] = field(default_factory=dict)
    _count: int = ROOT
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self._nodes[_identity(self.home.stat())] = ROOT
        for path in sorted(self.home.rglob("*")):
            self._take_in(path)
        self.operations += [Synced(node) for node in range(self._count + 1)]
        self.before = len(self.operations)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for name in CALLS:
            patch.setattr(files, name, getattr(self, name))

    def open_to_write(self, path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
        with self._turn:
            existed = _exists(path, dir_fd)
            descriptor: int = real.open_to_write(path, flags, dir_fd=dir_fd)
            if not existed:
                self._made(path, dir_fd, os.fstat(descriptor), "file")
            assert not flags & os.O_TRUNC  # would have to be written down
            return descriptor

    def write(self, descriptor: int, data: Data) -> int:
        with self._turn:
            count: int = real.write(descriptor, data)
            self._wrote(descriptor, bytes(data[:count]))
            return count

    def write_pieces(self, descriptor: int, pieces: Sequence[Data]) -> int:
        with self._turn:
            count: int = real.write_pieces(descriptor, pieces)
            self._wrote(descriptor, b"".join(pieces)[:count])
            return count

    def sync(self, descriptor: int) -> None:
        with self._turn:
            real.sync(descriptor)
            self.operations.append(Synced(self._of(descriptor)))

    def sync_data(self, descriptor: int) -> None:
        self.sync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        with self._turn:
            real.truncate(descriptor, size)
            self.operations.append(Cut(self._of(descriptor), size))

    def rename(self, old: Path | str, new: Path | str, *, dir_fd: int | None = None) -> None:
        with self._turn:
            real.rename(old, new, dir_fd=dir_fd)
            self.operations.append(
                Renamed(
                    self._parent(old, dir_fd), Path(old).name,
                    self._parent(new, dir_fd), Path(new).name,
                )
            )  # fmt: skip

    def remove(self, path: Path | str, *, dir_fd: int | None = None) -> None:
        with self._turn:
            real.remove(path, dir_fd=dir_fd)
            self.operations.append(Removed(self._parent(path, dir_fd), Path(path).name))

    def make_link(self, target: str, path: Path) -> None:
        with self._turn:
            real.make_link(target, path)
            self._made(path, None, path.lstat(), "link", target)

    def make_directory(self, path: Path) -> None:
        with self._turn:
            real.make_directory(path)
            self._made(path, None, path.stat(), "directory")

    def _take_in(self, path: Path) -> None:
        if path.is_symlink():
            self._made(path, None, path.lstat(), "link", str(path.readlink()))
        elif path.is_dir():
            self._made(path, None, path.stat(), "directory")
        else:
            self._made(path, None, path.stat(), "file")
            self.operations.append(Wrote(self._count, 0, path.read_bytes()))

    def _made(
        self,
        path: Path | str,
        dir_fd: int | None,
        found: os.stat_result,
        kind: str,
        target: str = "",
    ) -> None:
        self._count += 1
        self._nodes[_identity(found)] = self._count  # the system gives numbers away again
        self.operations.append(
            Made(self._parent(path, dir_fd), Path(path).name, self._count, kind, target)
        )

    def _wrote(self, descriptor: int, data: bytes) -> None:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) - len(data)
        self.operations.append(Wrote(self._of(descriptor), offset, data))

    def _of(self, descriptor: int) -> int:
        return self._nodes[_identity(os.fstat(descriptor))]

    def _parent(self, path: Path | str, dir_fd: int | None) -> int:
        found = Path(path).parent.stat() if dir_fd is None else os.fstat(dir_fd)
        assert stat.S_ISDIR(found.st_mode)
        return self._nodes[_identity(found)]


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _exists(path: Path | str, dir_fd: int | None) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
