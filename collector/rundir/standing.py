"""How a run stands, running or not: what `status` and `runs` tell of it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from msgspec import Meta

from collector import files
from collector.errors import CollectorError
from collector.model.state import RunState
from collector.report.building import Report
from collector.report.manifest import RunTotals, RunWord
from collector.report.summary import RunLine
from collector.report.times import seconds_between
from collector.rundir.journal.reading import Reading, fold
from collector.rundir.layout import JOURNAL, LARGEST_MANIFEST, MANIFEST, runs_under
from collector.rundir.lock import is_held

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.model.events import Event
    from collector.report.glance import Glance
    from collector.report.summary import Summary
    from collector.rundir.journal.reading import Damage


_OPENING = 4 << 20
"""Bytes that a manifest begins with, before its projects."""
_LONGEST_NAME = 255
_LARGEST_COUNT = 1 << 60


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as its journal tells of it now.

    Attributes:
        directory: the run's.
        state: the fold of the journal.
        lines, head: of the journal.
        alive: a process holds the run.
        damage: where the journal stops being one; None where it is whole.
        manifest_sha256: of the manifest; None where there is none that can be read.
        unreadable: why the manifest that is there cannot be read; None where it can.
    """

    directory: Path
    state: RunState
    lines: int
    head: str
    alive: bool
    damage: Damage | None
    manifest_sha256: str | None
    unreadable: str | None

    @property
    def report(self) -> Report:
        """The run as its journal tells of it."""
        return Report(self.state, lines=self.lines, head=self.head, alive=self.alive)

    def summary(self) -> Summary:
        """Make what `--json` prints of it."""
        return self.report.summary(self.directory, self.manifest_sha256)


