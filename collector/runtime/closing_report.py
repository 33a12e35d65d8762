"""The report that a run leaves when it ends: made last, in a thread, at no cost to the run."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from collector import clock, threads
from collector.bystander import Bystander
from collector.report.building import Report
from collector.report.manifest import JournalHead
from collector.report.series import Follower
from collector.rundir.layout import REPORT

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.events import Event
    from collector.model.state import RunState
    from collector.report.page import Series
    from collector.rundir.journal.journal import Journal

WITHIN_S: Final = 30.0
"""How long a report may take: one of 100,000 servers takes a few seconds."""

_log = logging.getLogger(__name__)


class ClosingReport:
    """Follows a run, and writes its report at the end. Whatever goes wrong with it is a warning.

    Args:
        directory: the run's.
        state: of the run.
        journal: of the run.
        follower: has followed the run's earlier processes, if there were any.

    Attributes:
        path: of the report that was written; None before, and where none could be.
    """

    def __init__(
        self, directory: Path, state: RunState, journal: Journal, follower: Follower | None = None
    ) -> None:
        self.path: Path | None = None
        self._directory = directory
        self._state = state
        self._journal = journal
        self._follower = follower or Follower()
        self._waiting = anyio.CancelScope(shield=True)
        self._is_begun = self._is_skipped = self._has_news = False
        self._bystander = Bystander(
            "the report's maker", f"`collector report {directory}` makes it", self.skip
        )

    def follow(self, event: Event) -> None:
        """Take note of an event, once it is part of the state."""
        self._has_news = True
        if not self._bystander.is_broken:
            with self._bystander:
                self._follower.follow(event)

    @property
    def journaled(self) -> JournalHead:
        """How far the journal is on disk."""
        return JournalHead(self._journal.lines, self._journal.head)

    def series(self) -> Series:
        """Return what has happened so far over time, earlier processes of the run included."""
        return self._follower.series()

    def skip(self) -> None:
        """Write no report, or not to its end: the one before stays."""
        self._is_skipped = True
        self._waiting.cancel()

    def skip_if_begun(self) -> None:
        """Do not write a report to its end: nobody who stops a run that is over waits for one."""
        if self._is_begun:
            self.skip()

    async def write(self, manifest_sha256: str | None) -> None:
        """Write the report of a run that is over, unless that takes too long or is skipped.

        One that is there stays, where nothing has happened since.

        Args:
            manifest_sha256: of the manifest beside it.
        """
        path = self._directory / REPORT
        if not self._has_news and path.is_file() and not path.is_symlink():
            self.path = path
            return
        if self._is_skipped:
            return
        self._is_begun = True
        at = clock.WallClock().stamp(clock.now_s())
        self._waiting.deadline = anyio.current_time() + WITHIN_S
        with self._waiting, self._bystander:
            await threads.run_sync(
                partial(self._write, at, manifest_sha256), abandon_on_cancel=True
            )
            return
        if not self._is_skipped:
            self._is_skipped = True
            self._warn(f"it took more than {WITHIN_S:.0f} s")

    def _write(self, at: str, manifest_sha256: str | None) -> None:
        """Write the report, in a thread."""
        from collector.rundir import report_file  # noqa: PLC0415  # a run begins sooner without it

        try:
            report = Report(self._state, lines=self._journal.lines, head=self._journal.head)
            page = report_file.made(
                self._state,
                report,
                self._follower.series(),
                self._directory,
                at=at,
                manifest_sha256=manifest_sha256,
            )
            file = report_file.written(page, self._directory, lambda: not self._is_skipped)
            self.path = file.path
        except report_file.Abandoned:
            pass
        except OSError as error:
            self._warn(f"{error.strerror} ({error.filename})" if error.filename else str(error))
        except MemoryError:
            self._warn("out of memory")

    def _warn(self, why: str) -> None:
        path = self._directory / REPORT
        _log.warning(
            f"cannot write {path}: {why}; the run itself is complete: `collector report "
            f"{self._directory}` makes it"
        )
