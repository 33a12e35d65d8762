"""Reads the archives of a run to their ends, in threads, and compares each with its record."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from collector.archive.format import ArchiveError
from collector.rundir.records import Mismatch, RecordedArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from collector.archive.examination import StoredArchives

    Examine = Callable[[RecordedArchive], tuple[Mismatch, ...]]

THREADS = min(4, max(2, os.cpu_count() or 2))
"""Archives read at once; inflating and hashing release the GIL."""
SPARE_BYTES = 1 << 20
"""How much more than its record says is read of an archive."""
TOLD_EVERY_S = 0.5
"""How often it is told how far all is, while one archive is read."""


class Checked(NamedTuple):
    """How far a verification is: archives read to their end, and bytes read."""

    archives: int
    of_archives: int
    bytes: int
    of_bytes: int


class _Counted:
    """Counts what is read, by several threads, and tells of it."""

    def __init__(
        self,
        recorded: Collection[RecordedArchive],
        progress: Callable[[Checked], None] | None,
    ) -> None:
        self._archives = 0
        self._of_archives = len(recorded)
        self._of_bytes = sum(max(0, one.bytes or 0) for one in recorded)
        self._bytes = 0
        self._progress = progress
        self._lock = threading.Lock()

    def read(self, count: int) -> None:
        with self._lock:
            self._bytes += count

    def awaited(self, answer: Future[tuple[Mismatch, ...]]) -> tuple[Mismatch, ...]:
        """Wait for what is wrong with an archive, and tell meanwhile how far all is."""
        while not wait([answer], timeout=TOLD_EVERY_S).done:
            self._tell()
        self._archives += 1
        self._tell()
        return answer.result()

    def _tell(self) -> None:
        if self._progress is not None:
            told = Checked(self._archives, self._of_archives, self._bytes, self._of_bytes)
            self._progress(told)


def examined(
    recorded: Collection[RecordedArchive],
    stored: StoredArchives,
    progress: Callable[[Checked], None] | None = None,
) -> Iterator[tuple[RecordedArchive, tuple[Mismatch, ...]]]:
    """Read archives in threads, a few ahead, and yield what is wrong with each, in order.

    Args:
        recorded: the archives, as they should be.
        stored: as they are.
        progress: is told now and then how far it is, in this thread.
    """
    counted = _Counted(recorded, progress)
    examination = partial(_examine, replace(stored, on_read=counted.read))
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
    ahead: deque[tuple[RecordedArchive, Future[tuple[Mismatch, ...]]]] = deque()
    try:
        for archive in recorded:
            ahead.append((archive, _begun(pool, examination, archive)))
            if len(ahead) > 2 * THREADS:
                first, answer = ahead.popleft()
                yield first, counted.awaited(answer)
        for first, answer in ahead:
            yield first, counted.awaited(answer)
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(
    pool: ThreadPoolExecutor, examination: Examine, archive: RecordedArchive
) -> Future[tuple[Mismatch, ...]]:
    """Read an archive in a thread, or right here if none can be started."""
    try:
        return pool.submit(examination, archive)
    except RuntimeError:
        found: Future[tuple[Mismatch, ...]] = Future()
        found.set_result(examination(archive))
        return found


def _examine(stored: StoredArchives, archive: RecordedArchive) -> tuple[Mismatch, ...]:
    """Read one archive to its end, and compare it with its record."""
    return tuple(_wrong(stored, archive))


def _wrong(stored: StoredArchives, archive: RecordedArchive) -> Iterator[Mismatch]:
    try:
        yield from _differences(stored, archive)
    except OSError as error:
        yield Mismatch(archive.path, "unreadable", "a readable file", error.strerror)


def _differences(stored: StoredArchives, archive: RecordedArchive) -> Iterator[Mismatch]:
    size = stored.size(archive.path)
    if size is None:
        yield Mismatch(archive.path, "missing", "a file", None)
        return
    if archive.bytes is not None and size != archive.bytes:
        yield Mismatch(archive.path, "bytes", archive.bytes, size)
        if size > 2 * archive.bytes + SPARE_BYTES:
            return  # another file, perhaps a sparse one of terabytes
    try:
        examined = stored.examine(archive.path)
        sha256, members = examined.sha256, examined.contents.members
    except ArchiveError as error:
        expected = f"a complete {stored.format_at(archive.path).suffix}"
        yield Mismatch(archive.path, "archive", expected, str(error))
        if archive.bytes is None:
            return  # it may have any size
        sha256, members = stored.sha256(archive.path), None
    if sha256 != archive.sha256:
        yield Mismatch(archive.path, "sha256", archive.sha256, sha256)
    elif members is not None and archive.members not in (None, members):
        yield Mismatch(archive.path, "members", archive.members, members)
