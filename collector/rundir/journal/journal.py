"""The journal: a run's write-ahead log, on disk before anything depends on it."""

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
from collector.rundir.journal.identity import has_name
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
    """The journal could not be written; the run is what its last whole line says.

    Attributes:
        path: the journal.
        errno: the system's error number.
    """

    def __init__(self, path: Path, cause: OSError) -> None:
        self.path = path
        self.errno = cause.errno
        super().__init__(
            f"cannot write {path}: {cause.strerror} (errno {cause.errno}); nothing after that was "
            "recorded; make it writable, then --resume the run"
        )


@dataclass(slots=True)
class _Batch:
    """Lines written together (group commit).

    Attributes:
        lines: each with its newline.
        synced: there is a fact among them, so they must be on disk before anybody continues.
        led: one of the callers who added lines will write them all.
        done: set once they are written, or have failed for good.
    """

    lines: list[bytes] = field(default_factory=list)
    synced: bool = False
    led: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)


class Journal:
    """A run's journal, open for writing and locked while it is open.

    Group commit without a task of its own: lines gather in a batch while the previous one is being
    written. The first caller to add a line leads the batch, and writes it for all in a worker
    thread, so that one sync serves everybody who came in the meantime.

    Attributes:
        path: the file.
        lines: how many lines are known to be on disk; a manifest may refer to these.
        head: the hash of the last of them, or 64 zeros.
        torn: the unfinished last line that `resume` removed; None if there was none.
        repaired: how `resume` repaired other damage; None if there was none.
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
        """Create the journal of a new run, 0600.

        Raises:
            CollectorError: it exists or cannot be created.
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
        servers_known: bool = False,
        before: Callable[[RunState], None] | None = None,
        each: Callable[[Event], None] | None = None,
    ) -> tuple[Self, RunState]:
        """Continue a run's journal from its longest valid prefix.

        A last line that an interrupted write left is removed. With any other damage the whole file
        is kept under another name and the run continues from the lines before it:
        `collector.rundir.journal.repair`.

        Args:
            path: of the journal.
            at: the time now, recorded if the journal is repaired.
            servers_known: the caller knows the run's servers, so the journal may have lost them.
            before: is given the state before anything is changed; if it raises, nothing changes.
            each: is called with every event that the journal then has.

        Returns:
            The journal, and the state of its run.

        Raises:
            RunHeld: another process holds the run.
            DamagedJournal: it is damaged before all servers are named, and not `servers_known`.
            CollectorError: it cannot be opened, read or repaired, or a newer version wrote it.
        """
        with _held(path) as descriptor:
            reading = Reading(path)
            state = fold(reading, each)
            damage = reading.damage
            damaged = damage is not None and not damage.torn
            if damage is not None and damaged and not state.selected and not servers_known:
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
            if each is not None:
                each(repaired.event)
            os.close(descriptor)
            return journal, state

    @staticmethod
    def read(path: Path) -> Reading:
        """Iterate over the events of a journal, even while another process writes it."""
        return Reading(path)

    @property
    def is_gone(self) -> bool:
        """Whether the file being written has lost its name: it was removed or replaced."""
        try:
            return not has_name(self._descriptor, self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False  # if the disk cannot be asked, the next write says more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock. Nobody may be recording."""
        os.close(self._descriptor)

    async def record(self, events: Iterable[Event]) -> None:
        """Write events, together and in the order of calls; return once they are on disk.

        Mere observations are neither waited for beyond their turn nor synced. Cancellation does not
        interrupt this call but takes effect at the next await, so that what was recorded can be
        applied.

        Args:
            events: all or none: if one cannot be written as JSON, none is.

        Raises:
            JournalError: this or an earlier write failed; nothing more is recorded.
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
        """Add events to the next batch; return whether there is a fact among them."""
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
        """Write a batch for all its callers, once the previous one is written."""
        batch.led = True
        try:
            # For one turn of the loop: callers that are ready join, and share one sync.
            await anyio.lowlevel.cancel_shielded_checkpoint()
            while self._writing is not None:
                await self._writing.done.wait()
            await self._write(batch)
            # Observations that came meanwhile have no waiting caller, and so no leader.
            while (left := self._gathering) is not None and not left.led:
                await self._write(left)
        except BaseException:
            # Not by a cancel scope of ours. The thread may be writing; nobody knows how far it got.
            self._failure = InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
            batch.done.set()
            raise

    async def _write(self, batch: _Batch) -> None:
        """Write the gathering batch, and wake its callers."""
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
            with contextlib.suppress(OSError):  # the first error is the one to report
                files.truncate(self._descriptor, self._synced)
            raise


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """Open and lock the journal that has this name once the lock is taken."""
    while True:
        with _opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
            lock.hold(descriptor, path)
            if has_name(descriptor, path):
                yield descriptor
                return
        os.close(descriptor)  # a repair has replaced it meanwhile


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Raise what the disk refuses of a repair as an error of ours."""
    try:
        yield
    except OSError as error:
        raise CollectorError(
            f"cannot repair {path}: {error.strerror} (errno {error.errno}); nothing is lost; fix "
            "the directory or free up space, then --resume the run"
        ) from error


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file, and close it again only if the block fails."""
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
    """Whether somebody else would see the file change as well."""
    return error.errno in (errno.EMLINK, errno.EPERM)
