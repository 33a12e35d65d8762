"""A run's part in the exports that the runs of one output directory share."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from collector import threads
from collector.model import events as e
from collector.model.state import Phase
from collector.rundir.file_system import local_locks
from collector.rundir.layout import SHARED
from collector.sharing.exports_file import EXPORTS, ExportsFile
from collector.sharing.ledger import Claim, ClaimKind, Ledger, ServerKey, credential_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from collector.model.answers import SharedExport
    from collector.model.state import RunState, ServerRow

LOOKED_BACK_S = 3600.0
"""Claims older than this, and older than fresh exports, are ignored."""
LOOKED_AHEAD_S = 30 * 86_400.0
"""So are claims this far in the future: a clock was wrong, and no run takes so long."""
KEPT_S = 86_400.0
_GONE = frozenset({"forgotten", "export_failed"})

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Claims:
    """The claims of this run, and those of the runs beside it.

    If the file cannot be used, this run warns once and continues without sharing.

    Args:
        directory: the run's.
        state: the run's.
        fresh_s: the age up to which another run's export is reused, in seconds; 0: never.
        age_s: returns the seconds since a journal's time; never negative.
        stamp: returns the time so many seconds ago, as a journal writes it.
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
        ledger = Ledger(
            self._run, self._servers(), fresh_s=fresh_s, age_s=age_s, alive=self._is_alive
        )
        since, until = stamp(max(LOOKED_BACK_S, fresh_s)), stamp(-LOOKED_AHEAD_S)
        self._file: ExportsFile | None = ExportsFile(directory.parent, ledger, since, until)
        self._turn = anyio.Lock()

    async def begin(self) -> dict[int, SharedExport]:
        """Read the claims; return those of others on servers that want an export."""
        if self._file is not None and (why := local_locks(self._out)) is not None:
            self._file = None
            _log.warning(
                "exports are not shared with other runs, and another machine may not see that "
                "this run is in use",
                extra={"facts": {"why": why}},
            )
        found = await self._with(partial(ExportsFile.begin, kept_since=self._stamp(KEPT_S)))
        if found is None:
            return {}
        wanting = [row for row in self._state.servers if row.phase is Phase.QUEUED]
        return await self._claims(wanting, [])

    async def claim(self, servers: Sequence[int]) -> dict[int, SharedExport]:
        """Claim the exports of servers just before their POSTs; return those that others have.

        No POST may leave for the servers that are returned.
        """
        rows = [self._state.servers[server] for server in servers]
        return await self._claims(rows, [self._line(row, ClaimKind.REQUESTED) for row in rows])

    async def publish(self, events: Iterable[e.Event]) -> None:
        """Publish what came of this run's claims, before the events become part of the state."""
        if self._file is None:
            return
        lines = [line for event in events for line in self._lines(event)]
        if lines:
            data = b"".join(line.encode() for line in lines)
            await self._with(partial(ExportsFile.append, data=data))

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.close()

    async def _claims(
        self, rows: Sequence[ServerRow], lines: Sequence[Claim]
    ) -> dict[int, SharedExport]:
        asked = [(self._key(row), row.export.id if row.export else None) for row in rows]
        found = await self._with(partial(ExportsFile.take, asked=asked, lines=lines)) or []
        return {row.server: claim for row, claim in zip(rows, found, strict=False) if claim}

    async def _with(self, step: Callable[[ExportsFile], T]) -> T | None:
        """Use the file in a thread; return None if it cannot be used."""
        async with self._turn:
            if self._file is None:
                return None
            try:
                return await threads.run_sync(partial(step, self._file))
            except OSError as error:
                self._file.close()
                self._file = None
                path = str(error.filename or self._out / SHARED / EXPORTS)
                _log.warning(
                    "exports are no longer shared with other runs",
                    extra={"facts": {"path": path, "why": error.strerror or str(error)}},
                )
                return None

    def _lines(self, event: e.Event) -> Iterator[Claim]:
        match event:
            case e.ExportStarted():
                row = self._state.servers[event.server]
                requested_at = row.requested_at or event.at
                yield self._line(row, ClaimKind.STARTED, event.export_id, requested_at)
            case e.ArchiveStored():
                row = self._state.servers[event.server]
                if row.export is not None:
                    yield self._line(row, ClaimKind.FETCHED, row.export.id)
            case e.ExportNotStarted() | e.AttemptFailed() | e.ServerFailed():
                row = self._state.servers[event.server]
                if row.phase is Phase.REQUESTED:
                    yield self._line(row, ClaimKind.NOT_STARTED)
                elif row.export is not None and event.kind in _GONE:
                    yield self._line(row, ClaimKind.GONE, row.export.id)

    def _line(
        self, row: ServerRow, what: ClaimKind, export_id: str = "", requested: str = ""
    ) -> Claim:
        return Claim(self._stamp(0.0), self._run, what, self._key(row), export_id, requested)

    def _key(self, row: ServerRow) -> ServerKey:
        project = self._state.projects[row.project]
        digest = self._credentials.get(project.credential, "")
        return ServerKey(project.endpoint, project.id, row.id, digest)

    def _servers(self) -> Callable[[ServerKey], bool]:
        """Return a predicate: whether a server is one of this run's."""
        ids: dict[tuple[str, str, str], set[str]] = {}
        for row in self._state.servers:
            key = self._key(row)
            ids.setdefault((key.endpoint, key.project, key.credential), set()).add(row.id)

        def is_ours(key: ServerKey) -> bool:
            here = ids.get((key.endpoint, key.project, key.credential))
            return here is not None and key.server in here

        return is_ours

    def _is_alive(self, run: str) -> bool:
        return self._file is not None and self._file.is_alive(run)
