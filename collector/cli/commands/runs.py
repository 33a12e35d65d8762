"""`collector runs`: the runs under an output directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, common, json_option
from collector.cli.streams import show, show_json
from collector.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.report.manifest import RunTotals
    from collector.report.summary import RunLine


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
    from collector.rundir.standing import overview  # noqa: PLC0415  # the work's imports cost time

    runs = overview(out)
    if as_json:
        show_json(json.dumps([run.as_json() for run in runs]))
    elif runs:
        show(_table(runs))
    else:
        show([f"There are no runs under {out}."])


def _table(runs: Sequence[RunLine]) -> Iterator[str]:
    ids = [one_line(run.id) for run in runs]
    width = max(3, *map(len, ids))
    yield f"{'RUN':{width}}  STATE        STARTED (UTC)     COLLECTED      SIZE"
    for id_, run in zip(ids, runs, strict=True):
        started = (run.started_at or "-")[:16].replace("T", " ")
        yield f"{id_:{width}}  {run.state:11}  {started:16}  {_totals(run.totals)}"


def _totals(totals: RunTotals | None) -> str:
    from collector.sizes import size  # noqa: PLC0415  # as above

    if totals is None:
        return "unreadable"
    return f"{totals.collected:>4} of {totals.servers:<4}  {size(totals.bytes):>8}"
