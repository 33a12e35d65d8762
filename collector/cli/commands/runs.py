"""`collector runs`: the runs under an output directory."""

from __future__ import annotations

import json
from pathlib import Path

import click

from collector.cli.options import OUT, common, json_option
from collector.cli.streams import show, show_json


@click.command(
    name="runs",
    epilog="""\b
Examples:
  collector runs
  collector runs /var/lib/collector
  collector runs --json | jq -r '.[] | select(.state != "complete") | .id'
""",
)
@click.argument("out", metavar="[DIR]", default=OUT, type=click.Path(path_type=Path))
@json_option
@common
def command(out: Path, *, as_json: bool) -> None:
    """List the runs under DIR (default: ./collected), the oldest first."""
    from collector.cli.rendering.runs import rendered  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.standing import overview  # noqa: PLC0415  # as above

    runs = overview(out)
    if as_json:
        show_json(json.dumps([run.as_json() for run in runs]))
    elif runs:
        show(rendered(runs))
    else:
        show([f"There are no runs under {out}."])
