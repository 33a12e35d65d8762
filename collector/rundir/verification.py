"""`verify`: whether a run is whole, unchanged and consistent."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.archive.local import LocalDirectory
from collector.archive.names import PART, REJECTED
from collector.errors import CollectorError
from collector.rundir.agreement import disagreements
from collector.rundir.archives import stored_archives
from collector.rundir.layout import JOURNAL, MANIFEST, MEMBERS, REPORT, SHA256SUMS, find_run
from collector.rundir.members import count
from collector.rundir.records import Mismatch, RecordedArchive, read_records, shown
from collector.rundir.rereading import Checked, examined
from collector.rundir.tree import Entry, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from collector.archive.destination import Destination, OpenDestination
    from collector.model.state import RunState
    from collector.rundir.records import Records

__all__ = ["Checked", "Mismatch", "Verification", "verify"]

LINES_SPARE = 100_000
"""How much more than the records say is read of a list of members."""

_RUN_FILES = frozenset({JOURNAL, MANIFEST, MEMBERS, REPORT, SHA256SUMS})
_DAMAGED = re.compile(r"journal\.damaged-\d+\.jsonl")
_KINDS = {
    "link": ("link", "no links in a run"),
    "special": ("special file", "only files and directories"),
    "unreadable": ("unreadable", "a readable directory"),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        archives: how many archives are whole and unchanged, each read to its end.
        bytes: the size of these.
        mismatches: everything that is wrong.
        notes: worth knowing, but not wrong: that a killed run's manifest lags, say.
        servers: how many servers the run has, according to its journal.
        missing: how many of them are not collected.
    """

    archives: int
    bytes: int
    mismatches: tuple[Mismatch, ...]
    notes: tuple[str, ...]
    servers: int
    missing: int

    @property
    def ok(self) -> bool:
        """Whether there is no mismatch."""
        return not self.mismatches


def verify(
    run_dir: Path,
    *,
    destination: OpenDestination = LocalDirectory,
    progress: Callable[[Checked], None] | None = None,
) -> Verification:
    """Read every archive of a run, and compare its records with each other and the tree.

    Nothing is changed. The run may be running: what it has stored so far is checked. Memory grows
    with the number of servers, not with the size of their archives.

    Args:
        run_dir: the run's directory, or a link to it.
        destination: where its archives are kept, as the run was told.
        progress: is told now and then how far it is, in this thread.

    Raises:
        CollectorError: it is no run's directory, a newer version wrote it, a provider of it is not
            installed, or its archives cannot be listed.
    """
    directory = find_run(run_dir)
    with contextlib.closing(destination(directory)) as kept:
        return _verified(directory, kept, progress)


def _verified(
    directory: Path, destination: Destination, progress: Callable[[Checked], None] | None
) -> Verification:
    mismatches: list[Mismatch] = []
    notes: list[str] = []
    entries = [*walk(directory), *_entries_of(destination)]
    records = read_records(directory, len(entries), mismatches, notes)
    mismatches += disagreements(records, notes)
    recorded = _recorded(records)
    mismatches += _unknown_files(entries, recorded, records.state, notes)
    archives = size = 0
    stored = stored_archives(records.state, destination)
    for archive, wrong in examined(recorded.values(), stored, progress):
        mismatches += wrong
        if not wrong:
            archives += 1
            size += archive.bytes or stored.size(archive.path) or 0
    reported = {mismatch.path for mismatch in mismatches}
    mismatches += _member_mismatches(directory, recorded, records, reported, notes)
    servers = len(records.state.servers)
    missing = servers - records.state.collected
    shown_mismatches = tuple(map(_shown, mismatches))
    return Verification(archives, size, shown_mismatches, tuple(notes), servers, missing)


def _entries_of(destination: Destination) -> Iterator[Entry]:
    """List what is kept outside of the run's directory."""
    try:
        yield from (Entry(path, "file") for path in destination.entries())
    except OSError as error:
        raise CollectorError(f"cannot list the run's archives: {error.strerror}") from error


