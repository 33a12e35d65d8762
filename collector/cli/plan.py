"""`collector plan`: what a collect would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import DURATION, common, json_option, selecting

if TYPE_CHECKING:
    from collector.inventory import Selection
    from collector.planning import Plan

EXAMPLES = """\b
Examples:
  collector plan fleet.yaml
  collector plan fleet.yaml --select tag:role=db --deadline 30m --json
"""


@click.command(name="plan", epilog=EXAMPLES)
@click.argument("inventory", metavar="INVENTORY")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("collected"),
    show_default=True,
    help="Where the run would be kept.",
)
@selecting
@click.option("--deadline", type=DURATION, help="What the run may take: 90s, 15m, 2h30m.")
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
    as_json: bool,
) -> None:
    """Say what a collect of INVENTORY would do: servers, calls, least time, disk. Sends nothing."""
    from collector.cli import running  # noqa: PLC0415  # the work's imports cost start-up time

    selection = running.load(inventory, select, exclude, first, allow_empty=allow_empty)
    show(selection, out=out, deadline_s=deadline, as_json=as_json)


def show(selection: Selection, *, out: Path, deadline_s: float | None, as_json: bool) -> None:
    """Print the plan of a selection."""
    from collector.planning import plan  # noqa: PLC0415  # as above

    planned = plan(selection, out, deadline_s=deadline_s)
    click.echo(json.dumps(planned.as_json()) if as_json else _told(planned))


def _told(planned: Plan) -> str:
    from collector.observe.progress import size  # noqa: PLC0415  # as above

    width = max([7, *(len(project.name) for project in planned.projects)])
    lines = [f"{'project':{width}}  servers  calls at least"]
    lines += [f"{one.name:{width}}  {one.servers:7}  {one.requests:14}" for one in planned.projects]
    lines.append(f"{'all':{width}}  {planned.servers:7}  {planned.requests:14}")
    lines.append("")
    for ceiling in planned.ceilings:
        where = f" of {ceiling.project}" if ceiling.project else ""
        lines.append(
            f"{ceiling.name}{where} ({ceiling.value:g}): at least {_duration(ceiling.least_s)}"
        )
    lines.append(
        f"time: at least {_duration(planned.least_s)} for the calls, and as long as exports take"
        if planned.ceilings
        else "time: the inventory sets no limit; the service's own are learned as the run goes"
    )
    lines.append(
        f"disk: about {size(planned.disk_needed)} needed, if an archive has 4 MB; "
        f"{size(planned.disk_free)} free"
    )
    if planned.deadline_s is not None:
        verdict = (
            "is not ruled out by what is known"
            if planned.deadline_reachable
            else "cannot be reached"
        )
        lines.append(f"deadline: {_duration(planned.deadline_s)} {verdict}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{minutes} min"] if minutes else []
    parts += [f"{rest} s"] if rest or not parts else []
    return " ".join(parts)
