"""The records of a run, SHA256SUMS, manifest and journal, read with distrust."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collector import beneath, files
from collector.model.events import ArchiveStored, RunEnded
from collector.model.state import RunState
from collector.rundir.journal.reading import Reading, fold
from collector.rundir.layout import JOURNAL, LARGEST_MANIFEST, LARGEST_SUMS, MANIFEST, SHA256SUMS
from collector.rundir.lock import is_held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from collector.model.events import Event

WRONG_LINES = 100
"""Malformed lines of SHA256SUMS that are reported."""
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_LEAST_READ, _TOLD_OF_EACH, _TIMES_THE_JOURNAL = 4 << 20, 4 << 10, 16
"""Bytes of a record that are read: a base, plus some per file in the run and per byte of its
journal. A server's row is at most as long as its lines in the journal."""
_SHOWN = 1000
"""Characters of a found value that are shown."""
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is wrong, or differs from the run's own records.

    Attributes:
        path: the file, relative to the run's directory.
        what: which property: `missing`, `sha256`, `bytes`, `link`, a field of the manifest...
        expected: what should have been found.
        found: what was found instead.
    """

    path: str
    what: str
    expected: Any
    found: Any


@dataclass(frozen=True, slots=True)
class RecordedArchive:
    """An archive as a record describes it; None for what the record does not say."""

    path: str
    sha256: str
    bytes: int | None = None
    members: int | None = None


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest as it lies there, whatever it holds: here alone it is looked into.

    Attributes:
        content: its JSON; empty where it is unreadable.
    """

    content: Mapping[str, Any]

    @property
    def journal(self) -> tuple[int | None, str | None]:
        """The lines and the head of the journal that it speaks of, if it does."""
        run = self.content.get("run")
        journal = run.get("journal") if isinstance(run, dict) else None
        if not isinstance(journal, dict):
            return None, None
        lines, head = journal.get("lines"), journal.get("head")
        return lines if type(lines) is int else None, head if isinstance(head, str) else None

    def recorded(self) -> Iterator[RecordedArchive]:
        """Find the archives that it names."""
        projects = self.content.get("projects")
        for project in projects if isinstance(projects, list) else ():
            rows = project.get("servers") if isinstance(project, dict) else None
            for row in rows if isinstance(rows, list) else ():
                archive = row.get("archive") if isinstance(row, dict) else None
                if isinstance(archive, dict):
                    yield _archive(archive)


def _archive(archive: Mapping[str, object]) -> RecordedArchive:
    path, sha256 = archive.get("path"), archive.get("sha256")
    size, members = archive.get("bytes"), archive.get("members")
    return RecordedArchive(
        path if isinstance(path, str) else "?",
        sha256 if isinstance(sha256, str) else "?",
        size if isinstance(size, int) else None,
        members if isinstance(members, int) else None,
    )


@dataclass(slots=True)
class Records:
    """The three records of a run, as far as they can be read.

    Attributes:
        sums: hashes by path; None where there is no SHA256SUMS.
        manifest: None where there is none.
        state: the fold of the journal's longest valid prefix.
        stored: every archive that the journal ever recorded, including those lost later.
        paths: the paths of all these.
        lines, head: of that prefix.
        head_then: the hash of the line that the manifest refers to; None if there is none.
        whole: the journal is there and undamaged, a torn last line aside.
        ended: the journal says that its run ended, and nobody holds it.
        held: a process holds the run.
    """

    sums: dict[str, str] | None = None
    manifest: FoundManifest | None = None
    state: RunState = field(default_factory=RunState)
    stored: set[RecordedArchive] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    lines: int = 0
    head: str = ""
    head_then: str | None = None
    whole: bool = False
    ended: bool = False
    held: bool = False


