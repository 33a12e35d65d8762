"""`verify`: whether a run is whole, unchanged and consistent."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import files
from collector.archive.errors import ArchiveError
from collector.archive.names import PART, REJECTED
from collector.archive.targz.reader import examine
from collector.rundir.agreement import disagreements
from collector.rundir.layout import JOURNAL, MANIFEST, MEMBERS, SHA256SUMS, find_run
from collector.rundir.members import count
from collector.rundir.records import Claim, Mismatch, claims_of, read_records, shown
from collector.rundir.tree import regular_size, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from collector.model.state import RunState
    from collector.rundir.records import Records
    from collector.rundir.tree import Entry

__all__ = ["Mismatch", "Verification", "verify"]

THREADS = min(4, max(2, os.cpu_count() or 2))
"""Archives read at once; inflating and hashing release the GIL."""

LINES_SPARE = 100_000
SPARE_BYTES = 1 << 20
"""How much more than the records say is read of a list of members, and of an archive."""

_RUN_FILES = frozenset({JOURNAL, MANIFEST, MEMBERS, SHA256SUMS})
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


def verify(run_dir: Path) -> Verification:
    """Read every archive of a run, and compare its records with each other and the tree.

    Nothing is changed. The run may be running: what it has stored so far is checked. Memory grows
    with the number of servers, not with the size of their archives.

    Args:
        run_dir: the run's directory, or a link to it.

    Raises:
        CollectorError: it is not a run directory, or a newer version wrote it.
    """
    directory = find_run(run_dir)
    mismatches: list[Mismatch] = []
    notes: list[str] = []
    entries = list(walk(directory))
    records = read_records(directory, len(entries), mismatches, notes)
    mismatches += disagreements(records, notes)
    claims = _claims(records)
    mismatches += _strangers(entries, claims, records.state, notes)
    archives = size = 0
    for claim, wrong in _examined(directory, claims.values()):
        mismatches += wrong
        if not wrong:
            archives += 1
            size += regular_size(directory, claim.path) or 0
    amiss = {mismatch.path for mismatch in mismatches}
    mismatches += _misplaced_members(directory, claims, records, amiss, notes)
    servers = len(records.state.servers)
    missing = servers - records.state.collected
    shown_mismatches = tuple(map(_shown, mismatches))
    return Verification(archives, size, shown_mismatches, tuple(notes), servers, missing)


def _shown(one: Mismatch) -> Mismatch:
    return Mismatch(
        str(shown(one.path)), str(shown(one.what)), shown(one.expected), shown(one.found)
    )


def _claims(records: Records) -> dict[str, Claim]:
    """Gather the expected archives by path; only from the journal, unless it is damaged."""
    claims = {
        row.archive.path: Claim(
            row.archive.path, row.archive.sha256, row.archive.bytes, row.archive.members
        )
        for row in records.state.servers
        if row.archive is not None
    }
    if not records.whole:
        for claim in claims_of(records.document):
            claims.setdefault(claim.path, claim)
        for path, sha256 in (records.sums or {}).items():
            claims.setdefault(path, Claim(path, sha256))
    return claims


def _misplaced_members(
    directory: Path,
    claims: dict[str, Claim],
    records: Records,
    amiss: set[str],
    notes: list[str],
) -> Iterator[Mismatch]:
    """Compare the number of listed members with that of each archive.

    Paths already reported (`amiss`) are skipped.
    """
    if MEMBERS in amiss:
        return  # a link or a special file
    try:
        listed, torn = count(directory / MEMBERS, _lines_expected(claims, records))
    except FileNotFoundError:
        if claims:  # as in runs of versions that listed none
            notes.append(f"{MEMBERS} is missing: the contents of the archives are not listed")
        return
    except OSError as error:
        yield Mismatch(MEMBERS, "unreadable", "a readable file", error.strerror)
        return
    if torn and records.ended:  # a killed run's list may be torn
        yield Mismatch(MEMBERS, "gzip", "a complete list of members", torn)
        return
    lags = torn is not None
    for archive in sorted((claims.keys() | listed.keys()) - amiss):
        claim = claims.get(archive)
        expected = claim.members if claim is not None else 0
        if expected in (None, listed[archive]):
            continue
        if _may_lag(records, archive, listed[archive]):
            lags = True
        else:
            yield Mismatch(MEMBERS, f"members of {archive}", expected, listed[archive])
    if lags:
        notes.append(f"{MEMBERS} is behind the journal; a resume brings it up to date")


def _lines_expected(claims: dict[str, Claim], records: Records) -> int:
    """Return how many lines of a list of members to read."""
    told = [*claims.values(), *records.stored]
    return LINES_SPARE + sum(max(0, one.members or 0) for one in told)


def _may_lag(records: Records, archive: str, listed: int) -> bool:
    """Whether the list may rightly lag behind for this archive.

    A running run may have listed more since its journal was read. A run that awaits a resume may
    lack lines that a kill prevented.
    """
    if records.ended:
        return bool(records.state.pending) and listed == 0
    return records.held or archive in records.paths


def _strangers(
    entries: Iterable[Entry], claims: dict[str, Claim], state: RunState, notes: list[str]
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
        elif path in _RUN_FILES or path in claims:
            continue
        elif path.rpartition("/")[0] in pending:
            notes.append(f"{path} was not recorded before the run stopped; a resume cleans it up")
        elif state.repairs and entry.kind == "file":
            notes.append(f"{path} may be from the damaged part of the journal")
        else:
            yield Mismatch(path, "unknown file", None, "a file that no record lists")


def _examined(
    directory: Path, claims: Iterable[Claim]
) -> Iterator[tuple[Claim, tuple[Mismatch, ...]]]:
    """Read archives in threads, a few ahead, and yield what is wrong with each, in order."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
    ahead: deque[tuple[Claim, Future[tuple[Mismatch, ...]]]] = deque()
    try:
        for claim in claims:
            ahead.append((claim, _begun(pool, directory, claim)))
            if len(ahead) > 2 * THREADS:
                first, answer = ahead.popleft()
                yield first, answer.result()
        for first, answer in ahead:
            yield first, answer.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, directory: Path, claim: Claim) -> Future[tuple[Mismatch, ...]]:
    """Read an archive in a thread, or right here if none can be started."""
    try:
        return pool.submit(_examine, directory, claim)
    except RuntimeError:
        found: Future[tuple[Mismatch, ...]] = Future()
        found.set_result(_examine(directory, claim))
        return found


