"""From the wire to a verified file: `store`."""

from __future__ import annotations

import errno
import hashlib
import os
from functools import partial
from typing import TYPE_CHECKING

from collector.archive.errors import ArchiveError
from collector.archive.part import PartFile
from collector.archive.reader import ArchiveReader
from collector.engine.answers import Problem, ProblemKind, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from collector.archive.workers import Steps, Workers

AT_ONCE_BYTES = 256 << 10
"""A body no larger is stored by one call of one thread: a hop costs as much as the work."""

PIECE_BYTES = 1 << 20
"""What a thread is given at a time of a larger one."""


async def store(
    chunks: AsyncIterator[bytes | Problem],
    directory: Path,
    file_name: str,
    *,
    length: int | None,
    throttle: Callable[[int], Awaitable[None]] | None,
    workers: Workers,
) -> Stored | Problem:
    """Store an archive under its name once every byte of it is verified and on disk.

    Until then it is `FILE.part`, which a problem removes and a cancellation leaves behind. The
    next chunk is asked for only when the last ones are written, so that a slow disk is felt by
    the sender. Memory is some MiB at most, whatever the archive's size.

    Args:
        chunks: the body; it may end with a `Problem`, which is then the answer.
        directory: where the file belongs; it is made where it is missing.
        file_name: what it shall be called: a safe name.
        length: the body's bytes, where the service said so.
        throttle: awaited with the size of each chunk, to keep to a ceiling of bytes a second.
        workers: the threads that write, hash and inflate.

    Returns:
        What was stored, or why nothing was: `CUT` where bytes are missing, or there are more than
        promised; `INVALID_ARCHIVE` where they are no whole archive; `DISK`.
    """
    body = _Body(chunks, length, throttle)
    writing = _Writing(PartFile(directory, file_name), length)
    answer: Stored | Problem | None = None
    wanted = AT_ONCE_BYTES + 1
    try:
        while answer is None:
            piece = await body.gather(wanted)
            wanted = PIECE_BYTES
            if isinstance(piece, Problem):
                await workers.run(writing.discard)
                answer = piece
            elif body.ended:
                answer = await workers.run_small(writing.finish(piece))
            else:
                answer = await workers.run(partial(writing.take, piece))
    finally:
        writing.close()
    return answer


class _Body:
    """Chunks as they arrive, gathered to pieces that are worth a thread's while."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes | Problem],
        length: int | None,
        throttle: Callable[[int], Awaitable[None]] | None,
    ) -> None:
        self.ended = False
        self._chunks = chunks
        self._length = length
        self._throttle = throttle
        self._received = 0

    async def gather(self, wanted: int) -> bytes | Problem:
        """Wait for so many bytes, or somewhat more; fewer at the end of the body."""
        gathered = []
        size = 0
        async for chunk in self._chunks:
            if isinstance(chunk, Problem):
                return chunk
            size += len(chunk)
            self._received += len(chunk)
            if self._length is not None and self._received > self._length:
                return Problem(
                    ProblemKind.CUT, f"more than the {self._length} bytes promised arrived"
                )
            if self._throttle is not None:
                await self._throttle(len(chunk))
            gathered.append(chunk)
            if size >= wanted:
                return b"".join(gathered)
        self.ended = True
        if self._length is not None and self._received < self._length:
            return Problem(
                ProblemKind.CUT, f"{self._received} of the {self._length} bytes promised arrived"
            )
        return b"".join(gathered)


class _Writing:
    """The work of the threads, one at a time: verify, hash and write."""

    def __init__(self, part: PartFile, length: int | None) -> None:
        self._part = part
        self._length = length
        self._reader = ArchiveReader()
        self._sha256 = hashlib.sha256()
        self._size = 0
        self.close = part.close
        self.discard = part.discard

    def take(self, piece: bytes) -> Problem | None:
        """Take a piece that is not the last."""
        try:
            self._reader.feed(piece)
            self._keep(piece)
        except (ArchiveError, OSError) as error:
            return self._problem(error)
        return None

    def finish(self, piece: bytes) -> Steps[Stored | Problem]:
        """Take the last piece, in steps that end where the disk would be waited for."""
        try:
            self._reader.feed(piece)
            # Before the write: of a small body that is no archive, nothing touches the disk.
            contents = self._reader.finish()
            self._keep(piece)
            yield []
            self._part.sync()
            yield []
            self._part.give_name()
            yield []
            yield self._part.sync_name()
            self._part.close()
        except (ArchiveError, OSError) as error:
            return self._problem(error)
        return Stored(
            file_name=self._part.path.name,
            bytes=self._size,
            sha256=self._sha256.hexdigest(),
            members=contents.members,
            oldest_s=contents.oldest_s,
            newest_s=contents.newest_s,
        )

    def _keep(self, piece: bytes) -> None:
        self._sha256.update(piece)
        self._size += len(piece)
        self._part.write(piece)

    def _problem(self, error: ArchiveError | OSError) -> Problem:
        self.discard()
        return self._invalid(error) if isinstance(error, ArchiveError) else self._unwritable(error)

    def _invalid(self, error: ArchiveError) -> Problem:
        if not error.unfinished:
            return Problem(ProblemKind.INVALID_ARCHIVE, str(error))
        if self._length is None:
            return Problem(ProblemKind.CUT, f"{error}; the service had not said how long it is")
        return Problem(
            ProblemKind.INVALID_ARCHIVE,
            f"{error}, though all {self._length} bytes promised arrived",
        )

    def _unwritable(self, error: OSError) -> Problem:
        number = error.errno or errno.EIO
        return Problem(
            ProblemKind.DISK,
            f"cannot write {self._part.path}: {os.strerror(number)}"
            f" ({errno.errorcode.get(number, number)})",
        )
