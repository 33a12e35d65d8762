"""The files that others read of a run, kept current: its manifest, SHA256SUMS, and list of members.

They are views of the state, and the journal is the run: what cannot be written for a while lags
behind, and ends nothing. Only a run whose directory is gone is over.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from collector import threads
from collector.errors import CollectorError
from collector.rundir import layout, manifest
from collector.rundir.members import Members

if TYPE_CHECKING:
    from pathlib import Path

    from collector.archive.examination import StoredArchives
    from collector.model.state import RunState
    from collector.rundir.journal.journal import Journal

APART_S = 1.0
APART_TIMES = 20
"""How many times as long as its last writing took the manifest waits before the next."""

_log = logging.getLogger(__name__)


class Views:
    """The files of one run.

    Attributes:
        members: the list of what is inside the archives.
        manifest_sha256: of the manifest as it was last written; None before that.
    """

    def __init__(self, directory: Path, state: RunState, journal: Journal) -> None:
        self._directory = directory
        self._state = state
        self._journal = journal
        self._told: set[str] = set()
        self.members = Members(directory)
        self.manifest_sha256: str | None = None

    async def keep(self) -> None:
        """Keep the manifest current for ever, at a cost that stays small for any fleet.

        Raises:
            CollectorError: the run's directory is gone.
        """
        while True:
            began_s = time.monotonic()
            self._look_for_the_directory()
            try:
                await self.refresh()
            except CollectorError as error:
                self.tell(error)
            took_s = time.monotonic() - began_s
            await anyio.sleep(max(APART_S, APART_TIMES * took_s))

    def tell(self, error: CollectorError) -> None:
        """Warn once of each failure to write a file; the run goes on, and tries again."""
        if str(error) not in self._told:
            self._told.add(str(error))
            _log.warning(f"{error}; the run goes on")

    async def refresh(self) -> None:
        """Write what has gathered, SHA256SUMS and the manifest: as much of it as can be written.

        Raises:
            CollectorError: one of them cannot be written, or the run's directory is gone.
        """
        self._look_for_the_directory()
        lines, head = self._journal.lines, self._journal.head
        state = manifest.snapshot(self._state)
        failure: CollectorError | None = None
        try:
            await self.members.flush()
        except CollectorError as error:
            failure = error
        try:
            self.manifest_sha256 = await threads.run_sync(
                partial(manifest.write, state, self._directory, lines=lines, head=head)
            )
        except OSError as error:
            path = error.filename or self._directory / layout.MANIFEST
            raise CollectorError(
                f"cannot update {layout.MANIFEST} and {layout.SHA256SUMS} ({path}: "
                f"{error.strerror}); what was collected is in the journal beside them; make room, "
                "or move away what is in the way, and --resume the run if it has ended"
            ) from error
        if failure is not None:
            raise failure

    def agree_on_members(self) -> list[str]:
        """Rid the list of members of what the journal does not say; return what it lacks.

        For a worker thread.
        """
        if self._state.ended is not None and not (self._directory / layout.MEMBERS).exists():
            return []  # an older version's, and over
        archives = (row.archive for row in self._state.servers)
        try:
            return self.members.agree(
                {one.path: one.members for one in archives if one is not None}
            )
        except CollectorError as error:
            self.tell(error)
            return []

    async def list_again(
        self,
        unlisted: list[str],
        archives: StoredArchives,
        listed: anyio.Event | None = None,
    ) -> None:
        """Read archives once more whose members a kill has kept from being listed.

        What cannot be read is left out: `verify` names it.
        """
        for path in unlisted:
            listing = await threads.run_sync(
                partial(archives.list_again, path), abandon_on_cancel=True
            )
            if listing is not None:
                self.members.add(listing)
                if self.members.is_full:
                    try:
                        await self.members.flush()
                    except CollectorError as error:
                        self.tell(error)
        if listed is not None:
            listed.set()

    def _look_for_the_directory(self) -> None:
        if self._journal.is_gone:
            raise CollectorError(
                f"cannot write to {self._directory}: it was removed or moved while the run went "
                "on; move it back and --resume the run, or collect anew"
            )
