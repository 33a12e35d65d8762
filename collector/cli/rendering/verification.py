"""What `verify` found, as text: what is wrong, what to do about it, and last the verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from collector.cli.rendering.wording import pasted, program, wrapped
from collector.report.words import count
from collector.rundir.layout import JOURNAL
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.rundir.verification import Mismatch, Verification

SHOWN = 30
NOTES_SHOWN = 10
"""Mismatches and notes that are shown to a person; `--json` has all."""


def rendered(run: str, found: Verification) -> Iterator[str]:
    """Yield the lines; the last of them is the verdict.

    Args:
        run: its directory.
        found: of it.
    """
    whole = f"{count(found.archives, 'archive')}, {size(found.bytes)}, whole and unchanged"
    wrong = len(found.mismatches)
    for mismatch in found.mismatches[:SHOWN]:
        yield from _mismatch(mismatch)
    if wrong > SHOWN:
        yield f"  and {wrong - SHOWN:,} more; --json lists them all"
    if wrong:
        yield ""
    for note in found.notes[:NOTES_SHOWN]:
        yield from wrapped(f"Note: {note}.", "", "  ", anywhere=True)
    if len(found.notes) > NOTES_SHOWN:
        yield f"And {len(found.notes) - NOTES_SHOWN:,} more notes; --json lists them all."
    if found.notes:
        yield ""
    if wrong:
        yield from _next(run, found)
        yield ""
        what = "1 mismatch" if wrong == 1 else f"{wrong:,} mismatches"
        yield f"{run}: {what}; the rest: {whole}."
        return
    if found.missing:
        of = f"{found.missing:,} of {count(found.servers, 'server')}"
        yield f"{of} missing from this run; to see why:"
        yield f"  {program()} status {pasted(run)}"
    yield f"{run}: {whole}."


def _next(run: str, found: Verification) -> Iterator[str]:
    if any(mismatch.path == JOURNAL for mismatch in found.mismatches):
        yield "A resume keeps the damaged journal under another name, continues from the lines"
        yield "before the damage, and repeats everything after them:"
        yield f"  {program()} collect --resume {pasted(run)}"
        return
    yield "A resume downloads files that are missing or have the wrong size, and rewrites"
    yield "manifest and SHA256SUMS. First move away files that changed but kept their size:"
    yield f"  {program()} collect --resume {pasted(run)}"


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    """Show a mismatch in a few lines, with hashes below one another, since they are long."""
    yield f"  {_value(mismatch.path)}: {_value(mismatch.what)}"
    yield f"    expected  {_value(mismatch.expected)}"
    yield f"    found     {_value(mismatch.found)}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)
