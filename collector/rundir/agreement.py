"""Whether manifest and SHA256SUMS agree with the journal, which is the truth about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from collector.report.building import Report
from collector.rundir import manifest
from collector.rundir.layout import JOURNAL, MANIFEST, SHA256SUMS
from collector.rundir.records import Mismatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from collector.rundir.records import Records


def disagreements(records: Records, notes: list[str]) -> Iterator[Mismatch]:
    """Compare what the records of a run say.

    In a run that ended they say the same. In one that is running or was killed, manifest and
    SHA256SUMS may lag behind the journal, and never lead. A damaged journal is no measure.

    Args:
        records: of the run.
        notes: where something lags, it is said here.
    """
    yield from _missing(records)
    if not records.whole:
        notes.append(f"{JOURNAL} is damaged, so that nothing else could be checked against it")
    elif records.ended:
        yield from _manifest(records)
        yield from _sums(records)
    else:
        yield from _lagging_manifest(records)
        yield from _lagging_sums(records)
        notes.extend(_lag(records))


def _missing(records: Records) -> Iterator[Mismatch]:
    """Miss what a run has once it has ended, or once it has named its servers and written them."""
    if records.ended or not records.whole:
        if records.manifest is None:
            yield Mismatch(MANIFEST, "missing", "a file", None)
        if records.sums is None:
            yield Mismatch(SHA256SUMS, "missing", "a file", None)


def _manifest(records: Records) -> Iterator[Mismatch]:
    if records.manifest is None or not records.manifest.content:
        return  # missing or unreadable: said already
    report = Report(records.state, lines=records.lines, head=records.head)
    for what, wanted, found in _differences(manifest.document(report), records.manifest.content):
        yield Mismatch(MANIFEST, what, wanted, found)


def _sums(records: Records) -> Iterator[Mismatch]:
    if records.sums is None:
        return
    expected = {
        row.archive.path: row.archive.sha256
        for row in records.state.servers
        if row.archive is not None
    }
    for path in expected | records.sums:
        wanted, found = expected.get(path), records.sums.get(path)
        if wanted != found:
            yield Mismatch(SHA256SUMS, path, wanted, found)


def _lagging_manifest(records: Records) -> Iterator[Mismatch]:
    if records.manifest is None or not records.manifest.content:
        return
    lines, head = records.manifest.journal
    if records.head_then is None:
        yield Mismatch(MANIFEST, "run.journal.lines", f"at most {records.lines}", lines)
    elif records.head_then != head:
        yield Mismatch(MANIFEST, "run.journal.head", records.head_then, head)
    for archive in records.manifest.recorded():
        if archive not in records.stored:
            yield Mismatch(
                MANIFEST, f"archive {archive.path}", "as the journal tells of it", archive.sha256
            )


def _lagging_sums(records: Records) -> Iterator[Mismatch]:
    stored = {(archive.path, archive.sha256) for archive in records.stored}
    for path, sha256 in (records.sums or {}).items():
        if (path, sha256) not in stored:
            yield Mismatch(SHA256SUMS, path, "as the journal tells of it", sha256)


def _lag(records: Records) -> Iterator[str]:
    what = "is running" if records.held else "was killed"
    lines = records.manifest.journal[0] if records.manifest else None
    if lines != records.lines:
        yield (
            f"the run {what}: {MANIFEST} is behind the journal (line {lines or 0} of "
            f"{records.lines})"
        )
    if len(records.sums or ()) < records.state.collected:
        yield (
            f"the run {what}: {SHA256SUMS} is behind the journal "
            f"({len(records.sums or ())} of {records.state.collected} archives)"
        )


def _differences(
    expected: object, found: object, where: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Name each place where two JSON documents differ, with what is there in either."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected | found:
            place = f"{where}.{name}" if where else name
            yield from _differences(expected.get(name), found.get(name), place)
    elif _are_rows(expected) and _are_rows(found):
        yield from _row_differences(expected, found, where)
    elif expected != found or isinstance(expected, bool) != isinstance(found, bool):
        yield where, expected, found


def _are_rows(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(
        isinstance(row, dict) and isinstance(row.get("id"), str) for row in value
    )


def _row_differences(
    expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], where: str
) -> Iterator[tuple[str, object, object]]:
    """Compare rows by their ids, so that a missing one does not put all after it in the wrong."""
    wanted = {_key(row): row for row in expected}
    there: dict[str, Mapping[str, Any]] = {}
    for row in found:
        if _key(row) in there:
            yield f"{where}[{_key(row)}]", "once", "twice"
        there[_key(row)] = row
    for key in wanted | there:
        place = f"{where}[{key}]"
        if key not in there or key not in wanted:
            yield place, _presence(key in wanted), _presence(key in there)
        else:
            yield from _differences(wanted[key], there[key], place)


def _key(row: Mapping[str, Any]) -> str:
    """Tell rows apart: a project's id stands once per endpoint."""
    endpoint = row.get("endpoint")
    return f"{row['id']} at {endpoint}" if isinstance(endpoint, str) else str(row["id"])


def _presence(there: bool) -> str:
    return "a row" if there else "no row"
