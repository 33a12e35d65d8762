"""`collector runs`: the runs under an output directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.cli.options import OUT, common, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


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
    """List the runs under DIR, by default ./collected: a line each, the oldest first."""
    from collector.run.standing import overview  # noqa: PLC0415  # the work's imports cost time

    runs = overview(out)
    if as_json:
        click.echo(json.dumps(runs))
    elif runs:
        click.echo("\n".join(_table(runs)))
    else:
        click.echo(f"There are no runs under {out}.")


def _table(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    width = max(3, *(len(run["id"]) for run in runs))
    yield f"{'RUN':{width}}  STATE        STARTED (UTC)     COLLECTED      SIZE"
    for run in runs:
        started = (run["started_at"] or "-")[:16].replace("T", " ")
        yield f"{run['id']:{width}}  {run['state']:11}  {started:16}  {_totals(run['totals'])}"


def _totals(totals: Mapping[str, Any] | None) -> str:
    from collector.sizes import size  # noqa: PLC0415  # as above

    if totals is None:
        return "unreadable"
    return f"{totals['collected']:>4} of {totals['servers']:<4}  {size(totals['bytes']):>8}"
