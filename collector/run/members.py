"""`members.jsonl.gz`: what is inside a run's archives, a line for each member, to search later.

Each archive's lines are a whole gzip member, appended when the journal says that the archive is
stored. So the file may lag behind the journal and never leads it, like the manifest; and it can
always be made anew from the archives.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from collector.run.layout import MEMBERS, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_LINE_LIMIT = 64 << 10
"""A line holds a name and a path of at most some KiB each; more is no line of ours."""


class TornMembersError(ValueError):
    """The file ends within a line or a gzip member, or holds something else."""


class Members:
    """The file of one run, and what is about to be appended to it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / MEMBERS
        self._listings: list[bytes] = []

    def add(self, listing: bytes) -> None:
        """Remember the lines of an archive that the journal calls stored."""
        self._listings.append(listing)

    def take(self) -> list[bytes]:
        """Hand over what is to be appended next."""
        listings, self._listings = self._listings, []
        return listings

    def append(self, listings: Sequence[bytes]) -> None:
        """Append lines. For a worker thread.

        Raises:
            OSError: they cannot be written.
        """
        if listings:
            _write(self._path, _APPEND, listings)

    def agree(
        self, archives: Mapping[str, int], read_anew: Callable[[Path, str], bytes | None]
    ) -> None:
        """Have the file name the members of these archives and of no others. For a worker thread.

        An archive that is not listed as it should be is read once more.

        Args:
            archives: how many members each has, by its path in the run.
            read_anew: returns an archive's lines, given where it lies and its path in the run, and
                None where it cannot be read.

        Raises:
            OSError: the file cannot be read or written.
        """
        if not archives and not self._path.exists():
            return
        listed = Counter[str]()
        try:
            for path, _ in lines(self._path):
                listed[path] += 1
            torn = False
        except (FileNotFoundError, TornMembersError):
            torn = True
        if not torn and listed == Counter(archives):
            return
        right = {path for path, members in archives.items() if listed[path] == members}
        part = self._path.with_name(f"{MEMBERS}{UNFINISHED}")
        _write(part, _ANEW, self._anew(archives, right, read_anew))
        part.replace(self._path)

    def _anew(
        self,
        archives: Mapping[str, int],
        right: set[str],
        read_anew: Callable[[Path, str], bytes | None],
    ) -> Iterator[bytes]:
        """Yield all lines, packed: those that are right as they stand, the others read anew."""
        for path, line in _until_torn(self._path):
            if path in right:
                yield gzip.compress(line, compresslevel=1, mtime=0)
        for path in archives:
            if path not in right:
                listing = read_anew(self._directory / path, path)
                if listing is not None:
                    yield listing


def lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the archive that each line is about, and the line.

    Raises:
        TornMembersError: the file is not whole; what came before is.
        OSError: it cannot be read.
    """
    try:
        with gzip.open(path) as file:
            while line := file.readline(_LINE_LIMIT):
                yield json.loads(line)["archive"], line
    except FileNotFoundError:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError, KeyError, TypeError) as error:
        raise TornMembersError(str(error)) from error


def _until_torn(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield blocks of lines about one archive, as far as the file is whole."""
    about, block = "", b""
    try:
        for name, line in lines(path):
            if name != about or len(block) > _LINE_LIMIT:
                if block:
                    yield about, block
                about, block = name, b""
            block += line
    except (FileNotFoundError, TornMembersError):
        pass
    if block:
        yield about, block


def _write(path: Path, flags: int, pieces: Sequence[bytes] | Iterator[bytes]) -> None:
    with open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123  # of a descriptor
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())