def _shown(one: Mismatch) -> Mismatch:
    return Mismatch(
        str(shown(one.path)), str(shown(one.what)), shown(one.expected), shown(one.found)
    )


def _recorded(records: Records) -> dict[str, RecordedArchive]:
    """Gather the expected archives by path; only from the journal, unless it is damaged."""
    recorded = {
        row.archive.path: RecordedArchive(
            row.archive.path, row.archive.sha256, row.archive.bytes, row.archive.members
        )
        for row in records.state.servers
        if row.archive is not None
    }
    if not records.whole:
        for archive in records.manifest.recorded() if records.manifest else ():
            recorded.setdefault(archive.path, archive)
        for path, sha256 in (records.sums or {}).items():
            recorded.setdefault(path, RecordedArchive(path, sha256))
    return recorded


def _member_mismatches(
    directory: Path,
    recorded: dict[str, RecordedArchive],
    records: Records,
    reported: set[str],
    notes: list[str],
) -> Iterator[Mismatch]:
    """Compare the number of listed members with that of each archive.

    Paths already reported (`reported`) are skipped.
    """
    if MEMBERS in reported:
        return  # a link or a special file
    try:
        listed, torn = count(directory / MEMBERS, _lines_expected(recorded, records))
    except FileNotFoundError:
        if recorded:  # as in runs of versions that listed none
            notes.append(f"{MEMBERS} is missing: the contents of the archives are not listed")
        return
    except OSError as error:
        yield Mismatch(MEMBERS, "unreadable", "a readable file", error.strerror)
        return
    if torn and records.ended:  # a killed run's list may be torn
        yield Mismatch(MEMBERS, "gzip", "a complete list of members", torn)
        return
    lags = torn is not None
    for archive in sorted((recorded.keys() | listed.keys()) - reported):
        one = recorded.get(archive)
        expected = one.members if one is not None else 0
        if expected in (None, listed[archive]):
            continue
        if _may_lag(records, archive, listed[archive]):
            lags = True
        else:
            yield Mismatch(MEMBERS, f"members of {archive}", expected, listed[archive])
    if lags:
        notes.append(f"{MEMBERS} is behind the journal; a resume brings it up to date")


def _lines_expected(recorded: dict[str, RecordedArchive], records: Records) -> int:
    """Return how many lines of a list of members to read."""
    told = [*recorded.values(), *records.stored]
    return LINES_SPARE + sum(max(0, one.members or 0) for one in told)


def _may_lag(records: Records, archive: str, listed: int) -> bool:
    """Whether the list may rightly lag behind for this archive.

    A running run may have listed more since its journal was read. A run that awaits a resume may
    lack lines that a kill prevented.
    """
    if records.ended:
        return bool(records.state.pending) and listed == 0
    return records.held or archive in records.paths


def _unknown_files(
    entries: Iterable[Entry],
    recorded: dict[str, RecordedArchive],
    state: RunState,
    notes: list[str],
) -> Iterator[Mismatch]:
    """Find what should not be in the tree."""
    pending = {row.directory for row in state.servers if not row.phase.ended}
    for entry in entries:
        path = entry.path
        if _DAMAGED.fullmatch(path) and entry.kind == "file":
            notes.append(f"{path} is the journal as it was before a resume repaired it")
        elif path.endswith((PART, REJECTED)):
            notes.append(f"{path} is unfinished and does not count as collected")
        elif entry.kind in _KINDS:
            what, expected = _KINDS[entry.kind]
            yield Mismatch(path, what, expected, entry.kind)
        elif path in _RUN_FILES or path in recorded:
            continue
        elif path.rpartition("/")[0] in pending:
            notes.append(f"{path} was not recorded before the run stopped; a resume cleans it up")
        elif state.repairs and entry.kind == "file":
            notes.append(f"{path} may be from the damaged part of the journal")
        else:
            yield Mismatch(path, "unknown file", None, "a file that no record lists")
