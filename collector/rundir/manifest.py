"""The manifest as a document, and the files of a run that are views of its state."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from collector.report.building import Report
from collector.report.parts import json_text
from collector.rundir.layout import MANIFEST, SHA256SUMS
from collector.rundir.replacing import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.model.state import RunState

_PIECES_AT_ONCE = 100


def document(report: Report) -> dict[str, Any]:
    """Make the whole manifest: for a big fleet it is big, and `write` needs less memory."""
    return {
        **report.head.as_json(),
        "projects": [
            {**project.as_json(), "servers": [row.as_json() for row in report.servers(number)]}
            for number, project in enumerate(report.projects)
        ],
    }


def write(state: RunState, directory: Path, *, lines: int, head: str) -> str:
    """Write SHA256SUMS, then the manifest, each atomically, and row by row.

    Meant for a worker thread, on a copy of the state. Neither leads the journal where its `lines`
    and `head` are read in the same instant as the copy is made.

    Args:
        state: of a run that has begun.
        directory: the run's.
        lines: how many lines of the journal are on disk.
        head: the hash of the last of them.

    Returns:
        The manifest's SHA-256, in hex.

    Raises:
        OSError: one of them cannot be written; the one before stays.
    """
    report = Report(state, lines=lines, head=head)
    # Of a run that is over, files that say the same already stay as they are, and whose they are.
    same_stays = state.ended is not None
    replace(directory / SHA256SUMS, _encoded(_checksums(state)), same_stays=same_stays)
    written = replace(directory / MANIFEST, _encoded(_pieces(report)), same_stays=same_stays)
    return written.sha256


def _checksums(state: RunState) -> Iterator[str]:
    """Make the lines that `sha256sum -c` reads; safe names need no escapes."""
    for row in state.servers:
        if row.archive is not None:
            yield f"{row.archive.sha256}  {row.archive.path}\n"


def _pieces(report: Report) -> Iterator[str]:
    """Make the manifest's text, a server a line."""
    yield "{"
    for name, value in msgspec.structs.asdict(report.head).items():
        yield f'"{name}": {json_text(value)},\n '
    yield '"projects": ['
    comma = ""
    for number, project in enumerate(report.projects):
        yield f'{comma}\n  {json_text(project)[:-1]}, "servers": ['
        comma = ""
        for row in report.servers(number):
            yield f"{comma}\n    {json_text(row)}"
            comma = ","
        yield "]}"
        comma = ","
    yield "]}\n"


def _encoded(pieces: Iterator[str]) -> Iterator[bytes]:
    """Encode text, many pieces at once."""
    while block := "".join(islice(pieces, _PIECES_AT_ONCE)):
        # What is no Unicode (a surrogate of an argument's odd byte) is a JSON escape then.
        yield block.encode("utf-8", "backslashreplace")
