"""The views of a run, kept current: manifest, SHA256SUMS and the list of members.

The journal is the run, and these files follow it: if one cannot be written for a while, it lags
behind and the run continues. The run ends only if its directory is gone.
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
"""The pause between two manifests, as a multiple of the time that the last one took to write."""

_log = logging.getLogger(__name__)


class Views:
    """The files of one run.

    Attributes:
        members: the list of the archives' members.
        manifest_sha256: of the manifest as last written; None before that.
    """

    def __init__(self, directory: Path, state: RunState, journal: Journal) -> None:
        self._directory = directory
        self._state = state
        self._journal = journal
        self._warned: set[str] = set()
        self.members = Members(directory)
        self.manifest_sha256: str | None = None

    async def keep(self) -> None:
        """Keep the manifest current until cancelled, at a cost that stays small for any fleet.

        Raises:
            CollectorError: the run's directory is gone.
        """
        while True:
            began_s = time.monotonic()
            self._look_for_the_directory()
            try:
                await self.refresh()
            except CollectorError as error:
                self.warn_once(error)
            took_s = time.monotonic() - began_s
            await anyio.sleep(max(APART_S, APART_TIMES * took_s))

    def warn_once(self, error: CollectorError) -> None:
        """Warn once about each failure to write a file; the run continues, and retries."""
        if str(error) not in self._warned:
            self._warned.add(str(error))
            _log.warning(f"{error}; the run continues")

    async def refresh(self) -> None:
        """Write gathered members, SHA256SUMS and the manifest, as far as they can be written.

        Raises:
            CollectorError: one of them cannot be written, or the run's directory is gone.
        """
        self._look_for_the_directory()
        lines, head = self._journal.lines, self._journal.head
        state = self._state.copied()
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
                f"{error.strerror}); the journal beside them has everything; free up space or "
                "move away what is in the way, and --resume the run if it has ended"
            ) from error
        if failure is not None:
            raise failure

    def reconcile_members(self) -> list[str]:
        """Remove from the list of members what the journal does not have; return what it lacks.

        For a worker thread.
        """
        if self._state.ended is not None and not (self._directory / layout.MEMBERS).exists():
            return []  # a finished run of an older version
        archives = (row.archive for row in self._state.servers)
        try:
            return self.members.reconcile(
                {one.path: one.members for one in archives if one is not None}
            )
        except CollectorError as error:
            self.warn_once(error)
            return []

    async def list_again(
        self,
        unlisted: list[str],
        archives: StoredArchives,
        listed: anyio.Event | None = None,
    ) -> None:
        """Read archives again whose members a kill has kept from being listed.

        Unreadable ones are skipped; `verify` reports them.
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
                        self.warn_once(error)
        if listed is not None:
            listed.set()

    def _look_for_the_directory(self) -> None:
        if self._journal.is_gone:
            raise CollectorError(
                f"cannot write to {self._directory}: it was removed or moved during the run; move "
                "it back and --resume the run, or start a new run"
            )
