"""`PageState`: a run as its page shows it, and what of it has changed since any revision.

Rows of servers are frozen, and replaced when an event moves them: whether one has changed is seen
by its identity. So nothing is done for an event, and a look costs the same however much happened.

Everything here blocks, and is for one thread at a time.
"""

from __future__ import annotations

import secrets
import time
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress, count
from operator import is_not
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from collector.pages import render
from collector.report.building import Report
from collector.report.paging import Paging
from collector.serving.source import Data, Health, Revision

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.events import RunEnded
    from collector.model.rows import ServerRow
    from collector.model.state import RunState
    from collector.report.glance import Glance, Watch
    from collector.report.manifest import JournalHead, ProjectTotals
    from collector.report.page import Page, Reason, Series

MOST_ROWS: Final = 4_000
"""Rows that one event may hold: an onlooker that lacks more fetches all data anew."""
QUIET_S: Final = 5.0
"""How long a run may look the same until its rates and its time left are told again."""
SELDOM_S: Final = 5.0
"""How often is told what takes a look at everything: series and projects."""
DATA_TIMES: Final = 5
"""For how long data are good enough, as a multiple of the time that it took to make them."""
_AT_ONCE: Final = 5_000
FEW: Final = 100
"""Of no more servers than this, all is told each time; of projects, so many are glanced at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a run besides its state.

    Attributes:
        journaled: how far the journal is on disk.
        series: what has happened over time.
        alive: a process holds the run.
        arrived: bytes of archives that have arrived, where that is known better than by the state.
        damage: what of the journal could not be read; None where all could.
    """

    journaled: JournalHead
    series: Series
    alive: bool
    arrived: int | None = None
    damage: str | None = None


