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
    from collections.abc import Iterator, Sequence

    from collector.inventory import Project, Selection
    from collector.preflight import Finding

EXAMPLES = """\b
Examples:
  collector plan fleet.yaml
  collector plan fleet.yaml --select tag:role=db --deadline 30m
  collector plan fleet.yaml --deadline 30m --json | jq .deadline_reachable
  collector plan fleet.yaml --online
"""

NOTHING_WORKS = 5
"""The exit code where nothing could be collected."""
NAMES_SHOWN = 6
"""Projects that are named, of those whose servers are not known."""


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
@click.option(
    "--online",
    is_flag=True,
    help="Also ask the services, with calls that start nothing, whether signing in and each "
    "permission work.",
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --online: also trust the certificate authorities in this PEM file.",
)
@json_option
@common
@click.pass_context
def command(
    ctx: click.Context,
    inventory: str,
    out: Path,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    allow_empty: bool,
    deadline: float | None,
    share: float | None,
    online: bool,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Estimate how long collecting INVENTORY takes, and whether the disk has room.

    Limits and durations come from the inventory and from earlier runs. Unknown ones are assumed,
    and marked as such. Sends nothing, unless --online is given: then it signs in and asks, for each
    project, for an export that does not exist. No export is started.

    Exit codes with --online: 5 nothing can be collected; 0 otherwise.
    """
    from collector.cli import choosing  # noqa: PLC0415  # the work's imports cost start-up time

    if ca_file is not None and not online:
        raise click.UsageError("--ca-file needs --online")
    fleet = choosing.load_inventory(inventory, sends=online)
    if online and fleet.open_projects:
        from collector.cli.discovering import with_discovered  # noqa: PLC0415  # as above

        fleet = with_discovered(fleet, select, exclude, first, ca_file=ca_file)
    selection = choosing.select_servers(fleet, select, exclude, first, allow_empty=allow_empty)
    findings = _asked(selection, ca_file) if online else None
    show(selection, out=out, deadline_s=deadline, share=share, findings=findings, as_json=as_json)
    if findings and not any(one.can_work for one in findings):
        ctx.exit(NOTHING_WORKS)


def _asked(selection: Selection, ca_file: Path | None) -> Sequence[Finding]:
    import anyio  # noqa: PLC0415  # as above

    from collector.cli.reaching import access  # noqa: PLC0415  # as above
    from collector.event_loop import Loop  # noqa: PLC0415  # as above
    from collector.runtime.asking import asked  # noqa: PLC0415  # as above

    return anyio.run(asked, selection, access(ca_file), backend_options={"loop_factory": Loop})


def show(
    selection: Selection,
    *,
    out: Path,
    deadline_s: float | None,
    share: float | None,
    as_json: bool,
    findings: Sequence[Finding] | None = None,
) -> None:
    """Print the plan of a selection, and what the services said where they were asked."""
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
        projects = (*selection.unasked, *(one.project for one in selection.unlisted))
        online = {} if findings is None else {"online": [one.as_json() for one in findings]}
        names = [one.name for one in projects]
        show_json(json.dumps(planned.as_json() | {"not_listed": names} | online))
        return
    unknown = list(_not_listed(selection))
    if unknown and not planned.servers:
        lines = [*unknown, "", "No server is known yet."]
    else:
        lines = rendered(planned, str(out), notes=unknown)
    if findings is not None:
        from collector.cli.rendering import online as online_findings  # noqa: PLC0415  # as above

        *told, verdict = online_findings.rendered(findings)
        lines = [*told, *lines, verdict]
    result(lines)


def _not_listed(selection: Selection) -> Iterator[str]:
    """Yield whose servers the plan does not know: only the API does, or it did not tell."""
    from collector.cli.rendering.wording import wrapped  # noqa: PLC0415  # as above

    if selection.unasked:
        text = f"servers that {_names(selection.unasked)} would discover"
        yield from wrapped(f"Not included: {text}; plan --online and collect list them.", "", "  ")
    if selection.unlisted:
        names = _names([one.project for one in selection.unlisted])
        yield from wrapped(f"Not included: servers of {names}: could not be listed.", "", "  ")


def _names(projects: Sequence[Project]) -> str:
    shown = ", ".join(one.name for one in projects[:NAMES_SHOWN])
    return shown + (" and others" if len(projects) > NAMES_SHOWN else "")
