"""Writes the file of an inventory: whole under its name, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector import files
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_CHARS: Final = 1 << 20
NAME_SHOWN: Final = 100
"""Characters of its name that the unfinished file has: the rest of what a name may have is its
own."""


class UnwritableError(CollectorError):
    """An inventory cannot be written; what was there before is there still.

    Attributes:
        path: of the file.
        why: what the system said.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        self.path = path
        self.why = error.strerror or type(error).__name__
        super().__init__(f"cannot write {path}: {self.why}; it is as it was before")


def save(path: Path, pieces: Iterable[str], *, replacing: bool) -> None:
    """Write a file that has its name only once it is whole and on disk.

    Args:
        path: of the file; through a link, what it leads to is written.
        pieces: its text.
        replacing: whether a file of that name is replaced, its permissions kept.

    Raises:
        UnwritableError: it cannot be written, or is there already and is not to be replaced.
    """
    try:
        place = Path(os.path.realpath(path))
        _save(place, pieces, replacing=replacing)
    except OSError as error:
        raise UnwritableError(path, error) from error


def _save(place: Path, pieces: Iterable[str], *, replacing: bool) -> None:
    mode = place.stat().st_mode if replacing and place.exists() else None
    descriptor, name = tempfile.mkstemp(
        dir=place.parent, prefix=f".{place.name[:NAME_SHOWN]}.", suffix=".part"
    )
    unfinished = Path(name)
    try:
        try:
            for piece in _blocks(pieces):
                files.write_all(descriptor, piece)
            files.sync(descriptor)
            if mode is not None:
                files.keep_private(descriptor, mode & 0o777)
        finally:
            os.close(descriptor)
        if replacing:
            files.rename(unfinished, place)
        else:
            _give_free_name(unfinished, place)
    finally:
        with contextlib.suppress(OSError):
            files.remove(unfinished)
    files.sync_directory(place.parent)


def _give_free_name(unfinished: Path, place: Path) -> None:
    """Give a file a name that nothing else has."""
    try:
        files.make_hard_link(unfinished, place)
    except OSError as error:
        # A file system without second names says so in many ways.
        if os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, "it exists already") from error
        files.rename(unfinished, place)


def _blocks(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield the text in larger pieces."""
    block: list[str] = []
    length = 0
    for piece in pieces:
        block.append(piece)
        length += len(piece)
        if length >= BLOCK_CHARS:
            yield "".join(block).encode()
            block, length = [], 0
    yield "".join(block).encode()
