"""From the wire to a verified file: `ArchiveStore.store`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from collector.archive.body import Body
from collector.archive.incoming import ArchivePolicy, StagedArchive
from collector.archive.space import AHEAD_BYTES, Space, mount_point
from collector.archive.workers import Workers, at_once
from collector.model.answers import Problem, ProblemKind, Stored
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from collector.model.answers import Checksum

AT_ONCE_BYTES = 256 << 10
"""A body no larger is stored by one call of one thread: a hop costs as much as the work."""

PIECE_BYTES = 512 << 10
"""What two threads are given at a time of a larger one, while the next is on its way."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """An archive as it comes from the wire.

    Attributes:
        chunks: the body, from `offset` on; it may end with a `Problem`.
        length: bytes of the whole archive, where the service said so.
        file_name: what it shall be called: a safe name.
        offset: where the first chunk begins: no later than what is here ends.
        checksums: of the whole archive, to be compared.
    """

    chunks: AsyncIterator[bytes | Problem]
    length: int | None
    file_name: str
    offset: int = 0
    checksums: tuple[Checksum, ...] = ()


class ArchiveStore:
    """Where the archives of a run are put, each once every byte of it is verified.

    Memory is a few pieces for each archive on its way, whatever its size.

    Args:
        directory: the run's.
        care: how archives are treated.
        throttle: awaited with the size of each chunk, to keep to a ceiling of bytes a second.
        workers: the threads that write, hash and inflate.
    """

    def __init__(
        self,
        directory: Path,
        care: ArchivePolicy | None = None,
        *,
        throttle: Callable[[int], Awaitable[None]] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.care = care or ArchivePolicy()
        self.throttle = throttle
        self.workers = workers or Workers()
        self.space = Space(directory)
        self._directory = directory

    def place(self, directory: str, file_name: str) -> StagedArchive:
        """Return a place for an archive that is about to come.

        Args:
            directory: the server's, relative to the run's.
            file_name: what the file shall be called: a safe name.
        """
        return StagedArchive(self._directory / directory, file_name, directory, self.care)

    async def take_up(self, incoming: StagedArchive) -> int:
        """Read anew what an earlier try has left of an archive; return its bytes."""
        return await self.workers.run(incoming.take_up)

    async def settle(self, incoming: StagedArchive, problem: Problem) -> Problem:
        """Leave behind what a problem asks for: nothing, or a part to go on from; return it."""
        return await self.workers.run(partial(incoming.settle, problem))

    async def give_up(self, incoming: StagedArchive) -> None:
        """Let go of what is here of an archive that is not tried again."""
        await self.workers.run(incoming.give_up)

    async def store(
        self,
        arriving: Arriving,
        incoming: StagedArchive,
        *,
        on_begun: Callable[[], None] | None = None,
    ) -> Stored | Problem:
        """Store an archive under its name once every byte of it is verified.

        Until then it is `FILE.part`, which a cut or a cancellation leaves to be gone on with, and
        any other problem removes. The next piece is asked for while the last is worked on, and
        no further one: a slow disk is felt by the sender.

        Args:
            arriving: what comes.
            incoming: where it goes.
            on_begun: called once something is to be written before all of it is here.

        Returns:
            What was stored, or why nothing was: `CUT` where bytes are missing; `CHANGED` where
            they do not go on from what is here; `INVALID_ARCHIVE` where they are no whole archive,
            or more than promised; `TOO_LARGE`; `FILE_REFUSED`; `DISK`.
        """
        storing = _Storing(self, arriving, incoming, on_begun)
        try:
            return await storing.run()
        finally:
            storing.release()
            incoming.close()


class _Storing:
    """One archive's storing, from its first byte to its last."""

    def __init__(
        self,
        shelf: ArchiveStore,
        arriving: Arriving,
        incoming: StagedArchive,
        on_begun: Callable[[], None] | None,
    ) -> None:
        self._shelf = shelf
        self._arriving = arriving
        self._incoming = incoming
        self._on_begun = on_begun
        self._body = Body(arriving.chunks, arriving.offset, arriving.length, shelf.throttle)
        self._promised = 0
        self._room = 0  # bytes of the archive that there is room for

    async def run(self) -> Stored | Problem:
        arriving, incoming = self._arriving, self._incoming
        allowed = self._shelf.care.limits.unpacked
        if arriving.length is not None and arriving.length > allowed:
            return await self._settle(_too_long(arriving.length, allowed))
        problem = await self._go_on() if arriving.offset else await self._begin()
        if problem is not None:
            return await self._settle(problem)
        incoming.expect(arriving.length, arriving.checksums)
        pieces = await self._body.gather(AT_ONCE_BYTES + 1)
        if self._body.ended and not incoming.tried:
            return await self._shelf.workers.run_small(incoming.finish(pieces))
        return await self._run_large(pieces)

    async def _begin(self) -> Problem | None:
        incoming, name = self._incoming, self._arriving.file_name
        if incoming.tried:
            await self._shelf.workers.run(partial(incoming.begin_anew, name))
        return None

    async def _go_on(self) -> Problem | None:
        """See that what comes goes on from what is here."""
        offset, here = self._arriving.offset, self._incoming.size
        overlap = await self._body.take(here - offset)
        if self._body.problem is not None:
            return self._body.problem
        same = partial(self._incoming.continues, offset, overlap)
        if len(overlap) == here - offset and await self._shelf.workers.run(same):
            return None
        return Problem(
            ProblemKind.CHANGED,
            f"the archive is not the one whose first {here} bytes are here; it is fetched anew",
        )

    async def _run_large(self, pieces: Sequence[bytes]) -> Stored | Problem:
        incoming, body = self._incoming, self._body
        if self._on_begun is not None and (pieces or incoming.size):
            self._on_begun()
        while not body.ended and body.problem is None:
            problem = await self._claim(incoming.size + sum(map(len, pieces)))
            if problem is None:
                pieces, problem = await self._work_and_gather(pieces)
            if problem is not None:
                return await self._settle(problem)
        if body.problem is not None:
            problem = (
                await self._shelf.workers.run(partial(incoming.keep, pieces)) if pieces else None
            )
            return await self._settle(problem or body.problem)
        steps = incoming.finish(pieces)
        if self._shelf.care.durable:
            return await self._shelf.workers.run_small(steps)  # syncs are cheaper together
        return await self._shelf.workers.run(partial(at_once, steps))

    async def _work_and_gather(
        self, pieces: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Problem | None]:
        """Verify pieces and write them, both at once, while the next ones come."""
        problems: list[Problem | None] = []

        async def work(step: Callable[[Sequence[bytes]], Problem | None]) -> None:
            problems.append(await self._shelf.workers.run(partial(step, pieces)))

        async with anyio.create_task_group() as tasks:
            if self._shelf.workers.crowded:
                tasks.start_soon(work, self._incoming.take)
            else:
                tasks.start_soon(work, self._incoming.read)
                tasks.start_soon(work, self._incoming.keep)
            following = await self._body.gather(PIECE_BYTES)
        self._written(sum(map(len, pieces)))
        return following, next(filter(None, problems), None)

    async def _claim(self, here: int) -> Problem | None:
        """Have room on the disk before it is needed.

        Args:
            here: bytes that are written, or in memory.
        """
        if here <= self._room:
            return None
        length = self._arriving.length
        room = length if length is not None else here + AHEAD_BYTES
        needed = room - self._incoming.size - self._promised
        try:
            free = await self._shelf.workers.run(self._shelf.space.free)
        except OSError:
            return None  # a disk that cannot be asked says at the first write what ails it
        left = self._shelf.space.claim(needed, free)
        if left is None:
            self._promised += needed
            self._room = room
            return None
        path = self._incoming.path
        return Problem(
            ProblemKind.DISK,
            f"no room for {path} on the disk at {mount_point(path.parent)}: it needs "
            f"{size(needed)} more, and {size(left)} are left",
        )

    def _written(self, count: int) -> None:
        """What is written needs no promise any more: the disk itself has it."""
        kept = min(count, self._promised)
        self._promised -= kept
        self._shelf.space.release(kept)

    async def _settle(self, problem: Problem) -> Problem:
        return await self._shelf.settle(self._incoming, problem)

    def release(self) -> None:
        """Let go of the room that was promised."""
        self._written(self._promised)


def _too_long(length: int, allowed: int) -> Problem:
    return Problem(
        ProblemKind.TOO_LARGE,
        f"the service announces {size(length)}, more than the {size(allowed)} that --max-unpacked "
        "allows",
    )
