"""`members.jsonl.gz`: the members of a run's archives, one per line, to be searched later.

Each archive's lines are one gzip member, appended after the journal has recorded the archive as
stored. So, like the manifest, the file may lag behind the journal but never leads it; and it can
always be rebuilt from the archives.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import zlib
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import anyio

from collector import files, threads
from collector.archive.names import PART
from collector.errors import CollectorError
from collector.model.events import ArchiveStored
from collector.rundir.layout import MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from collector.model.events import Event

GATHERED_BYTES = 1 << 20
"""So many bytes are appended at once, without waiting for the next manifest."""

AGAIN_S = 5.0
"""How soon a failed append is retried."""

_LINE_LIMIT = 64 << 10
"""The longest line: a name and a path have at most some KiB each."""


_SPARE = 100_000
"""Lines that a resume reads about archives that the journal has since lost."""
_BLOCK = 4 << 10
_PIECE = 64 << 10


class TornMembersError(ValueError):
    """The file ends within a line or a gzip member, or has other content."""


class Members:
    """The file of one run, and what is waiting to be appended."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / MEMBERS
        self._stored: dict[int, bytes] = {}
        self._gathered: list[bytes] = []
        self._size = 0
        self._full = anyio.Event()
        self._turn = anyio.Lock()

    @property
    def is_full(self) -> bool:
        """Whether enough has gathered to be appended."""
        return self._size >= GATHERED_BYTES

    def hold(self, server: int, listing: bytes) -> None:
        """Keep the lines of a server's archive until the journal calls it stored."""
        self._stored[server] = listing

    def follow(self, event: Event) -> None:
        """Gather the lines of an archive that the journal has just called stored."""
        if isinstance(event, ArchiveStored) and (listing := self._stored.pop(event.server, None)):
            self.add(listing)

    def add(self, listing: bytes) -> None:
        """Gather the lines of an archive that the journal has recorded as stored."""
        self._gathered.append(listing)
        self._size += len(listing)
        if self.is_full:
            self._full.set()

    async def keep(self, on_failure: Callable[[CollectorError], None]) -> None:
        """Append whenever enough has gathered, until cancelled; what cannot be written is kept."""
        while True:
            await self._full.wait()
            try:
                await self.flush()
            except CollectorError as error:
                on_failure(error)
                await anyio.sleep(AGAIN_S)

    async def flush(self) -> None:
        """Append what has gathered. Cancellation loses nothing: lines are written or kept.

        Raises:
            CollectorError: it cannot be written; the file is as before, and nothing is lost.
        """
        async with self._turn:
            if not self._gathered:
                return
            with anyio.CancelScope(shield=True):
                listings, self._gathered, self._size = self._gathered, [], 0
                self._full = anyio.Event()
                try:
                    await threads.run_sync(partial(_append, self._path, listings))
                except OSError as error:
                    self._gathered[:0] = listings
                    self._size = sum(map(len, self._gathered))
                    if self.is_full:
                        self._full.set()
                    raise self._error(error) from error

    def reconcile(self, archives: Mapping[str, int]) -> list[str]:
        """Make the file hold the lines of exactly these archives. For a worker thread.

        It is replaced as a whole, and only if it holds anything else. Memory grows with the number
        of archives.

        Args:
            archives: how many members each has, by its path in the run.

        Returns:
            The archives whose lines are missing.

        Raises:
            CollectorError: the file cannot be read or written.
        """
        try:
            most = sum(archives.values()) + _SPARE
            listed, torn = count(self._path, most)
            right = {path for path, members in archives.items() if listed[path] == members}
            if torn or not right.issuperset(listed) or self._path.lstat().st_nlink > 1:
                self._keep_only(right, most)
        except FileNotFoundError:
            return list(archives)
        except OSError as error:
            raise self._error(error) from error
        return [path for path in archives if path not in right]

    def _keep_only(self, right: set[str], most: int) -> None:
        part = self._path.with_name(f"{MEMBERS}{PART}")
        with contextlib.suppress(FileNotFoundError):
            files.remove(part)
        descriptor = files.open_to_write(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            for block in _packed(self._path, right, most):
                files.write_all(descriptor, block)
            files.sync(descriptor)
        finally:
            os.close(descriptor)
        files.rename(part, self._path)
        files.sync_directory(self._path.parent)

    def _error(self, cause: OSError) -> CollectorError:
        return CollectorError(
            f"cannot update {self._path}: {cause.strerror}; the archives are not affected; free "
            "up space or fix the directory, and --resume the run if it has ended"
        )


def count(path: Path, most: float = math.inf) -> tuple[Counter[str], str | None]:
    """Count the lines about each archive, up to the first damage.

    Args:
        path: of the file.
        most: how many lines to read at most.

    Returns:
        How many lines there are for each archive's path; and what is wrong after them, if anything.

    Raises:
        OSError: it cannot be read.
    """
    listed = Counter[str]()
    try:
        for number, (archive, _) in enumerate(lines(path)):
            if number >= most:
                return listed, f"there is more after line {number}, but only one line per member"
            listed[archive] += 1
    except TornMembersError as error:
        return listed, str(error)
    return listed, None


def lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each line and the archive that it is about.

    Raises:
        TornMembersError: the file is damaged from here on; what came before is right.
        OSError: it cannot be read.
    """
    try:
        descriptor = files.open_to_read(path)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ELOOP):
            raise TornMembersError(error.strerror) from error
        raise
    rest = b""
    with open(descriptor, "rb") as packed:  # noqa: PTH123  # of a descriptor
        for piece in _unpacked(packed):
            *whole, rest = (rest + piece).splitlines(keepends=True) or [b""]
            if rest.endswith(b"\n"):
                whole, rest = [*whole, rest], b""
            if len(rest) > _LINE_LIMIT:
                raise TornMembersError("a line is unfinished")
            for line in whole:
                yield _about(line), line
    if rest:
        raise TornMembersError("a line is unfinished")


def _unpacked(packed: BinaryIO) -> Iterator[bytes]:
    """Inflate consecutive gzip members, a piece at a time, whatever the ratio."""
    unpacker = None
    while block := packed.read(_BLOCK):
        while block:
            unpacker = unpacker or zlib.decompressobj(wbits=31)
            try:
                yield unpacker.decompress(block, _PIECE)
            except zlib.error as error:
                raise TornMembersError(str(error)) from error
            block = unpacker.unconsumed_tail
            if unpacker.eof:
                block, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise TornMembersError("the gzip is truncated")


def _packed(path: Path, right: set[str], most: int) -> Iterator[bytes]:
    """Yield one gzip member with the lines about certain archives, piece by piece."""
    packer = zlib.compressobj(1, wbits=31)
    with contextlib.suppress(TornMembersError):
        for archive, line in islice(lines(path), most):
            if archive in right:
                yield packer.compress(line)
    yield packer.flush()


def _about(line: bytes) -> str:
    """Return the path of the archive that a line names."""
    try:
        archive = json.loads(line)["archive"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TornMembersError(f"a line is not a member of an archive: {error}") from error
    if not isinstance(archive, str) or not line.endswith(b"\n"):
        raise TornMembersError("a line is not a member of an archive")
    return archive


def _append(path: Path, listings: Sequence[bytes]) -> None:
    """Append all lines and sync them, or leave the file as it was."""
    descriptor = files.open_to_append(path)
    try:
        before = os.fstat(descriptor).st_size
        try:
            files.write_all(descriptor, b"".join(listings))
            files.sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                files.truncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
