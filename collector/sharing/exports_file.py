"""`OUT/.collector/exports.jsonl` and its lock, which is held only while reading or appending.

It is not synced: a power failure may cost an export that could have been shared, but no run loses
anything.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from collector import files
from collector.archive.names import PART
from collector.rundir.layout import JOURNAL, SHARED
from collector.rundir.lock import is_held
from collector.sharing.ledger import LONGEST_LINE, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from collector.model.answers import SharedExport
    from collector.sharing.ledger import Claim, Ledger, ServerKey

EXPORTS = "exports.jsonl"
LOCK = "exports.lock"

COMPACTED_BYTES = 8 << 20
"""When a run starts, a larger file loses its lines older than a day."""
LOCKED_WITHIN_S = 5.0
_LINES_AT_ONCE = 1000
LARGEST_FILE = 1 << 30
_BLOCK = 1 << 20
_BEGINNING = b'{"at":"'


class ExportsFile:
    """The file and its lock; for one thread at a time. Every method blocks, and raises OSError.

    Args:
        out: the directory that holds the runs.
        ledger: is given the claims.
        since: older claims are ignored.
        until: newer claims are ignored.
    """

    def __init__(self, out: Path, ledger: Ledger, since: str, until: str) -> None:
        self._out = out
        self._ledger = ledger
        self._since = since
        self._until = until
        self._directory = self._lock = self._lines = -1
        self._read = 0
        self._inode = 0
        self._alive: dict[str, bool] = {}

    def begin(self, *, kept_since: str) -> bool:
        """Open the files, and read them."""
        path = self._out / SHARED
        with contextlib.suppress(FileExistsError):
            files.make_directory(path)
        self._directory = files.open_directory(path)
        _check_owner(path, self._directory)
        self._lock = self._named(LOCK, files.open_to_lock)
        with self._locked():
            self._catch_up()
            if self._read > COMPACTED_BYTES:
                self._compact(kept_since)
            self._alive.clear()
            self._ledger.note_ended_runs()
        return True

    def take(
        self, *, asked: Sequence[tuple[ServerKey, str | None]], lines: Sequence[Claim]
    ) -> list[SharedExport | None]:
        """Return what others have claimed, and append claims for the rest.

        Args:
            asked: servers, each with the id of an export that is of no use.
            lines: a claim for each of them, or no claims at all.
        """
        with self._locked():
            self._catch_up()
            self._alive.clear()
            claims = [self._ledger.lookup(key, unusable) for key, unusable in asked]
            mine = [line for line, claim in zip(lines, claims, strict=False) if claim is None]
            if mine:
                self._write(b"".join(line.encode() for line in mine))
        return claims

    def append(self, *, data: bytes) -> bool:
        """Append lines."""
        with self._locked():
            self._catch_up()
            self._write(data)
        return True

    def is_alive(self, run: str) -> bool:
        """Whether a process holds a run, checked once per turn."""
        if run not in self._alive:
            self._alive[run] = self._is_held(run)
        return self._alive[run]

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._lines, self._lock, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._lines = self._lock = self._directory = -1

    def _is_held(self, run: str) -> bool:
        if run != Path(run).name or run in ("", ".", ".."):
            return False
        try:
            return is_held(self._out / run / JOURNAL)
        except OSError:
            return False  # it was removed

    def _opened(self, name: str) -> int:
        return self._named(name, files.open_to_append)

    def _named(self, name: str, opening: Callable[..., int]) -> int:
        """Open a file; an error has its full path."""
        try:
            return opening(name, dir_fd=self._directory)
        except OSError as error:
            error.filename = str(self._out / SHARED / name)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not files.lock(self._lock, LOCKED_WITHIN_S):
            why = f"another process has held its lock for {LOCKED_WITHIN_S:.0f} s"
            raise TimeoutError(errno.ETIMEDOUT, why, str(self._out / SHARED / LOCK))
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Read what was appended since last time."""
        try:
            found = os.stat(EXPORTS, dir_fd=self._directory, follow_symlinks=False)
            replaced = found.st_ino != self._inode
        except FileNotFoundError:
            replaced = True
        if replaced or self._lines < 0:
            opened = self._opened(EXPORTS)  # before the old one is closed: this may raise
            if self._lines >= 0:
                os.close(self._lines)
            self._lines = opened
            self._inode = os.fstat(self._lines).st_ino
            self._read = 0
        if os.fstat(self._lines).st_size - self._read > LARGEST_FILE:
            why = f"larger than {LARGEST_FILE} bytes; move it away"
            raise OSError(errno.EFBIG, why, str(self._out / SHARED / EXPORTS))
        rest = b""
        while block := os.pread(self._lines, _BLOCK, self._read):
            self._read += len(block)
            *whole, rest = (rest[:LONGEST_LINE] + block).split(b"\n")
            self._ledger.add(filter(None, map(self._decode, whole)))

    def _decode(self, line: bytes) -> Claim | None:
        return decode(line) if self._since <= _time(line) <= self._until else None

    def _write(self, data: bytes) -> None:
        """Append lines, ending a line that a crash cut short."""
        if self._read and os.pread(self._lines, 1, self._read - 1) != b"\n":
            data = b"\n" + data
        self._read += len(data)
        files.write_all(self._lines, data)

    def _compact(self, since: str) -> None:
        """Drop older lines, since nobody reuses yesterday's exports."""
        unfinished = f"{EXPORTS}{PART}"
        with contextlib.suppress(FileNotFoundError):
            files.remove(unfinished, dir_fd=self._directory)
        descriptor = self._opened(unfinished)
        try:
            with os.fdopen(self._lines, "rb", closefd=False) as lines:
                lines.seek(0)
                kept = (line for line in _lines(lines) if since <= _time(line) <= self._until)
                while some := b"".join(islice(kept, _LINES_AT_ONCE)):
                    files.write_all(descriptor, some)
        finally:
            os.close(descriptor)
        files.rename(unfinished, EXPORTS, dir_fd=self._directory)
        opened = self._opened(EXPORTS)
        os.close(self._lines)
        self._lines = opened
        found = os.fstat(self._lines)
        self._inode, self._read = found.st_ino, found.st_size


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, except those that are too long."""
    while line := file.readline(LONGEST_LINE):
        if line.endswith(b"\n"):
            yield line


def _check_owner(path: Path, descriptor: int) -> None:
    """Refuse a directory of another user's, in a shared one such as /tmp."""
    owner = os.fstat(descriptor).st_uid
    if owner not in (os.geteuid(), path.parent.stat().st_uid):
        raise OSError(errno.EPERM, "it belongs to another user", str(path))


def _time(line: bytes) -> str:
    """Return the time at the start of a line, which is compared before the line is parsed."""
    return line[len(_BEGINNING) : len(_BEGINNING) + 24].decode("ascii", "replace")
