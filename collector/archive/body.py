"""Gathers a body, as it arrives, into pieces that are large enough for a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.answers import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Body:
    """Chunks of an archive, counted against what was promised.

    Args:
        chunks: as they come; they may end with a `Problem`.
        offset: where in the archive they begin.
        length: bytes of the whole archive, where the service said so.
        throttle: awaited with the size of each chunk.

    Attributes:
        ended: the last byte has come, and none is missing.
        problem: why no more comes, though bytes are missing; or too many came.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes | Problem],
        offset: int,
        length: int | None,
        throttle: Callable[[int], Awaitable[None]] | None,
    ) -> None:
        self.ended = False
        self.problem: Problem | None = None
        self._chunks = chunks
        self._length = length
        self._throttle = throttle
        self._received = offset
        self._rest = b""

    async def gather(self, wanted: int) -> list[bytes]:
        """Wait for so many bytes, or somewhat more; fewer where the body ends or breaks off."""
        gathered = [self._rest] if self._rest else []
        size = len(self._rest)
        self._rest = b""
        while size < wanted and not self.ended and self.problem is None:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._end()
            elif isinstance(chunk, Problem):
                self.problem = chunk
            else:
                self._received += len(chunk)
                if self._length is not None and self._received > self._length:
                    self.problem = Problem(
                        ProblemKind.INVALID_ARCHIVE,
                        f"more than the {self._length} bytes promised arrived",
                    )
                    break
                if self._throttle is not None:
                    await self._throttle(len(chunk))
                gathered.append(chunk)
                size += len(chunk)
        return gathered

    async def read_exactly(self, wanted: int) -> bytes:
        """Wait for just so many bytes; fewer where the body ends or breaks off."""
        read = b"".join(await self.gather(wanted))
        self._rest = read[wanted:]
        return read[:wanted]

    def _end(self) -> None:
        if self._length is not None and self._received < self._length:
            self.problem = Problem(
                ProblemKind.CUT, f"{self._received} of the {self._length} bytes promised arrived"
            )
        else:
            self.ended = True
