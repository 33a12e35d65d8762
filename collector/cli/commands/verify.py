"""`collector verify`: prove that a run's archives are whole and unchanged."""

from __future__ import annotations

import dataclasses
import json

import click

from collector.cli.options import OUT, common, json_option, run_argument
from collector.cli.streams import show, show_json

MISMATCHED = 6
"""The exit code if there is a mismatch."""


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
    from collector.cli.rendering.verification import rendered  # noqa: PLC0415  # the work's imports cost time
    from collector.cli.rendering.wording import short  # noqa: PLC0415  # as above
    from collector.observe.checking import Checking  # noqa: PLC0415  # as above
    from collector.rundir.layout import find_run  # noqa: PLC0415  # as above
    from collector.rundir.verification import verify  # noqa: PLC0415  # as above

    directory = find_run(run, out=OUT)
    with Checking() as shown:
        found = verify(directory, progress=lambda done: shown.tell(*done))
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
        show(rendered(short(str(directory)), found))
    ctx.exit(0 if found.ok else MISMATCHED)