def _examine(directory: Path, claim: Claim) -> tuple[Mismatch, ...]:
    """Read one archive to its end, and compare it with its record."""
    return tuple(_wrong(directory, claim))


def _wrong(directory: Path, claim: Claim) -> Iterator[Mismatch]:
    size = regular_size(directory, claim.path)
    if size is None:
        yield Mismatch(claim.path, "missing", "a file", None)
        return
    if claim.bytes is not None and size != claim.bytes:
        yield Mismatch(claim.path, "bytes", claim.bytes, size)
        if size > 2 * claim.bytes + SPARE_BYTES:
            return  # another file, perhaps a sparse one of terabytes
    try:
        try:
            examined = examine(directory, claim.path)
            sha256, members = examined.sha256, examined.contents.members
        except ArchiveError as error:
            yield Mismatch(claim.path, "archive", "a complete .tar.gz", str(error))
            if claim.bytes is None:
                return  # it may have any size
            sha256, members = _sha256(directory, claim.path), None
    except OSError as error:
        yield Mismatch(claim.path, "unreadable", "a readable file", error.strerror)
        return
    if sha256 != claim.sha256:
        yield Mismatch(claim.path, "sha256", claim.sha256, sha256)
    elif members is not None and claim.members not in (None, members):
        yield Mismatch(claim.path, "members", claim.members, members)


def _sha256(directory: Path, path: str) -> str:
    with open(files.open_beneath(directory, path), "rb") as file:  # noqa: PTH123  # of a descriptor
        return hashlib.file_digest(file, "sha256").hexdigest()
