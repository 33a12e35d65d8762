"""Files of a run that are replaced as a whole: they have their names only once they are on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import files
from collector.archive.names import PART

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Replaced:
    """A file as it was written.

    Attributes:
        path: where it is.
        bytes: how many it has.
        sha256: of these, in hex.
    """

    path: Path
    bytes: int
    sha256: str


def replace(path: Path, pieces: Iterable[bytes], *, same_stays: bool = False) -> Replaced:
    """Write a file, 0600, in place of whatever file or link has its name.

    Args:
        path: where it shall be.
        pieces: what it shall hold. If making one of them fails, the file before stays.
        same_stays: if that is what is there already, that file stays, and whose it is.

    Raises:
        OSError: it cannot be written; the one before stays, and nothing of the new one.
    """
    try:
        return _replace(path, pieces, same_stays=same_stays)
    except BaseException:
        with contextlib.suppress(OSError):
            files.remove(path.with_name(path.name + PART))
        raise


def _replace(path: Path, pieces: Iterable[bytes], *, same_stays: bool) -> Replaced:
    digest, size = hashlib.sha256(), 0
    unfinished = path.with_name(path.name + PART)
    with contextlib.suppress(FileNotFoundError):
        files.remove(unfinished)
    descriptor = files.open_to_write(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        for data in pieces:
            digest.update(data)
            size += len(data)
            files.write_all(descriptor, data)
        if same_stays and _is_same(path, digest.hexdigest()):
            files.remove(unfinished)
            return Replaced(path, size, digest.hexdigest())
        files.sync(descriptor)
    finally:
        os.close(descriptor)
    files.rename(unfinished, path)
    files.sync_directory(path.parent)
    return Replaced(path, size, digest.hexdigest())


def _is_same(path: Path, sha256: str) -> bool:
    try:
        with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # a descriptor has no path
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
