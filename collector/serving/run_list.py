"""The runs under a directory, listed anew now and then: a run that has not changed is not read."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import anyio
import msgspec

from collector import threads
from collector.errors import CollectorError
from collector.printable import one_line
from collector.report.manifest import RunTotals, RunWord
from collector.report.times import written
from collector.rundir import standing
from collector.rundir.layout import JOURNAL, MANIFEST, runs_under
from collector.rundir.lock import is_held

if TYPE_CHECKING:
    from pathlib import Path


FRESH_S: Final = 2.0
"""How old a list may be."""
_LONGEST: Final = 200


class Row(msgspec.Struct, frozen=True):
    """A run as the list shows it: where it cannot be read, there are no totals."""

    name: str
    url: str
    state: RunWord
    started_at: str | None
    finished_at: str | None
    totals: RunTotals | None


class Listed(msgspec.Struct, frozen=True):
    """What is served of the runs under a directory; `problem` is why there are none."""

    directory: str
    at: str
    runs: list[Row]
    problem: str | None = None


class _Stamp(NamedTuple):
    """What changes where a run has."""

    alive: bool
    files: tuple[tuple[int, int, int] | None, ...]


class RunList:
    """The runs under a directory.

    Args:
        out: the directory; it may come to be later.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, tuple[_Stamp, standing.Listed]] = {}
        self._listed: Listed | None = None
        self._listed_s = 0.0
        self._one_at_a_time = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)

    async def listed(self) -> Listed:
        """List the runs, the latest first."""
        async with self._one_at_a_time:
            if self._listed is None or time.monotonic() - self._listed_s >= FRESH_S:
                self._listed = await threads.run_sync(self._list, limiter=self._thread)
                self._listed_s = time.monotonic()
            return self._listed

    async def find(self, quoted: str) -> Path | None:
        """Return the directory of the run with this name, as it stands in a URL; None if none has.

        The name is compared with those that are there, and never made part of a path before that.
        """
        name = os.fsdecode(unquote_to_bytes(quoted))
        found = await threads.run_sync(self._directories, limiter=self._thread)
        return next((directory for directory in found if directory.name == name), None)

    def _directories(self) -> list[Path]:
        try:
            return runs_under(self._out)
        except CollectorError:
            return []

    def _list(self) -> Listed:
        """Read what has changed. For the thread."""
        at = written(datetime.now(UTC))
        shown = _shown(str(self._out))
        try:
            directories = runs_under(self._out)
        except CollectorError as error:
            return Listed(shown, at, [], _shown(str(error)))
        self._known = {one.name: self._look(one) for one in directories}
        rows = [_row(directory, self._known[directory.name][1]) for directory in directories]
        rows.sort(key=lambda row: (row.started_at or "", row.name), reverse=True)
        return Listed(shown, at, rows)

    def _look(self, directory: Path) -> tuple[_Stamp, standing.Listed]:
        stamp = _Stamp(_is_held(directory), tuple(map(_stamp, _files(directory))))
        known = self._known.get(directory.name)
        if known is not None and known[0] == stamp:
            return known
        return stamp, standing.line_of(directory, may_lag=True)


def url_of(directory: Path) -> str:
    """Return where a run's page is, from the list's."""
    return f"runs/{named_in_url(directory)}/"


def named_in_url(directory: Path) -> str:
    """Return the one way in which this program writes a run's name in a URL."""
    return quote(os.fsencode(directory.name), safe="")


def _row(directory: Path, listed: standing.Listed) -> Row:
    line = listed.line
    return Row(
        name=_shown(directory.name),
        url=url_of(directory),
        state=line.state,
        started_at=line.started_at,
        finished_at=listed.finished_at,
        totals=line.totals,
    )


def _shown(text: str) -> str:
    """Make a name printable: it is a directory's, and may be anything."""
    return one_line(os.fsencode(text).decode("utf-8", "backslashreplace"))[: 5 * _LONGEST]


def _files(directory: Path) -> tuple[Path, Path]:
    return directory / JOURNAL, directory / MANIFEST


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_held(directory: Path) -> bool:
    try:
        return is_held(directory / JOURNAL)
    except OSError:
        return False