def standing(
    directory: Path,
    each: Callable[[Event], None] | None = None,
    state: RunState | None = None,
) -> Standing:
    """Read how a run stands from its journal, whoever may be writing it.

    Args:
        directory: the run's, as `find_run` returns it.
        each: is called with every event.
        state: an empty one to fold the journal into, where `each` looks at it.

    Raises:
        CollectorError: there is no journal, it cannot be read, or its run never began.
    """
    path = directory / JOURNAL
    try:
        alive = is_held(path)  # asked first: a run that ends meanwhile says so itself
    except OSError as error:
        raise CollectorError(
            f"cannot read {path}: {error.strerror}; `collector verify` says what of it is whole"
        ) from error
    reading = Reading(path)
    state = fold(reading, each, state)
    if state.started is None:
        what = "is about to begin; look again" if alive else "was stopped before it began"
        why = "has no first line"
        if reading.damage is not None and not reading.damage.torn:
            what, why = "cannot be read", f"is damaged in line 1: {reading.damage.what}"
        raise CollectorError(f"{directory} {what}: its journal {why}")
    # Whoever holds the run may be writing a line right now.
    damage = None if alive and reading.damage and reading.damage.torn else reading.damage
    sha256 = unreadable = None
    try:
        sha256 = manifest_sha256(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        unreadable = f"cannot read {directory / MANIFEST}: {error.strerror}"
    return Standing(
        directory, state, reading.lines, reading.head, alive, damage, sha256, unreadable
    )


def looked_at(directory: Path) -> tuple[Standing, Glance | None]:
    """Read how a run stands, and look at one that goes on; None at any other.

    Rates are made of several looks: at the run as it was each time that its calls were counted
    lately, and as it is now.

    Raises:
        CollectorError: as for `standing`.
    """
    if not is_alive(directory):
        return standing(directory), None
    from collector.report.glance import Watch  # noqa: PLC0415  # nobody works on most runs
    from collector.report.rates import recently  # noqa: PLC0415  # as above

    state, recent = RunState(), recently(datetime.now(UTC))
    watch = Watch(state)

    def look(event: Event) -> None:
        if event.at >= recent:
            watch.follow(event)

    found = standing(directory, look, state)
    goes_on = found.alive and state.ended is None
    return found, watch.glance(datetime.now(UTC)) if goes_on else None


def overview(out: Path) -> list[RunLine]:
    """List the runs under an output directory, the oldest first.

    A run that ended is read from its manifest, any other from its journal. Of a run of which
    neither can be read, the totals are null.

    Raises:
        CollectorError: `out` cannot be listed.
    """
    return sorted((line_of(directory).line for directory in runs_under(out)), key=_began)


class Listed(NamedTuple):
    """A run as it is listed, and when it was over; None of one that goes on, or was killed."""

    line: RunLine
    finished_at: str | None


def line_of(directory: Path, *, may_lag: bool = False) -> Listed:
    """Tell of a run as `overview` does.

    Args:
        directory: the run's.
        may_lag: a run that goes on is read from its manifest too, which is quicker, and some
            seconds old.
    """
    return _from_manifest(directory, may_lag=may_lag) or _from_journal(directory)


def _began(run: RunLine) -> str:
    """Return when a run began as ids tell it; a person may have chosen another id."""
    at = run.started_at
    return run.id if at is None else at.replace("-", "").replace(":", "")


class _Beginning(msgspec.Struct, frozen=True):
    """What `runs` shows of a manifest's `run`: a newer version may say more."""

    id: Annotated[str, Meta(min_length=1, max_length=_LONGEST_NAME)]
    state: RunWord
    started_at: Annotated[str, Meta(max_length=_LONGEST_NAME)]
    finished_at: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None
    resumed: Annotated[int, Meta(ge=0, le=_LARGEST_COUNT)] | None = None


class _Opening(msgspec.Struct, frozen=True):
    """What comes before a manifest's projects, as far as `runs` shows it."""

    run: _Beginning
    totals: RunTotals


def _from_manifest(directory: Path, *, may_lag: bool) -> Listed | None:
    """Read a run's line from its manifest, if that can be trusted to be the latest."""
    try:
        alive = is_alive(directory)
        if alive and not may_lag:
            return None
        found = _opening(directory / MANIFEST)
    except (OSError, ValueError, RecursionError):
        return None  # the journal knows
    run = found.run
    if not _is_believable(found) or (run.state == "running") is not alive:
        return None
    took_s = seconds_between(run.started_at, run.finished_at) if run.finished_at else None
    line = RunLine(
        run.id, run.state, run.started_at, found.totals, run.finished_at, took_s, run.resumed
    )
    return Listed(line, run.finished_at)


def _opening(path: Path) -> _Opening:
    """Read what a manifest says of its run: what comes before the projects, where it is ours.

    Raises:
        ValueError: it says something else.
    """
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # of a descriptor
        beginning = file.read(_OPENING + 1)
    before, found, _ = beginning.partition(b'\n "projects": [')
    if not found and len(beginning) > _OPENING:
        raise OSError(errno.EFBIG, "it does not begin as a manifest does", str(path))
    document = json.loads(before + b'"projects": []}' if found else beginning)
    return msgspec.convert(document, _Opening)


def _is_believable(found: _Opening) -> bool:
    """Whether a manifest's words on a run can be shown as they are."""
    counts = (value for value in msgspec.structs.astuple(found.totals) if isinstance(value, int))
    return (
        found.run.id.isprintable()
        and found.run.started_at.isprintable()
        and (found.run.finished_at or "").isprintable()
        and max(counts) <= _LARGEST_COUNT
    )


def _from_journal(directory: Path) -> Listed:
    try:
        report = standing(directory).report
    except CollectorError:
        state: RunWord = "running" if is_alive(directory) else "interrupted"
        return Listed(RunLine(directory.name, state, None, None), None)
    return Listed(report.line(), report.run.finished_at)


def is_alive(directory: Path) -> bool:
    """Whether a process holds a run; of one that cannot be looked at, nobody knows."""
    try:
        return is_held(directory / JOURNAL)
    except OSError:
        return False


def manifest_sha256(directory: Path) -> str:
    """Return the hash of a run's manifest.

    Raises:
        OSError: there is none, or it cannot be read, or is larger than any.
    """
    path = directory / MANIFEST
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # of a descriptor
        if os.fstat(file.fileno()).st_size > LARGEST_MANIFEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST_MANIFEST} bytes", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()
