"""From the wire to a verified archive: `ArchiveStore.store`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from collector.archive.body import Body
from collector.archive.problems import changed, no_room, too_long
from collector.archive.staged import ArchivePolicy, StagedArchive, keep_rejected
from collector.archive.workers import Workers, at_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from collector.archive.destination import Destination
    from collector.archive.format import ArchiveFormat
    from collector.model.answers import Checksum, Problem, Stored

AT_ONCE_BYTES = 256 << 10
"""A body no larger is stored by one call of one thread: a hop costs as much as the work."""

PIECE_BYTES = 512 << 10
"""What two threads are given at a time of a larger one, while the next is on its way."""


AHEAD_BYTES = 64 << 20
"""Room that a download of unknown length asks for at a time."""


@dataclass(frozen=True, slots=True)
class ArchiveStream:
    """An archive as it comes from the wire.

    Attributes:
        chunks: the body, from `offset` on; it may end with a `Problem`.
        length: bytes of the whole archive, where the service said so.
        file_name: what it shall be called: a safe name.
        offset: where the first chunk begins: no later than what is staged ends.
        checksums: of the whole archive, to be compared.
    """

    chunks: AsyncIterator[bytes | Problem]
    length: int | None
    file_name: str
    offset: int = 0
    checksums: tuple[Checksum, ...] = ()


class ArchiveStore:
    """Puts the archives of a run where they belong, each once every byte of it is verified.

    Memory is a few pieces for each archive on its way, whatever its size.

    Args:
        destination: where they belong.
        policy: how archives are treated.
        throttle: awaited with the size of each chunk, to keep to a ceiling of bytes a second.
        workers: the threads that write, hash and inflate.
    """

    def __init__(
        self,
        destination: Destination,
        policy: ArchivePolicy | None = None,
        *,
        throttle: Callable[[int], Awaitable[None]] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.destination = destination
        self.policy = policy or ArchivePolicy()
        self.throttle = throttle
        self.workers = workers or Workers()
        self.space = _Space()

    def stage(self, directory: str, file_name: str, archive_format: ArchiveFormat) -> StagedArchive:
        """Return a place for an archive that is about to come.

        Args:
            directory: the server's, in the run.
            file_name: what it shall be called: a safe name.
            archive_format: what it is packed as.
        """
        return StagedArchive(self.destination, directory, file_name, archive_format, self.policy)

    async def resume(self, staged: StagedArchive) -> int:
        """Read back what an earlier try has left of an archive; return its bytes."""
        return await self.workers.run(staged.resume)

    async def clean_up(self, staged: StagedArchive, problem: Problem) -> Problem:
        """Leave what a problem asks for: nothing, or bytes to continue from; return it."""
        return await self.workers.run(partial(staged.clean_up, problem))

    async def discard(self, directory: str, file_name: str) -> None:
        """Remove what is left of an archive that is not tried again, or keep it as rejected."""
        await self.workers.run(partial(self._discard, f"{directory}/{file_name}"))

    def _discard(self, path: str) -> None:
        file = self.destination.stage(path)
        if self.policy.keep_rejected and file.resume():
            keep_rejected(file, path)
        else:
            file.discard()

    async def store(
        self,
        stream: ArchiveStream,
        staged: StagedArchive,
        *,
        on_begun: Callable[[], None] | None = None,
    ) -> Stored | Problem:
        """Store an archive under its path once every byte of it is verified.

        Until then it is staged, which a cut or a cancellation leaves to be continued, and
        any other problem removes. The next piece is asked for while the last is worked on, and
        no further one: a slow disk is felt by the sender.

        Args:
            stream: what comes.
            staged: where it goes.
            on_begun: called once something is to be written before all of it is here.

        Returns:
            What was stored, or why nothing was: `CUT` where bytes are missing; `CHANGED` where
            they do not continue what is staged; `INVALID_ARCHIVE` where they are no whole archive,
            or more than promised; `TOO_LARGE`; `FILE_REFUSED`; `DISK`.
        """
        storing = _Storing(self, stream, staged, on_begun)
        try:
            return await storing.run()
        finally:
            storing.release()
            staged.close()


class _Storing:
    """One archive's storing, from its first byte to its last."""

    def __init__(
        self,
        store: ArchiveStore,
        stream: ArchiveStream,
        staged: StagedArchive,
        on_begun: Callable[[], None] | None,
    ) -> None:
        self._store = store
        self._stream = stream
        self._staged = staged
        self._on_begun = on_begun
        self._body = Body(stream.chunks, stream.offset, stream.length, store.throttle)
        self._reserved = 0
        self._room = 0  # bytes of the archive that there is room for

    async def run(self) -> Stored | Problem:
        stream, staged = self._stream, self._staged
        allowed = self._store.policy.limits.unpacked
        if stream.length is not None and stream.length > allowed:
            return await self._clean_up(too_long(stream.length, allowed))
        problem = await self._continue() if stream.offset else await self._begin()
        if problem is not None:
            return await self._clean_up(problem)
        staged.expect(stream.length, stream.checksums)
        pieces = await self._body.gather(AT_ONCE_BYTES + 1)
        if self._body.ended and not staged.resumed:
            return await self._store.workers.run_small(staged.finish(pieces))
        return await self._run_large(pieces)

    async def _begin(self) -> Problem | None:
        staged, name = self._staged, self._stream.file_name
        if staged.resumed:
            await self._store.workers.run(partial(staged.restart, name))
        return None

    async def _continue(self) -> Problem | None:
        """See that what comes continues what is staged."""
        offset, here = self._stream.offset, self._staged.size
        overlap = await self._body.read_exactly(here - offset)
        if self._body.problem is not None:
            return self._body.problem
        same = partial(self._staged.matches, offset, overlap)
        if len(overlap) == here - offset and await self._store.workers.run(same):
            return None
        return changed(here)

    async def _run_large(self, pieces: Sequence[bytes]) -> Stored | Problem:
        staged, body, workers = self._staged, self._body, self._store.workers
        if self._on_begun is not None and (pieces or staged.size):
            self._on_begun()
        while not body.ended and body.problem is None:
            problem = await self._reserve(staged.size + sum(map(len, pieces)))
            if problem is None:
                pieces, problem = await self._work_and_gather(pieces)
            if problem is not None:
                return await self._clean_up(problem)
        if body.problem is not None:
            problem = await workers.run(partial(staged.write, pieces)) if pieces else None
            return await self._clean_up(problem or body.problem)
        steps = staged.finish(pieces)
        if self._store.policy.durable:
            return await workers.run_small(steps)  # syncs are cheaper together
        return await workers.run(partial(at_once, steps))

    async def _work_and_gather(
        self, pieces: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Problem | None]:
        """Verify pieces and write them, both at once, while the next ones come."""
        staged, workers = self._staged, self._store.workers
        problems: list[Problem | None] = []

        async def work(step: Callable[[Sequence[bytes]], Problem | None]) -> None:
            problems.append(await workers.run(partial(step, pieces)))

        async with anyio.create_task_group() as tasks:
            if workers.are_busy:
                tasks.start_soon(work, staged.verify_and_write)
            else:
                tasks.start_soon(work, staged.verify)
                tasks.start_soon(work, staged.write)
            following = await self._body.gather(PIECE_BYTES)
        self._release(sum(map(len, pieces)))
        return following, next(filter(None, problems), None)

    async def _reserve(self, here: int) -> Problem | None:
        """Have room at the destination before it is needed.

        Args:
            here: bytes that are written, or in memory.
        """
        if here <= self._room:
            return None
        store, staged, length = self._store, self._staged, self._stream.length
        wanted = length if length is not None else here + AHEAD_BYTES
        needed = wanted - staged.size - self._reserved
        try:
            room = await store.workers.run(store.destination.room)
        except OSError:
            room = None  # the first write will say what is wrong with the disk
        left = None if room is None else store.space.reserve(needed, room)
        if left is not None:
            return no_room(store.destination, staged.path, needed, left)
        if room is not None:
            self._reserved += needed
        self._room = wanted
        return None

    def _release(self, count: int) -> None:
        """Give back what is written: the disk itself counts it."""
        kept = min(count, self._reserved)
        self._reserved -= kept
        self._store.space.release(kept)

    async def _clean_up(self, problem: Problem) -> Problem:
        return await self._store.clean_up(self._staged, problem)

    def release(self) -> None:
        """Give back all room that was reserved."""
        self._release(self._reserved)


class _Space:
    """What downloads under way still need of the room that there is."""

    def __init__(self) -> None:
        self._reserved = 0

    def reserve(self, needed: int, room: int) -> int | None:
        """Reserve so many bytes; return None, or what is left if that is too little.

        Args:
            needed: bytes.
            room: what there was a moment ago.
        """
        left = max(0, room - self._reserved)
        if needed > left:
            return left
        self._reserved += needed
        return None

    def release(self, reserved: int) -> None:
        """Give back so many reserved bytes: they are written, or not needed any more."""
        self._reserved -= reserved
