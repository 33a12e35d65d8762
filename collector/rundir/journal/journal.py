"""The journal: what happened in a run, on disk before anything depends on it."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel

from collector import files, threads
from collector.errors import CollectorError
from collector.rundir import lock
from collector.rundir.journal.lines import encode
from collector.rundir.journal.reading import DamagedJournal, Reading, fold
from collector.rundir.journal.repair import repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from collector.model.events import Event, JournalRepaired
    from collector.model.state import RunState
    from collector.rundir.journal.reading import Damage


class JournalError(CollectorError):
    """The journal could not be written: the run stands as its last whole line left it.

    Attributes:
        path: the journal.
        errno: why, as the system numbers it.
    """

    def __init__(self, path: Path, cause: OSError) -> None:
        self.path = path
        self.errno = cause.errno
        super().__init__(
            f"cannot write {path}: {cause.strerror} (errno {cause.errno}); "
            "nothing was recorded since; make it writable, then --resume the run"
        )


@dataclass(slots=True)
class _Batch:
    """Lines that are written together.

    Attributes:
        lines: each with its newline.
        synced: they hold a fact, and so have to be on disk before anybody goes on.
        led: one of those who gave the lines is going to write them all.
        done: they are written, or never will be.
    """

    lines: list[bytes] = field(default_factory=list)
    synced: bool = False
    led: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)


class Journal:
    """A run's journal, opened for writing and locked for as long as it is open.

    Whoever records first becomes the leader of the batch that gathers while the one before is being
    written, and then writes it for all in a worker thread: one sync serves everybody who came in
    the meantime, and no task of its own is needed.

    Attributes:
        path: the file.
        lines: how many lines are known to be on disk: a manifest may speak of these.
        head: the hash of the last of them, or 64 zeros.
        torn: the unfinished last line that `resume` cut off; None where there was none.
        repaired: what `resume` made of other damage; None where there was none.
    """

    def __init__(self, path: Path, descriptor: int, reading: Reading) -> None:
        """Use `create` or `resume`."""
        self.path = path
        self.lines = self._gathered_lines = reading.lines
        self.head = self._gathered_head = reading.head
        self.torn: Damage | None = reading.damage
        self.repaired: JournalRepaired | None = None
        self._written = self._synced = reading.size
        self._descriptor = descriptor
        self._gathering: _Batch | None = None
        self._writing: _Batch | None = None
        self._failure: OSError | None = None
        self._thread = anyio.CapacityLimiter(1)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Begin the journal of a new run, 0600.

        Raises:
            CollectorError: it exists or cannot be made.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        with _opened(path, flags) as descriptor:
            lock.hold(descriptor, path)
            files.sync_directory(path.parent)
            return cls(path, descriptor, Reading(path))

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        at: str = "",
        anew: bool = False,
        before: Callable[[RunState], None] | None = None,
    ) -> tuple[Self, RunState]:
        """Go on with a run's journal: with its longest valid prefix.

        A last line that an interrupted write left is cut off. Any other damage is kept beside it,
        as a whole, and the run goes on from the lines before: `collector.rundir.journal.repair`.

        Args:
            path: of the journal.
            at: the time now, as it is written down where the journal is repaired.
            anew: whoever resumes knows the run's servers: it may be one that lost them.
            before: is given the state before anything is changed; what it raises leaves all as it
                is.

        Returns:
            The journal, and the state of the run that it tells of.

        Raises:
            RunHeld: another process holds the run.
            DamagedJournal: it is damaged before it has named all servers, and not `anew`.
            CollectorError: it cannot be opened, read or repaired, or a newer version wrote it.
        """
        with _held(path) as descriptor:
            reading = Reading(path)
            state = fold(reading)
            damage = reading.damage
            damaged = damage is not None and not damage.torn
            if damage is not None and damaged and not state.selected and not anew:
                raise DamagedJournal(path, damage)
            if before is not None:
                before(state)
            if not damaged:
                with _changing(path):
                    if damage is not None:
                        files.truncate(descriptor, reading.size)
                    files.sync(descriptor)
                return cls(path, descriptor, reading), state
            with _changing(path):
                repaired = repair(path, reading, at)
            reading = Reading(path)
            state = fold(reading)
            journal = cls(path, repaired.descriptor, reading)
            journal.repaired = repaired.event
            os.close(descriptor)
            return journal, state

    @staticmethod
    def read(path: Path) -> Reading:
        """Iterate over the events of a journal, whoever may be writing it."""
        return Reading(path)

    @property
    def is_gone(self) -> bool:
        """Whether the file that is written to has its name no more: it was taken away."""
        try:
            return not files.is_at(self._descriptor, self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # a disk that cannot be asked says more at the next write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the run go. Nobody may be recording."""
        os.close(self._descriptor)

    async def record(self, events: Iterable[Event]) -> None:
        """Write events, together and in the order of the calls; return once they are on disk.

        Observations alone are not waited for beyond their turn, nor synced. A cancelled caller is
        not interrupted here: it learns at its next await, and so what was recorded can be applied.

        Args:
            events: written as one: where one cannot be written as JSON, none is.

        Raises:
            JournalError: this or an earlier write failed; nothing is recorded any more.
        """
        self._check()
        batch, facts = self._gather(events)
        if batch is None:
            return
        with anyio.CancelScope(shield=True):
            if not batch.led and (facts or self._writing is None):
                await self._lead(batch)
            elif facts:
                await batch.done.wait()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise JournalError(self.path, self._failure) from self._failure

    def _gather(self, events: Iterable[Event]) -> tuple[_Batch | None, bool]:
        """Add events to the batch that is written next, and say whether a fact is among them."""
        lines: list[bytes] = []
        facts = False
        head = self._gathered_head
        for event in events:
            line, head = encode(event, head)
            lines.append(line)
            facts = facts or event.is_fact
        if not lines:
            return None, False
        self._gathered_head = head
        self._gathered_lines += len(lines)
        batch = self._gathering = self._gathering or _Batch()
        batch.lines += lines
        batch.synced = batch.synced or facts
        return batch, facts

    async def _lead(self, batch: _Batch) -> None:
        """Write a batch for all who gave its lines, when the one before it is written."""
        batch.led = True
        try:
            # For one turn of the loop: whoever is ready to record joins, and is served by one sync.
            await anyio.lowlevel.cancel_shielded_checkpoint()
            while self._writing is not None:
                await self._writing.done.wait()
            await self._write(batch)
            # Observations that came meanwhile wait for nobody, and so have no leader of their own.
            while (left := self._gathering) is not None and not left.led:
                await self._write(left)
        except BaseException:
            # By no cancel scope of ours. The thread may be writing: nobody knows how far it came.
            self._failure = InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
            batch.done.set()
            raise

    async def _write(self, batch: _Batch) -> None:
        """Write the batch that was gathering, and wake whoever waits for it."""
        self._writing, self._gathering = batch, None
        lines, head = self._gathered_lines, self._gathered_head
        try:
            if self._failure is None:
                await threads.run_sync(partial(self._append, batch), limiter=self._thread)
                if batch.synced:
                    self.lines, self.head = lines, head
        except OSError as error:
            self._failure = error
        finally:
            self._writing = None
            batch.done.set()

    def _append(self, batch: _Batch) -> None:
        """Append a batch to the file, in the worker thread: all of its lines, or none."""
        data = memoryview(b"".join(batch.lines))
        try:
            while data:
                count = files.write(self._descriptor, data)
                self._written += count
                data = data[count:]
            if batch.synced:
                files.sync_data(self._descriptor)
                self._synced = self._written
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                files.truncate(self._descriptor, self._synced)
            raise


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """Open a journal and take its lock: of the one that has its name by then."""
    while True:
        with _opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
            lock.hold(descriptor, path)
            if files.is_at(descriptor, path):
                yield descriptor
                return
        os.close(descriptor)  # a repair has put another in its place meanwhile


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Say what the disk refuses of a repair."""
    try:
        yield
    except OSError as error:
        raise CollectorError(
            f"cannot repair {path}: {error.strerror} (errno {error.errno}); nothing of it is lost; "
            "mend the directory or make room, then --resume the run"
        ) from error


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file, and close it again only where what is done with it here fails."""
    descriptor = -1
    try:
        descriptor = files.open_to_write(path, flags)
        yield descriptor
    except BaseException as error:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(error, OSError):
            hint = "; copy the run's directory, and resume the copy" if _is_shared(error) else ""
            raise CollectorError(f"cannot open {path}: {error.strerror}{hint}") from error
        raise


def _is_shared(error: OSError) -> bool:
    """Whether somebody else would see the file change, too."""
    return error.errno in (errno.EMLINK, errno.EPERM)