class PageState:
    """What is shown of one run.

    Args:
        directory: the run's, as a person would write it.
        state: of the run; `look` reads it as it then is.
        watch: looks at the same state.

    Attributes:
        revision: the latest.
        state: as it was given.
    """

    def __init__(self, directory: Path, state: RunState, watch: Watch) -> None:
        self.revision = Revision(secrets.token_hex(4), 1)
        self._directory = directory
        self.state = state
        self._rows: list[ServerRow] = []
        self._changed_in = array("Q")
        self._paging: Paging | None = None
        self._report: Report | None = None
        self._watch = watch
        self._now: Seen | None = None
        self._why: _Why | None = None
        self._at = ""
        self._changed_s = 0.0
        self._projects: list[ProjectTotals] = []
        self._reasons: list[Reason] = []
        self._projects_in = self._series_in = self._reasons_in = self._grown_in = 0
        self._seldom_s = self._fresh_until_s = 0.0
        self._data: Data | None = None
        self._told: tuple[tuple[int, int, bool], bytes | None] | None = None

    @property
    def has_begun(self) -> bool:
        """There is something to show."""
        return self._paging is not None

    def look(self, now: Seen) -> None:
        """Take the state as it now is, and what else is known of the run."""
        state = self.state
        if state.started is None:
            return
        if now.alive:
            self._watch.look(time.time(), now.arrived)
        changed = self._changes()
        why = _Why(now.alive, state.ended, state.resumed, frozenset(state.down))
        if why != self._why:
            # Why a server waits may have changed, though nothing has moved it.
            changed += [row.server for row in state.servers if not row.phase.ended]
            self._fresh_until_s = 0.0
        now_s = time.monotonic()
        is_quiet = now.alive and now_s - self._changed_s >= QUIET_S
        same = (why, state.at) == (self._why, self._at)
        if same and not changed and not is_quiet:
            return
        self._why, self._at, self._changed_s, self._now = why, state.at, now_s, now
        number = self.revision.number + 1
        self.revision = self.revision._replace(number=number)
        for server in changed:
            self._changed_in[server] = number
        head = now.journaled
        report = self._report = Report(state, lines=head.lines, head=head.head, alive=now.alive)
        self._tell_seldom(report, number, now_s)
        if self._paging is None:
            self._paging = Paging(state)

    def data(self, made_at: str, manifest_sha256: str | None) -> Data:
        """Make the page as it was at the last look, or return one that lags behind it a little.

        Args:
            made_at: the time now.
            manifest_sha256: of the manifest; None where there is none.
        """
        assert self._paging and self._report and self._now  # noqa: PT018, S101  # it has begun
        began_s = time.monotonic()
        if self._data is not None and self._is_recent(self._data, began_s):
            return self._data
        page = self._paging.page(
            self._report,
            self._now.series,
            made_at=made_at,
            directory=str(self._directory),
            manifest_sha256=manifest_sha256,
            damage=self._now.damage,
            glance=self._glance(),
        )
        self._tell_reasons(page.reasons)
        data = self._data = Data(self.revision, render.data(page))
        _take_apart(page)
        self._fresh_until_s = began_s + DATA_TIMES * (time.monotonic() - began_s)
        return data

    def _is_recent(self, data: Data, now_s: float) -> bool:
        """Whether whoever gets these data needs no more than an event to know the rest."""
        since = data.revision.number
        if since == self.revision.number:
            return True
        recent = now_s < self._fresh_until_s and since >= self._grown_in
        return recent and len(self._changed_since(since)) <= MOST_ROWS // 2

    def _changed_since(self, since: int) -> list[int]:
        return [at for at, number in enumerate(self._changed_in) if number > since]

    def news(self, since: Revision, *, whole: bool = False) -> bytes | None:
        """Make the JSON of a delta: all who ask for the same one share it.

        Args:
            since: the revision that it is to follow.
            whole: however much has changed; otherwise None if it is too much.
        """
        if since.epoch != self.revision.epoch:
            return None
        asked = since.number, self.revision.number, whole
        if self._told is None or self._told[0] != asked:
            self._told = asked, self._news(since.number, whole=whole)
        return self._told[1]

    def _news(self, since: int, *, whole: bool) -> bytes | None:
        assert self._paging and self._report and self._now  # noqa: PT018, S101  # it has begun
        changed = self._changed_since(since)
        if (len(changed) > MOST_ROWS and not whole) or since < self._grown_in:
            return None
        tells_all = whole or since < self._series_in
        delta = self._paging.delta(
            self._report,
            revision=self.revision.number,
            at=changed,
            projects=self._told_projects(since, whole=whole),
            series=self._now.series if tells_all else None,
            glance=self._glance(),
        )
        if delta.reasons is not None:
            self._tell_reasons(delta.reasons)
        elif since < self._reasons_in:
            delta = msgspec.structs.replace(delta, reasons=self._reasons)
        return msgspec.json.encode(delta)

    def health(self) -> Health:
        """Tell how the run was at the last look."""
        assert self._report is not None  # noqa: S101  # it has begun
        run, totals = self._report.run, self._report.totals
        return Health(
            run.id, run.state, totals.servers, totals.collected, totals.failed, totals.pending,
            self.state.at,
        )  # fmt: skip

    def _glance(self) -> Glance | None:
        """Look at the run; there is nothing to see of one that nobody works on."""
        if self._now is None or not self._now.alive:
            return None
        glance = self._watch.glance(datetime.now(UTC), arrived=self._now.arrived)
        return msgspec.structs.replace(glance, projects=glance.projects[:FEW])

    def _told_projects(self, since: int, *, whole: bool) -> list[ProjectTotals] | None:
        if whole and self._report is not None:
            return self._report.projects
        return self._projects if since < self._projects_in else None

    def _tell_reasons(self, reasons: list[Reason]) -> None:
        """Note in which revision the reasons have changed: they are judged as they are told."""
        if reasons != self._reasons:
            self._reasons, self._reasons_in = reasons, self.revision.number

    def _tell_seldom(self, report: Report, number: int, now_s: float) -> None:
        """Note in which revision is told what is not told in each."""
        if now_s - self._seldom_s < SELDOM_S and len(self.state.servers) > FEW:
            return
        self._seldom_s, self._series_in = now_s, number
        if report.projects != self._projects:
            self._projects, self._projects_in = report.projects, number

    def _changes(self) -> list[int]:
        """Return the servers that have another row than at the last look."""
        now, before = self.state.servers, self._rows
        changed: list[int] = []
        for start in range(0, len(before), _AT_ONCE):  # other threads want their turn
            end = start + _AT_ONCE
            other = map(is_not, now[start:end], before[start:end])
            changed += compress(count(start), other)
        changed += range(len(before), len(now))
        if len(now) > len(before):
            self._changed_in.extend([0] * (len(now) - len(before)))
            self._grown_in = self.revision.number + 1
        self._rows = list(now)
        return changed


def _take_apart(page: Page) -> None:
    """Free a page piece by piece: to free it at once would keep other threads waiting."""
    for column in page.servers.__struct_fields__:
        values = getattr(page.servers, column)
        while values:
            del values[-_AT_ONCE:]
    while page.notes:
        page.notes.popitem()


class _Why(NamedTuple):
    """What servers may wait for, besides what they are told themselves."""

    alive: bool
    ended: RunEnded | None
    resumed: int
    down: frozenset[str]
