"""What a disk may hold after a crash: what was synced is there, and the rest as it pleases."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tests.support.crash.recording import ROOT, Cut, Made, Removed, Renamed, Synced, Wrote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.support.crash.recording import Operation


@dataclass
class File:
    """A file's bytes; of these, the first `stable` are as they were synced."""

    content: bytearray = field(default_factory=bytearray)
    stable: int = 0
    synced: bytes = b""


@dataclass
class Directory:
    names: dict[str, int] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    target: str


Picture: TypeAlias = "dict[str, bytes | Link | None]"
"""What lies where, below the root; None is a directory."""


class Disk:
    """The files and names after some operations, and which of them are synced."""

    def __init__(self) -> None:
        self._nodes: dict[int, File | Directory | Link] = {ROOT: Directory()}

    def apply(self, operation: Operation) -> None:
        match operation:
            case Made(kind=kind):
                made = {"file": File, "directory": Directory}.get(kind)
                node = made() if made is not None else Link(operation.target)
                self._nodes[operation.node] = node
                self._directory(operation.parent).names[operation.name] = operation.node
            case Wrote(offset=offset, data=data):
                file = self._file(operation.node)
                file.content[offset : offset + len(data)] = data
                file.stable = min(file.stable, offset)
            case Cut(size=size):
                file = self._file(operation.node)
                del file.content[size:]
                file.stable = min(file.stable, size)
            case Synced(node=number):
                self._sync(self._nodes[number])
            case Renamed():
                moved = self._directory(operation.parent).names.pop(operation.name)
                self._directory(operation.new_parent).names[operation.new_name] = moved
            case Removed():
                del self._directory(operation.parent).names[operation.name]

    def everything(self) -> Picture:
        """A kill alone: the system has all of it."""
        return self._picture(self._names, lambda file: bytes(file.content))

    def nothing_unsynced(self) -> Picture:
        """A power cut on a disk that writes at the last moment."""
        return self._picture(lambda directory: directory.synced, lambda file: file.synced)

    def zeros(self) -> Picture:
        """Names and sizes reached the disk, and bytes did not."""
        return self._picture(
            self._names,
            lambda file: bytes(file.content[: file.stable]).ljust(len(file.content), b"\0"),
        )

    def torn(self) -> Picture:
        """Half of the unsynced bytes reached the disk; beyond lies what lay there before."""
        rng = random.Random(len(self._nodes))  # noqa: S311  # repeatable, no secret

        def content(file: File) -> bytes:
            half = (file.stable + len(file.content)) // 2
            rest = len(file.content) - half
            beyond = b"\n" + rng.randbytes(rest - 1) if rest and rng.random() < 0.5 else bytes(rest)
            return bytes(file.content[:half]) + beyond

        return self._picture(self._names, content)

    @staticmethod
    def _names(directory: Directory) -> dict[str, int]:
        return directory.names

    def _picture(
        self,
        names: Callable[[Directory], dict[str, int]],
        content: Callable[[File], bytes],
    ) -> Picture:
        return dict(self._walk("", self._directory(ROOT), names, content))

    def _walk(
        self,
        path: str,
        directory: Directory,
        names: Callable[[Directory], dict[str, int]],
        content: Callable[[File], bytes],
    ) -> Iterator[tuple[str, bytes | Link | None]]:
        for name, number in names(directory).items():
            node, below = self._nodes[number], f"{path}{name}"
            if isinstance(node, Directory):
                yield below, None
                yield from self._walk(f"{below}/", node, names, content)
            else:
                yield below, content(node) if isinstance(node, File) else node

    @staticmethod
    def _sync(node: File | Directory | Link) -> None:
        if isinstance(node, File):
            node.synced = bytes(node.content)
            node.stable = len(node.content)
        elif isinstance(node, Directory):
            node.synced = dict(node.names)

    def _file(self, number: int) -> File:
        node = self._nodes[number]
        assert isinstance(node, File)
        return node

    def _directory(self, number: int) -> Directory:
        node = self._nodes[number]
        assert isinstance(node, Directory)
        return node


@dataclass(frozen=True)
class Crash:
    """A disk as a crash may leave it.

    Attributes:
        after: how many operations had been done.
        disk: which of the four it is.
    """

    after: int
    disk: str
    picture: Picture

    def __str__(self) -> str:
        return f"after {self.after} operations, {self.disk}"


def crashes(operations: Iterable[Operation], before: int) -> Iterator[Crash]:
    """Yield each of the four disks after each operation, but the first ones."""
    disk = Disk()
    for after, operation in enumerate(operations, 1):
        disk.apply(operation)
        if after <= before:
            continue
        for kind in (disk.everything, disk.nothing_unsynced, disk.zeros, disk.torn):
            yield Crash(after, kind.__name__.replace("_", " "), kind())


def distinct(found: Iterable[Crash]) -> Iterator[Crash]:
    """Yield those that no other one is like."""
    seen: set[int] = set()
    for crash in found:
        digest = hash(tuple(crash.picture.items()))
        if digest not in seen:
            seen.add(digest)
            yield crash


def put(picture: Picture, home: Path) -> None:
    """Have a disk's files below a directory, which is made."""
    home.mkdir()
    for name, what in picture.items():
        path = home / name
        if what is None:
            path.mkdir(mode=0o700)
        elif isinstance(what, Link):
            path.symlink_to(what.target)
        else:
            path.write_bytes(what)
            path.chmod(0o600)
