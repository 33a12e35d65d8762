"""How a run stands, running or not: what `status` and `runs` tell of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.errors import CollectorError
from collector.run.layout import JOURNAL, MANIFEST, runs_under
from collector.run.lock import is_held
from collector.run.reading import Reading, fold
from collector.run.summary import summary

if TYPE_CHECKING:
    from pathlib import Path

    from collector.engine.state import RunState
    from collector.run.reading import Damage


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as its journal tells of it now.

    Attributes:
        directory: the run's.
        state: the fold of the journal.
        lines, head: of the journal.
        alive: a process holds the run.
        damage: where the journal stops being one; None where it is whole.
    """

    directory: Path
    state: RunState
    lines: int
    head: str
    alive: bool
    damage: Damage | None

    def summary(self) -> dict[str, Any]:
        """Make what `--json` prints of it.

        Raises:
            CollectorError: the manifest is there and cannot be read.
        """
        return summary(
            self.state,
            self.directory,
            lines=self.lines,
            head=self.head,
            manifest_sha256=_sha256(self.directory / MANIFEST),
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
        raise CollectorError(f"{directory} {what}: its journal has no first line")
    # Whoever holds the run may be writing a line right now.
    damage = None if alive and reading.damage and reading.damage.torn else reading.damage
    return Standing(directory, state, reading.lines, reading.head, alive, damage)


def overview(out: Path) -> list[dict[str, Any]]:
    """List the runs under an output directory: id, state, started_at and totals of each, by name.

    A run that ended is read from its manifest, any other from its journal. Of a run of which
    neither can be read, the totals are null.

    Raises:
        CollectorError: `out` cannot be listed.
    """
    return [_from_manifest(directory) or _from_journal(directory) for directory in runs_under(out)]


def _from_manifest(directory: Path) -> dict[str, Any] | None:
    """Read a run's line from its manifest, if that can be trusted to be the latest."""
    try:
        if _is_alive(directory):
            return None
        document = json.loads((directory / MANIFEST).read_bytes())
        run, totals = document["run"], document["totals"]
        if run["state"] == "running":
            return None
        return _line(run["id"], run["state"], run["started_at"], totals)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None  # the journal knows


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


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CollectorError(f"cannot read {path}: {error.strerror}") from error