def shown(value: object) -> object:
    """Return a found value in a form that can be shown: long text shortened, deep values named.

    A manifest may hold anything, even what no JSON writer writes.
    """
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}... ({len(value)} characters)"
    if _is_deep(value, _DEPTH):
        return f"a value nested more than {_DEPTH} levels deep"
    text = json.dumps(value)
    return value if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _is_deep(value: object, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not most or any(_is_deep(one, most - 1) for one in inner)


def read_records(
    directory: Path, entries: int, mismatches: list[Mismatch], notes: list[str]
) -> Records:
    """Read the records in an order in which even a running run never contradicts itself.

    What is read earlier may lag behind what is read later, just as on disk.

    Args:
        directory: the run's.
        entries: how many files and directories it holds.
        mismatches: unreadable or damaged records are added here.
        notes: what is worth knowing is added here.

    Raises:
        CollectorError: a newer version wrote the run.
    """
    records = Records()
    most = _largest(directory, entries)
    records.sums = _read_sums(directory, min(most, LARGEST_SUMS), mismatches)
    records.manifest = _read_manifest(directory, min(most, LARGEST_MANIFEST), mismatches)
    if beneath.size_beneath(directory, JOURNAL) is None:
        mismatches.append(Mismatch(JOURNAL, "missing", "a file", None))
        return records
    try:
        records.held = is_held(directory / JOURNAL)
    except OSError as error:
        mismatches.append(Mismatch(JOURNAL, "unreadable", "a readable file", error.strerror))
        return records
    _read_journal(directory, records, mismatches, notes)
    return records


def _largest(directory: Path, entries: int) -> int:
    """Return how many bytes a record of such a run may have."""
    journal = beneath.size_beneath(directory, JOURNAL) or 0
    return _LEAST_READ + _TOLD_OF_EACH * entries + _TIMES_THE_JOURNAL * journal


def _read_sums(directory: Path, most: int, mismatches: list[Mismatch]) -> dict[str, str] | None:
    if beneath.size_beneath(directory, SHA256SUMS) is None:
        return None
    try:
        content = files.read_within(directory / SHA256SUMS, most)
    except OSError as error:
        mismatches.append(Mismatch(SHA256SUMS, "unreadable", "a readable file", error.strerror))
        return {}
    sums: dict[str, str] = {}
    wrong = 0
    for row in io.BytesIO(content):
        line = row.removesuffix(b"\n").decode("utf-8", "surrogateescape")
        match = _SUM.fullmatch(line)
        if match is not None and match[2] not in sums:
            sums[match[2]] = match[1]
            continue
        wrong += 1
        if wrong > WRONG_LINES:
            mismatches.append(Mismatch(SHA256SUMS, "lines", "a hash, two spaces, a path", "others"))
            break
        expected = "a hash, two spaces, a path" if match is None else "each path once"
        mismatches.append(Mismatch(SHA256SUMS, "line", expected, line))
    return sums


def _read_manifest(directory: Path, most: int, mismatches: list[Mismatch]) -> FoundManifest | None:
    if beneath.size_beneath(directory, MANIFEST) is None:
        return None
    try:
        content = json.loads(files.read_within(directory / MANIFEST, most))
        if isinstance(content, dict):
            return FoundManifest(content)
        unreadable = Mismatch(MANIFEST, "unreadable", "an object", type(content).__name__)
    except OSError as error:
        unreadable = Mismatch(MANIFEST, "unreadable", "a file to read", error.strerror)
    except (ValueError, RecursionError) as error:
        unreadable = Mismatch(MANIFEST, "unreadable", "JSON", str(error))
    mismatches.append(unreadable)
    return FoundManifest({})


def _read_journal(
    directory: Path, records: Records, mismatches: list[Mismatch], notes: list[str]
) -> None:
    """Fold the journal as far as it is valid, and report what is wrong after that."""
    reading = Reading(directory / JOURNAL)
    then = records.manifest.journal[0] if records.manifest else None
    records.head_then = reading.head if then == 0 else None
    has_ended = False

    def note(event: Event) -> None:
        nonlocal has_ended
        if isinstance(event, ArchiveStored):
            records.stored.add(
                RecordedArchive(event.path, event.sha256, event.bytes, event.members)
            )
            records.paths.add(event.path)
        if reading.lines == then:
            records.head_then = reading.head
        has_ended = isinstance(event, RunEnded)

    records.state = fold(reading, note)
    records.lines, records.head = reading.lines, reading.head
    damage = reading.damage
    if damage is not None and not (damage.torn and (records.held or not has_ended)):
        what = f"line {damage.line}"
        mismatches.append(Mismatch(JOURNAL, what, "a valid line", damage.what))
        return
    if damage is not None and not records.held:
        notes.append(
            f"{JOURNAL}: line {damage.line} is unfinished, as a kill leaves it; a resume removes it"
        )
    records.whole = True
    records.ended = records.state.ended is not None and not records.held
