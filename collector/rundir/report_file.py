"""`report.html`: a run as a page, written into its directory.

It is a view of the journal, and anybody who may write there may make it anew, at any time, also
while another process holds the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.errors import CollectorError
from collector.pages import render
from collector.report.comparing import changes
from collector.report.paging import Paging
from collector.report.series import Follower
from collector.rundir import cycles
from collector.rundir.earlier import last_run, named_run
from collector.rundir.layout import REPORT
from collector.rundir.replacing import replace
from collector.rundir.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from collector.model.state import RunState
    from collector.report.building import Report
    from collector.report.page import Page, Series
    from collector.rundir.journal.reading import Damage
    from collector.rundir.replacing import Replaced
    from collector.rundir.standing import Standing


class Abandoned(Exception):  # noqa: N818  # nothing has gone wrong
    """A report was not written to its end, since nobody waits for it any more."""


def report_of(
    directory: Path, *, at: str, compare: Path | None = None
) -> tuple[Standing, Replaced]:
    """Write the report of a run anew, from its journal alone.

    Args:
        directory: the run's, as `find_run` returns it.
        at: the time now.
        compare: another run's directory; by default the last one of the same servers.

    Returns:
        How the run stands, and the file.

    Raises:
        CollectorError: there is no journal that can be read, its run never began, the other run
            cannot be read, or the report cannot be written.
    """
    follower = Follower()
    with cycles.not_looked_for():
        found = standing(directory, follower.follow)
        page = made(
            found.state,
            found.report,
            follower.series(),
            directory,
            at=at,
            manifest_sha256=found.manifest_sha256,
            damage=found.damage,
            compare=compare,
        )
        try:
            return found, written(page, directory)
        except OSError as error:
            raise unwritten(directory, error) from error


def made(
    state: RunState,
    report: Report,
    series: Series,
    directory: Path,
    *,
    at: str,
    manifest_sha256: str | None,
    damage: Damage | None = None,
    compare: Path | None = None,
) -> Page:
    """Make the page of a run, compared with another one.

    Args:
        state: of the run.
        report: of the same.
        series: what happened over time.
        directory: the run's.
        at: the time now.
        manifest_sha256: of the manifest beside it; None where there is none.
        damage: where its journal stops being one; None where it is whole.
        compare: as for `report_of`.

    Raises:
        CollectorError: the other run cannot be read.
    """
    with cycles.not_looked_for():
        other = named_run(compare) if compare is not None else last_run(directory, state)
        return Paging(state).page(
            report,
            series,
            made_at=at,
            directory=str(directory.resolve()),
            manifest_sha256=manifest_sha256,
            damage=None if damage is None else f"line {damage.line}: {damage.what}",
            changes=None if other is None else changes(state, other),
        )


def written(page: Page, directory: Path, go_on: Callable[[], bool] = lambda: True) -> Replaced:
    """Write a page as a run's report.

    Args:
        page: of the run.
        directory: the run's.
        go_on: whether somebody still waits for it.

    Raises:
        OSError: it cannot be written; the one before stays.
        Abandoned: nobody waits for it; the one before stays.
    """

    def pieces() -> Iterator[bytes]:
        for piece in render.pieces(page):
            if not go_on():
                raise Abandoned
            yield piece

    return replace(directory / REPORT, pieces())


def unwritten(directory: Path, error: OSError) -> CollectorError:
    """Say that a report cannot be written, and what to do."""
    return CollectorError(
        f"cannot write {error.filename or directory / REPORT}: {error.strerror}; free up space or "
        f"make the directory writable, then `collector report` makes it"
    )
