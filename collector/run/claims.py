"""`OUT/.collector/exports.jsonl`: what the runs under one output directory have asked for.

Read and appended to under a lock, for an instant. It is not synced: a power cut may cost an export
that could have been shared, and no run loses anything it has.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import structlog
from anyio import to_thread

from collector import files
from collector.archive.names import PART
from collector.engine import events as e
from collector.engine.state import Phase
from collector.run.claimed import (
    Claimed,
    Line,
    What,
    Whose,
    credential_digest,
    decoded,
)
from collector.run.layout import JOURNAL, SHARED
from collector.run.lock import is_held
from collector.run.mounts import distrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from collector.engine.answers import Claim
    from collector.engine.state import RunState, ServerRow

EXPORTS = "exports.jsonl"
LOCK = "exports.lock"

LOOKED_BACK_S = 3600.0
"""Lines older than this, and than what is fresh, are not looked at."""
KEPT_S = 86_400.0
COMPACTED_BYTES = 8 << 20
"""A file that is larger loses the lines that are older than a day, when a run begins."""
LOCKED_WITHIN_S = 5.0
_BLOCK = 1 << 20
_BEGINNING = b'{"at":"'
_GONE = frozenset({"forgotten", "export_failed"})
_DIRECTORY = files.DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDWR | os.O_APPEND | os.O_CREAT

T = TypeVar("T")

_log = structlog.get_logger("collector")


class Claims:
    """A run's part in the exports of all runs beside it.

    Where the file cannot be used, this run shares nothing and says so once; it goes on.

    Args:
        directory: the run's.
        state: the run's.
        fresh_s: how old another run's export may be to be taken over, in seconds; 0: none is.
        age_s: seconds since a time that a journal tells; never negative.
        stamp: the time now, as a journal writes it; of so many seconds ago, where given.
    """

    def __init__(
        self,
        directory: Path,
        state: RunState,
        *,
        fresh_s: float,
        age_s: Callable[[str], float],
        stamp: Callable[[float], str],
    ) -> None:
        self._run = directory.name
        self._out = directory.parent
        self._state = state
        self._stamp = stamp
        self._credentials = {
            name: credential_digest(named) for name, named in state.credentials.items()
        }
        claimed = Claimed(
            self._run, self._servers(), fresh_s=fresh_s, age_s=age_s, alive=self._is_alive
        )
        since = stamp(max(LOOKED_BACK_S, fresh_s))
        self._file: _Shared | None = _Shared(directory.parent, claimed, since)
        self._turn = anyio.Lock()

    async def begin(self) -> dict[int, Claim]:
        """Read what others have claimed; return what holds for the servers that want an export."""
        if self._file is not None and (why := distrusted(self._out)) is not None:
            self._file = None
            _log.warning(
                "exports are not shared with other runs, and another machine may not see that this "
                "run is held",
                why=why,
            )
        found = await self._with(partial(_Shared.begin, kept_since=self._stamp(KEPT_S)))
        if found is None:
            return {}
        wanting = [row for row in self._state.servers if row.phase is Phase.QUEUED]
        return await self._claims(wanting, [])

    async def take(self, servers: Sequence[int]) -> dict[int, Claim]:
        """Claim the exports of servers, just before their POSTs; return what others have claimed.

        For the servers that are returned, no POST may leave.
        """
        rows = [self._state.servers[server] for server in servers]
        return await self._claims(rows, [self._line(row, What.REQUESTED) for row in rows])

    async def tell(self, events: Iterable[e.Event]) -> None:
        """Tell other runs what came of a claim: before the events are part of the state."""
        if self._file is None:
            return
        lines = [line for event in events for line in self._lines(event)]
        if lines:
            data = b"".join(line.encoded() for line in lines)
            await self._with(partial(_Shared.append, data=data))

    def close(self) -> None:
        """Let go of the files."""
        if self._file is not None:
            self._file.close()

    async def _claims(self, rows: Sequence[ServerRow], lines: Sequence[Line]) -> dict[int, Claim]:
        asked = [(self._whose(row), row.export.id if row.export else None) for row in rows]
        found = await self._with(partial(_Shared.take, asked=asked, lines=lines)) or []
        return {row.server: claim for row, claim in zip(rows, found, strict=False) if claim}

    async def _with(self, step: Callable[[_Shared], T]) -> T | None:
        """Do something with the file in a thread; None where it cannot be used."""
        async with self._turn:
            if self._file is None:
                return None
            try:
                return await to_thread.run_sync(step, self._file)
            except OSError as error:
                self._file.close()
                self._file = None
                _log.warning(
                    "exports are not shared with other runs from now on",
                    path=str(error.filename or EXPORTS),
                    why=error.strerror or str(error),
                )
                return None

    def _lines(self, event: e.Event) -> Iterator[Line]:
        match event:
            case e.ExportStarted():
                row = self._state.servers[event.server]
                requested_at = row.requested_at or event.at
                yield self._line(row, What.STARTED, event.export_id, requested_at)
            case e.ArchiveStored():
                row = self._state.servers[event.server]
                if row.export is not None:
                    yield self._line(row, What.FETCHED, row.export.id)
            case e.ExportNotStarted() | e.AttemptFailed() | e.ServerFailed():
                row = self._state.servers[event.server]
                if row.phase is Phase.REQUESTED:
                    yield self._line(row, What.NOT_STARTED)
                elif row.export is not None and event.kind in _GONE:
                    yield self._line(row, What.GONE, row.export.id)

    def _line(self, row: ServerRow, what: What, export_id: str = "", requested: str = "") -> Line:
        return Line(self._stamp(0.0), self._run, what, self._whose(row), export_id, requested)

    def _whose(self, row: ServerRow) -> Whose:
        project = self._state.projects[row.project]
        digest = self._credentials.get(project.credential, "")
        return Whose(project.endpoint, project.id, row.id, digest)

    def _servers(self) -> Callable[[Whose], bool]:
        """Return a test of whether a server is one of this run's."""
        ids: dict[tuple[str, str, str], set[str]] = {}
        for row in self._state.servers:
            whose = self._whose(row)
            ids.setdefault((whose.endpoint, whose.project, whose.credential), set()).add(row.id)

        def mine(whose: Whose) -> bool:
            here = ids.get((whose.endpoint, whose.project, whose.credential))
            return here is not None and whose.server in here

        return mine

    def _is_alive(self, run: str) -> bool:
        return self._file is not None and self._file.is_alive(run)


