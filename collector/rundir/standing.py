"""How a run stands, running or not: what `status` and `runs` tell of it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector import files
from collector.errors import CollectorError
from collector.rundir.journal.reading import Reading, fold
from collector.rundir.layout import JOURNAL, LARGEST_MANIFEST, MANIFEST, runs_under
from collector.rundir.lock import is_held
from collector.rundir.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.model.state import RunState
    from collector.rundir.journal.reading import Damage


_OPENING = 4 << 20
"""Bytes that a manifest begins with, before its projects."""
_OVER = ("complete", "partial", "failed", "interrupted", "deadline")
_SHOWN = ("servers", "collected", "bytes")
_COUNTERS = ("exact", "at_least")
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

    def summary(self) -> dict[str, Any]:
        """Make what `--json` prints of it."""
        return summary(
            self.state,
            self.directory,
            lines=self.lines,
            head=self.head,
            manifest_sha256=self.manifest_sha256,
            alive=self.alive,
        )


def standing(directory: Path) -> Standing:
    """Read how a run stands from its journal, whoever may be writing it.

    Args:
        directory: the run's, as `find_run` returns it.

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
    state = fold(reading)
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
        sha256 = _sha256(directory / MANIFEST)
    except FileNotFoundError:
        pass
    except OSError as error:
        unreadable = f"cannot read {directory / MANIFEST}: {error.strerror}"
    return Standing(
        directory, state, reading.lines, reading.head, alive, damage, sha256, unreadable
    )


def overview(out: Path) -> list[dict[str, Any]]:
    """List the runs under an output directory, the oldest first: id, state, started_at, totals.

    A run that ended is read from its manifest, any other from its journal. Of a run of which
    neither can be read, the totals are null.

    Raises:
        CollectorError: `out` cannot be listed.
    """
    runs = [_from_manifest(directory) or _from_journal(directory) for directory in runs_under(out)]
    return sorted(runs, key=_began)


def _began(run: Mapping[str, Any]) -> str:
    """Return when a run began as ids tell it; a person may have chosen another id."""
    at: str = run["started_at"] or run["id"]
    return at if run["started_at"] is None else at.replace("-", "").replace(":", "")


def _from_manifest(directory: Path) -> dict[str, Any] | None:
    """Read a run's line from its manifest, if that can be trusted to be the latest."""
    try:
        if _is_alive(directory):
            return None
        run, totals = _opening(directory / MANIFEST)
        line = _line(run["id"], run["state"], run["started_at"], totals)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None  # the journal knows
    return line if _is_believable(line) else None


def _opening(path: Path) -> tuple[Any, Any]:
    """Read what a manifest says of its run: what comes before the projects, where it is ours."""
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # of a descriptor
        beginning = file.read(_OPENING + 1)
    before, found, _ = beginning.partition(b'\n "projects": [')
    if not found and len(beginning) > _OPENING:
        raise OSError(errno.EFBIG, "it does not begin as a manifest does", str(path))
    document = json.loads(before + b'"projects": []}' if found else beginning)
    return document["run"], document["totals"]


def _is_believable(line: dict[str, Any]) -> bool:
    """Whether a manifest's words on a run that is over can be shown as they are."""
    id_, totals = line["id"], line["totals"]
    started = line["started_at"]
    return (
        isinstance(id_, str)
        and 0 < len(id_) <= _LONGEST_NAME
        and id_.isprintable()
        and line["state"] in _OVER
        and isinstance(started, str)
        and len(started) <= _LONGEST_NAME
        and started.isprintable()
        and isinstance(totals, dict)
        and len(totals) <= _LONGEST_NAME
        and all(map(_is_count, map(totals.get, _SHOWN)))
        and all(value in _COUNTERS or _is_count(value) for value in totals.values())
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_COUNT


def _from_journal(directory: Path) -> dict[str, Any]:
    try:
        told = standing(directory).summary()
    except CollectorError:
        return _line(
            directory.name, "running" if _is_alive(directory) else "interrupted", None, None
        )
    return _line(told["run"]["id"], told["run"]["state"], told["run"]["started_at"], told["totals"])


def _is_alive(directory: Path) -> bool:
    try:
        return is_held(directory / JOURNAL)
    except OSError:
        return False


def _line(
    id_: str, state: str, started_at: str | None, totals: dict[str, Any] | None
) -> dict[str, Any]:
    return {"id": id_, "state": state, "started_at": started_at, "totals": totals}


def _sha256(path: Path) -> str:
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # of a descriptor
        if os.fstat(file.fileno()).st_size > LARGEST_MANIFEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST_MANIFEST} bytes", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()
