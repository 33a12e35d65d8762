"""`Paging`: a run's state, read as the types of a page, whole or as far as it has changed.

    paging = Paging(state)
    page = paging.page(report, series, made_at=..., directory=..., manifest_sha256=...)
    delta = paging.delta(report, revision=8, at=[3, 17])

Numbers of tags and of reasons stay the same from the first page of a `Paging` on, so a delta's rows
fit every page that it has made. All texts of a page become printable here, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from collector.model.rows import Phase
from collector.printable import one_line
from collector.report.advice import doable
from collector.report.headline import headline
from collector.report.page import PHASES, VERSION, Delta, Note, Page, Reason, Servers
from collector.report.reasons import Group, Grouping
from collector.report.words import waited

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.model.rows import ServerRow
    from collector.model.state import RunState
    from collector.report.building import Report
    from collector.report.glance import Glance
    from collector.report.manifest import Error, ProjectTotals
    from collector.report.page import Changes, Series

T = TypeVar("T")

LONGEST: Final = 2_000
"""Characters of a text that a page has; of longer ones it says how many there are."""

_MINUTE: Final = len("2026-11-23T08:41:")
"""Characters of a time that come before its seconds: few minutes are as many as many times."""
_PHASE: Final[Mapping[Phase, int]] = {
    Phase.QUEUED: PHASES.index("queued"),
    Phase.REQUESTED: PHASES.index("exporting"),
    Phase.EXPORTING: PHASES.index("exporting"),
    Phase.READY: PHASES.index("downloading"),
    Phase.COLLECTED: PHASES.index("collected"),
    Phase.FAILED: PHASES.index("failed"),
}
_QUEUED: Final = Phase.QUEUED


class Paging:
    """Makes pages of one run, and what has changed of them.

    Args:
        state: of a run that has begun. It may change between two calls, by events alone.
    """

    def __init__(self, state: RunState) -> None:
        if state.started is None:
            raise ValueError("a run that has not begun has no page")
        self._state = state
        self._origin = state.started.at
        self._began = datetime.fromisoformat(state.started.at)
        self._minutes: dict[str, float] = {}
        self._tags: dict[tuple[tuple[str, str], ...], int] = {}
        self._grouping: Grouping[int] = Grouping()
        self._groups: list[Group[int]] = []
        self._numbers: dict[int, int] = {}
        self._reasons: dict[int, int] = {}
        self._is_ordered = False

    def page(
        self,
        report: Report,
        series: Series,
        *,
        made_at: str,
        directory: str,
        manifest_sha256: str | None,
        damage: str | None = None,
        changes: Changes | None = None,
        glance: Glance | None = None,
    ) -> Page:
        """Make the page of the run as it now stands.

        Args:
            report: of the state as it now is.
            series: of what happened over time.
            made_at: the time now.
            directory: the run's, as a person would write it.
            manifest_sha256: of the manifest beside it; None where there is none.
            damage: what of the journal could not be read; None where all could.
            changes: since another run.
            glance: of a run that goes on.
        """
        everyone = range(len(self._state.servers))
        notes = self._judge(report, everyone)
        self._order_reasons()
        return Page(
            version=VERSION,
            made_at=made_at,
            collector=_printable(report.collector.version),
            origin=self._origin,
            directory=_printable(directory),
            manifest_sha256=manifest_sha256,
            headline=_printable(_headline(report, damage)),
            run=_printable(report.run),
            totals=report.totals,
            projects=_printable(report.projects),
            servers=self._servers(everyone),
            tags=[_printable(dict(tags)) for tags in self._tags],
            reasons=self._all_reasons(),
            notes=notes,
            series=_printable(series),
            changes=_printable(changes),
            glance=_printable(glance),
            last_event_at=self._state.at,
        )

    def delta(
        self,
        report: Report,
        *,
        revision: int,
        at: Iterable[int],
        projects: list[ProjectTotals] | None = None,
        series: Series | None = None,
        glance: Glance | None = None,
    ) -> Delta:
        """Make what has changed of the pages that were made.

        Args:
            report: of the state as it now is.
            revision: the number of this change.
            at: the servers that have changed, by their numbers.
            projects: all of them, where they have changed; `series` and `glance` likewise.
            series: as above.
            glance: as above.
        """
        changed = list(at)
        before = self._all_reasons()
        notes = self._judge(report, changed)
        reasons = self._all_reasons()
        return Delta(
            revision=revision,
            at=changed,
            rows=self._servers(changed),
            notes=notes,
            headline=_printable(_headline(report)),
            run=_printable(report.run),
            totals=report.totals,
            projects=_printable(projects),
            reasons=None if reasons == before else reasons,
            series=_printable(series),
            glance=_printable(glance),
            last_event_at=self._state.at,
        )

    def _judge(self, report: Report, at: Iterable[int]) -> dict[str, Note]:
        """Find out why servers are not collected; return what each of them was told."""
        notes: dict[str, Note] = {}
        rows = self._state.servers
        for number in at:
            self._reasons.pop(number, None)
            if rows[number].phase is Phase.COLLECTED:
                continue
            server = report.server(number)
            error = server.latest_error
            if error is None and server.waiting is not None and server.waiting.reason is None:
                continue  # its turn has not come
            group = self._grouping.add(server, number)
            if group is not None:
                group.members.clear()  # they are counted by `_reasons`
                self._reasons[number] = self._number_of(group)
                if error is not None:
                    notes[str(number)] = _note(error)
        return notes

    def _number_of(self, group: Group[int]) -> int:
        number = self._numbers.setdefault(id(group), len(self._groups))
        if number == len(self._groups):
            self._groups.append(group)
        return number

    def _order_reasons(self) -> None:
        """Put reasons in order before the first page: failures first, the most frequent first."""
        if self._is_ordered:
            return
        self._is_ordered = True
        counts = Counter(self._reasons.values())
        groups = self._groups
        order = sorted(
            range(len(groups)), key=lambda one: (groups[one].state != "failed", -counts[one])
        )
        place = {before: now for now, before in enumerate(order)}
        self._groups = [groups[one] for one in order]
        self._numbers = {id(group): number for number, group in enumerate(self._groups)}
        self._reasons = {server: place[one] for server, one in self._reasons.items()}

    def _all_reasons(self) -> list[Reason]:
        counts = Counter(self._reasons.values())
        argv = self._state.started.argv if self._state.started else ()
        return [
            Reason(
                group.state,
                group.stage,
                group.code and _printable(group.code),
                group.http_status,
                _printable(group.message or f"pending {waited(group.waits_for)}"),
                _printable(doable(group.hint, argv)),
                counts[number],
            )
            for number, group in enumerate(self._groups)
        ]

    def _servers(self, at: Iterable[int]) -> Servers:
        """Make columns of servers, of which there may be 100,000."""
        rows = list(map(self._state.servers.__getitem__, at))
        moments = list(map(self._moments, rows))
        archives = [row.archive for row in rows]
        exports = [None if row.phase is _QUEUED else row.export for row in rows]
        return Servers(
            project=[row.project for row in rows],
            id=_texts([row.selected.id for row in rows]),
            name=_texts([row.selected.name for row in rows]),
            tags=[self._tags_of(row) for row in rows],
            phase=[_PHASE[row.phase] for row in rows],
            requested=[requested for requested, _, _ in moments],
            completed=[completed for _, completed, _ in moments],
            ended=[ended for _, _, ended in moments],
            bytes=[None if one is None else one.bytes for one in archives],
            members=[None if one is None else one.members for one in archives],
            polls=[row.polls for row in rows],
            attempts=[row.posts for row in rows],
            reused=[int(export is not None and export.reused is not None) for export in exports],
            reason=list(map(self._reasons.get, (row.server for row in rows))),
            path=[None if one is None else one.path for one in archives],
        )

    def _moments(self, row: ServerRow) -> tuple[float | None, float | None, float | None]:
        """Return when the latest export was asked for, when it was completed, and the end."""
        since, export, ended = self._since, row.export, row.archive or row.failure
        ended_s = None if ended is None else since(ended.at)
        if row.phase is _QUEUED:
            return None, None, ended_s
        asked_at = row.requested_at
        if export is None:
            return None if asked_at is None else since(asked_at), None, ended_s
        if asked_at is not None and asked_at > export.requested_at and export.reused is None:
            return since(asked_at), None, ended_s  # one whose id is not known yet
        completed_s = None if export.completed_at is None else since(export.completed_at)
        return since(export.requested_at), completed_s, ended_s

    def _since(self, at: str) -> float:
        """Return when something was, in seconds since the run's start."""
        minute = at[:_MINUTE]
        minute_s = self._minutes.get(minute)
        if minute_s is None:
            minute_s = (datetime.fromisoformat(f"{minute}00Z") - self._began).total_seconds()
            self._minutes[minute] = minute_s
        return round(minute_s + float(at[_MINUTE:-1]), 1)

    def _tags_of(self, row: ServerRow) -> int:
        tags = row.selected.tags
        key = tuple(tags.items())
        known = self._tags.get(key)
        return known if known is not None else self._tags.setdefault(key, len(self._tags))


def _note(error: Error) -> Note:
    request_id = error.request_id and _printable(error.request_id)
    return Note(_printable(error.message), request_id, error.attempts)


def _printable(value: T) -> T:
    """Make all texts in a value printable, and cut those that nobody reads to their end."""
    made: Any = value
    if isinstance(value, str):
        made = _text(value)
    elif isinstance(value, list | tuple):
        made = type(value)(map(_printable, value))
    elif isinstance(value, dict):
        made = dict(map(_printable, value.items()))
    elif isinstance(value, msgspec.Struct):
        members = msgspec.structs.asdict(value)
        made = type(value)(**dict(zip(members, map(_printable, members.values()), strict=True)))
    return cast("T", made)


def _texts(texts: list[str]) -> list[str]:
    """Make many texts printable, most of which are."""
    return [
        text if len(text) <= LONGEST and text.isascii() and text.isprintable() else _text(text)
        for text in texts
    ]


def _text(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text)} characters)"
    return one_line(text)


def _headline(report: Report, damage: str | None = None) -> str:
    """Return the verdict, and how much of the journal it is of."""
    said = headline(report.run, report.totals, report.unlisted)
    if damage is None:
        return said
    return f"{said} The journal is damaged ({damage}): this is the run up to there."
