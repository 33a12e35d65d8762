"""`collector verify`: prove that a run's archives are whole and unchanged."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, common, json_option, run_argument
from collector.cli.rendering.wording import count, pasted, short
from collector.cli.streams import show, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.rundir.verification import Mismatch, Verification

MISMATCHED = 6
"""The exit code if there is a mismatch."""

SHOWN = 30
"""Mismatches and notes that are shown to a person; `--json` has all."""


@click.command(
    name="verify",
    epilog="""\b
Examples:
  collector verify
  collector verify latest --json | jq .ok
  collector verify collected/20261123T084103Z-7f3a --json | jq .mismatches

\b
Exit codes: 0 everything matches; 6 there is a mismatch; 2 there is no such run.
""",
)
@run_argument
@json_option
@common
@click.pass_context
def command(ctx: click.Context, run: str, *, as_json: bool) -> None:
    """Prove that a run is whole: read each archive to its end, compare records and files.

    RUN_DIR defaults to the latest run under ./collected.
    """
    from collector.rundir.layout import find_run  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.verification import verify  # noqa: PLC0415  # as above

    directory = find_run(run, out=OUT)
    found = verify(directory)
    if as_json:
        document = {
            "ok": found.ok,
            "archives": found.archives,
            "bytes": found.bytes,
            "mismatches": [dataclasses.asdict(mismatch) for mismatch in found.mismatches],
            "notes": found.notes,
        }
        show_json(json.dumps(document))
    else:
        show(_rendered(short(str(directory)), found))
    ctx.exit(0 if found.ok else MISMATCHED)


def _rendered(run: str, found: Verification) -> Iterator[str]:
    from collector.sizes import size  # noqa: PLC0415  # as above

    archives = "1 archive" if found.archives == 1 else f"{found.archives} archives"
    if found.ok:
        yield f"{run}: {archives}, {size(found.bytes)}, whole and unchanged."
        if found.missing:
            of = f"{found.missing} of {count(found.servers, 'server')}"
            yield f"{of} missing from this run: collector status {pasted(run)}"
    else:
        wrong = len(found.mismatches)
        yield f"{run}: {'1 mismatch' if wrong == 1 else f'{wrong} mismatches'}."
        yield ""
        for mismatch in found.mismatches[:SHOWN]:
            yield from _mismatch(mismatch)
        if wrong > SHOWN:
            yield f"  and {wrong - SHOWN} more; --json lists them all"
        yield ""
        yield f"The rest: {archives}, {size(found.bytes)}, whole and unchanged."
    if found.notes:
        yield ""
        yield from (f"Note: {note}." for note in found.notes[:SHOWN])
        if len(found.notes) > SHOWN:
            yield f"And {len(found.notes) - SHOWN} more notes; --json lists them all."
    if not found.ok:
        yield ""
        yield from _next(run, found)


def _next(run: str, found: Verification) -> Iterator[str]:
    from collector.rundir.layout import JOURNAL  # noqa: PLC0415  # as above

    if any(mismatch.path == JOURNAL for mismatch in found.mismatches):
        yield "A resume keeps the damaged journal under another name, continues from the lines"
        yield "before the damage, and repeats everything after them:"
        yield f"  collector collect --resume {pasted(run)}"
        return
    yield "A resume downloads files that are missing or have the wrong size, and rewrites"
    yield "manifest and SHA256SUMS. First move away files that changed but kept their size:"
    yield f"  collector collect --resume {pasted(run)}"


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    """Show a mismatch in a few lines, with hashes below one another, since they are long."""
    yield f"  {_value(mismatch.path)}: {_value(mismatch.what)}"
    yield f"    expected  {_value(mismatch.expected)}"
    yield f"    found     {_value(mismatch.found)}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)
