"""What a run and those beside it have to do with each other's exports."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from collector import threads
from collector.model import events as e
from collector.model.state import Phase
from collector.rundir.layout import SHARED
from collector.rundir.mounts import distrusted
from collector.sharing.exports_file import EXPORTS, ExportsFile
from collector.sharing.ledger import Claimed, Line, What, Whose, credential_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from collector.model.answers import SharedExport
    from collector.model.state import RunState, ServerRow

LOOKED_BACK_S = 3600.0
"""Lines older than this, and than what is fresh, are not looked at."""
LOOKED_AHEAD_S = 30 * 86_400.0
"""Nor are those of so far ahead: a clock was wrong, and no run takes so long."""
KEPT_S = 86_400.0
_GONE = frozenset({"forgotten", "export_failed"})

T = TypeVar("T")

_log = logging.getLogger(__name__)


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
        since, until = stamp(max(LOOKED_BACK_S, fresh_s)), stamp(-LOOKED_AHEAD_S)
        self._file: ExportsFile | None = ExportsFile(directory.parent, claimed, since, until)
        self._turn = anyio.Lock()

    async def begin(self) -> dict[int, SharedExport]:
        """Read what others have claimed; return what holds for the servers that want an export."""
        if self._file is not None and (why := distrusted(self._out)) is not None:
            self._file = None
            _log.warning(
                "exports are not shared with other runs, and another machine may not see that this "
                "run is held",
                extra={"facts": {"why": why}},
            )
        found = await self._with(partial(ExportsFile.begin, kept_since=self._stamp(KEPT_S)))
        if found is None:
            return {}
        wanting = [row for row in self._state.servers if row.phase is Phase.QUEUED]
        return await self._claims(wanting, [])

    async def take(self, servers: Sequence[int]) -> dict[int, SharedExport]:
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
            await self._with(partial(ExportsFile.append, data=data))

    def close(self) -> None:
        """Let go of the files."""
        if self._file is not None:
            self._file.close()

    async def _claims(
        self, rows: Sequence[ServerRow], lines: Sequence[Line]
    ) -> dict[int, SharedExport]:
        asked = [(self._whose(row), row.export.id if row.export else None) for row in rows]
        found = await self._with(partial(ExportsFile.take, asked=asked, lines=lines)) or []
        return {row.server: claim for row, claim in zip(rows, found, strict=False) if claim}

    async def _with(self, step: Callable[[ExportsFile], T]) -> T | None:
        """Do something with the file in a thread; None where it cannot be used."""
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
                    "exports are not shared with other runs from now on",
                    extra={"facts": {"path": path, "why": error.strerror or str(error)}},
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
