"""Writes an inventory: whole under its name, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector import files
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Iterable

PART: Final = ".part"


class UnwritableError(CollectorError):
    """An inventory cannot be written; what was there before is there still."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path = path
        why = error.strerror or type(error).__name__
        super().__init__(f"cannot write {path}: {why}; it is as it was before")


def save(path: Path, pieces: Iterable[str], *, replacing: bool) -> None:
    """Write a file that has its name only once it is whole and on disk.

    Args:
        path: of the file; through a link, what it leads to is replaced.
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
    unfinished = place.with_name(f".{place.name}{PART}")
    mode = place.stat().st_mode if replacing and place.exists() else None
    with contextlib.suppress(FileNotFoundError):
        files.remove(unfinished)
    descriptor = files.open_to_write(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            for piece in _blocks(pieces):
                files.write_all(descriptor, piece)
            files.sync(descriptor)
            if mode is not None:
                files.keep_private(descriptor, mode & 0o777)
        finally:
            os.close(descriptor)
        if not replacing and os.path.lexists(place):
            raise FileExistsError(17, "it exists already")  # noqa: TRY301  # said as any other
        files.rename(unfinished, place)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove(unfinished)
        raise
    files.sync_directory(place.parent)


def _blocks(pieces: Iterable[str], size: int = 1 << 20) -> Iterable[bytes]:
    """Yield the text in larger pieces."""
    block: list[str] = []
    length = 0
    for piece in pieces:
        block.append(piece)
        length += len(piece)
        if length >= size:
            yield "".join(block).encode()
            block, length = [], 0
    yield "".join(block).encode()
