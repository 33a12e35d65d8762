"""`collector plan`: an estimate of what a collect would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, SOME_TIME, common, json_option, selecting, share_option
from collector.cli.streams import show as result
from collector.cli.streams import show_json

if TYPE_CHECKING:
    from collector.inventory import Selection

EXAMPLES = """\b
Examples:
  collector plan fleet.yaml
  collector plan fleet.yaml --select tag:role=db --deadline 30m
  collector plan fleet.yaml --deadline 30m --json | jq .deadline_reachable
"""


@click.command(name="plan", epilog=EXAMPLES)
@click.argument("inventory", metavar="INVENTORY")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUT,
    show_default=True,
    help="Directory for runs.",
)
@selecting
@click.option("--deadline", type=SOME_TIME, help="Time the run may take: 90s, 15m, 2h30m.")
@share_option
@json_option
@common
def command(
    inventory: str,
    out: Path,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    allow_empty: bool,
    deadline: float | None,
    share: float | None,
    as_json: bool,
) -> None:
    """Estimate how long collecting INVENTORY takes, and whether the disk has room.

    Limits and durations come from the inventory and from earlier runs. Unknown ones are assumed,
    and marked as such. Sends nothing.
    """
    from collector.cli import choosing  # noqa: PLC0415  # the work's imports cost start-up time

    fleet = choosing.load_inventory(inventory, sends=False)
    selection = choosing.select_servers(fleet, select, exclude, first, allow_empty=allow_empty)
    show(selection, out=out, deadline_s=deadline, share=share, as_json=as_json)


def show(
    selection: Selection,
    *,
    out: Path,
    deadline_s: float | None,
    share: float | None,
    as_json: bool,
) -> None:
    """Print the plan of a selection."""
    from collector.cli.rendering.plan import rendered  # noqa: PLC0415  # as above
    from collector.cli.user_state import user_memory  # noqa: PLC0415  # as above
    from collector.runtime.planned import plan  # noqa: PLC0415  # as above

    planned = plan(
        selection,
        out,
        deadline_s=deadline_s,
        share=share,
        memory=user_memory(),
    )
    if as_json:
        show_json(json.dumps(planned.as_json()))
    else:
        result(rendered(planned, str(out)))
