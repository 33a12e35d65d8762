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
"""The exit code where something is not as it should be."""

SHOWN = 30
"""Mismatches and notes that are shown to a person; `--json` holds all."""


@click.command(
    name="verify",
    epilog="""\b
Examples:
  collector verify
  collector verify latest --json | jq .ok
  collector verify collected/20261123T084103Z-7f3a --json | jq .mismatches

\b
Exit code: 0 all is well, 6 something is not, 2 there is no such run.
""",
)
@run_argument
@json_option
@common
@click.pass_context
def command(ctx: click.Context, run: str, *, as_json: bool) -> None:
    """Prove that a run is whole: reads each archive to its end, compares records and tree.

    Without RUN_DIR, it is the latest run under ./collected.
    """
    from collector.rundir.layout import find_run  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.verification import verify  # noqa: PLC0415  # as above

    directory = find_run(run, out=OUT)
    found = verify(directory)
    if as_json:
        told = {
            "ok": found.ok,
            "archives": found.archives,
            "bytes": found.bytes,
            "mismatches": [dataclasses.asdict(mismatch) for mismatch in found.mismatches],
            "notes": found.notes,
        }
        show_json(json.dumps(told))
    else:
        show(_told(short(str(directory)), found))
    ctx.exit(0 if found.ok else MISMATCHED)


def _told(run: str, found: Verification) -> Iterator[str]:
    from collector.sizes import size  # noqa: PLC0415  # as above

    archives = "1 archive" if found.archives == 1 else f"{found.archives} archives"
    if found.ok:
        yield f"{run}: {archives}, {size(found.bytes)}, whole and unchanged."
        if found.missing:
            of = f"{found.missing} of {count(found.servers, 'server')}"
            yield f"{of} missing from this run: collector status {pasted(run)}"
    else:
        amiss = len(found.mismatches)
        yield f"{run}: {'1 mismatch' if amiss == 1 else f'{amiss} mismatches'}."
        yield ""
        for mismatch in found.mismatches[:SHOWN]:
            yield from _mismatch(mismatch)
        if amiss > SHOWN:
            yield f"  and {amiss - SHOWN} more; --json lists them all"
        yield ""
        yield f"{archives}, {size(found.bytes)}, whole and unchanged besides."
    if found.notes:
        yield ""
        yield from (f"Note: {note}." for note in found.notes[:SHOWN])
        if len(found.notes) > SHOWN:
            yield f"And {len(found.notes) - SHOWN} notes more; --json lists them all."
    if not found.ok:
        yield ""
        yield from _next(run, found)


def _next(run: str, found: Verification) -> Iterator[str]:
    from collector.rundir.layout import JOURNAL  # noqa: PLC0415  # as above

    if any(mismatch.path == JOURNAL for mismatch in found.mismatches):
        yield "A resume keeps the damaged journal beside a new one, continues from the lines before"
        yield "the damage, and repeats what they do not tell:"
        yield f"  collector collect --resume {pasted(run)}"
        return
    yield "A resume fetches again what is missing or has another size, and writes manifest"
    yield "and SHA256SUMS anew; move away first what has changed and kept its size:"
    yield f"  collector collect --resume {pasted(run)}"


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    """Tell a mismatch in a few lines: hashes are long, and stand below one another."""
    yield f"  {_value(mismatch.path)}: {_value(mismatch.what)}"
    yield f"    expected  {_value(mismatch.expected)}"
    yield f"    found     {_value(mismatch.found)}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)