class _Shared:
    """The file and its lock; for one thread at a time.

    Args:
        out: the directory that holds the runs.
        claimed: what the lines come to.
        since: lines that are older are passed over.
    """

    def __init__(self, out: Path, claimed: Claimed, since: str) -> None:
        self._out = out
        self._claimed = claimed
        self._since = since
        self._directory = self._lock = self._lines = -1
        self._read = 0
        self._inode = 0
        self._alive: dict[str, bool] = {}

    def begin(self, *, kept_since: str) -> bool:
        """Open the files, and read them."""
        path = self._out / SHARED
        with contextlib.suppress(FileExistsError):
            files.make_directory(path)
        self._directory = os.open(path, _DIRECTORY)
        self._lock = self._opened(LOCK)
        with self._locked():
            self._catch_up()
            if self._read > COMPACTED_BYTES:
                self._compact(kept_since)
            self._alive.clear()
            self._claimed.begin()
        return True

    def take(
        self, *, asked: Sequence[tuple[Whose, str | None]], lines: Sequence[Line]
    ) -> list[Claim | None]:
        """Return what others have claimed, and append the lines for what nobody has.

        Args:
            asked: servers, each with the id of an export that is of no use.
            lines: for each of them, or none at all.
        """
        with self._locked():
            self._catch_up()
            self._alive.clear()
            claims = [self._claimed.claim(whose, but) for whose, but in asked]
            mine = [line for line, claim in zip(lines, claims, strict=False) if claim is None]
            if mine:
                self._write(b"".join(line.encoded() for line in mine))
        return claims

    def append(self, *, data: bytes) -> bool:
        """Append lines."""
        with self._locked():
            self._catch_up()
            self._write(data)
        return True

    def is_alive(self, run: str) -> bool:
        """Whether a process holds a run, as last looked at in this turn."""
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
            return False  # removed since

    def _opened(self, name: str) -> int:
        try:
            return files.open_to_write(name, _FILE, dir_fd=self._directory)
        except OSError as error:
            error.filename = str(self._out / SHARED / name)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        until_s = time.monotonic() + LOCKED_WITHIN_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    why = f"another process has held its lock for {LOCKED_WITHIN_S:.0f} s"
                    path = str(self._out / SHARED / LOCK)
                    raise TimeoutError(errno.ETIMEDOUT, why, path) from None
                time.sleep(0.001)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Read what was appended since the last time."""
        try:
            found = os.stat(EXPORTS, dir_fd=self._directory, follow_symlinks=False)
            replaced = found.st_ino != self._inode
        except FileNotFoundError:
            replaced = True
        if replaced or self._lines < 0:
            if self._lines >= 0:
                os.close(self._lines)
            self._lines = self._opened(EXPORTS)
            self._inode = os.fstat(self._lines).st_ino
            self._read = 0
        rest = b""
        while block := os.pread(self._lines, _BLOCK, self._read):
            self._read += len(block)
            *whole, rest = (rest + block).split(b"\n")
            self._claimed.add(filter(None, map(self._decoded, whole)))

    def _decoded(self, line: bytes) -> Line | None:
        return decoded(line) if _time(line) >= self._since else None

    def _write(self, data: bytes) -> None:
        """Append lines, after those that are there; what a crash has cut is ended first."""
        if self._read and os.pread(self._lines, 1, self._read - 1) != b"\n":
            data = b"\n" + data
        self._read += len(data)
        files.write_all(self._lines, data)

    def _compact(self, since: str) -> None:
        """Let go of lines that are older: nobody takes over an export of yesterday."""
        unfinished = f"{EXPORTS}{PART}"
        with contextlib.suppress(FileNotFoundError):
            files.remove(unfinished, dir_fd=self._directory)
        descriptor = self._opened(unfinished)
        try:
            with os.fdopen(self._lines, "rb", closefd=False) as lines:
                lines.seek(0)
                files.write_all(
                    descriptor, b"".join(line for line in lines if _time(line) >= since)
                )
        finally:
            os.close(descriptor)
        files.rename(unfinished, EXPORTS, dir_fd=self._directory)
        os.close(self._lines)
        self._lines = self._opened(EXPORTS)
        found = os.fstat(self._lines)
        self._inode, self._read = found.st_ino, found.st_size


def _time(line: bytes) -> str:
    """Return the time that a line begins with: it is compared before the line is read."""
    return line[len(_BEGINNING) : len(_BEGINNING) + 24].decode("ascii", "replace")
