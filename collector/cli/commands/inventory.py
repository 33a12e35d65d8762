"""`collector inventory`: check an inventory, or show what a selection of it matches."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from collector.cli.commands.inventory_convert import convert
from collector.cli.commands.inventory_discover import discover
from collector.cli.options import ca_file_option, common, json_option, selecting
from collector.cli.streams import show as show_lines
from collector.cli.streams import show_json
from collector.printable import one_line
from collector.report.words import count

if TYPE_CHECKING:
    from pathlib import Path

    from collector.inventory import Selection

FILE = click.argument("file", metavar="FILE")


@click.group(
    name="inventory",
    epilog="""\b
Examples:
  collector inventory check fleet.yaml
  collector inventory show fleet.yaml --select project=payments,tag:role=db
  collector inventory show fleet.csv --json > fleet.json
  collector inventory discover --region cn-east-3 --project ID --output fleet.yaml
  collector inventory convert hosts.ini --from ansible --project ID --region cn-east-3
""",
)
def command() -> None:
    """Check, show, convert or discover an inventory. FILE may be - for stdin."""


command.add_command(convert)
command.add_command(discover)


@command.command()
@FILE
@json_option
@common
@click.pass_context
def check(ctx: click.Context, file: str, *, as_json: bool) -> None:
    """Report everything that is wrong with an inventory.

    A secret that is missing here and now is only a warning.
    """
    from collector.cli.choosing import load_inventory  # noqa: PLC0415  # costs time
    from collector.inventory import InventoryError  # noqa: PLC0415  # as above

    try:
        inventory = load_inventory(file, sends=False)
    except InventoryError as error:
        if not as_json:
            raise
        mistakes = [asdict(one) for one in error.problems]
        show_json(
            _json({"ok": False, "servers": 0, "projects": 0, "mistakes": mistakes, "warnings": []})
        )
        ctx.exit(error.exit_code)
    servers = sum(len(project.servers) for project in inventory.projects)
    projects = len(inventory.projects)
    unasked = len(inventory.open_projects)
    if as_json:
        warnings = [asdict(one) for one in inventory.secrets_missing]
        found = {"ok": True, "servers": servers, "projects": projects, "mistakes": []}
        if unasked:
            found["discovering"] = unasked
        show_json(_json(found | {"warnings": warnings}))
    else:
        amount = f"{count(servers, 'server')} in {count(projects, 'project')}"
        verb = "discovers" if unasked == 1 else "discover"
        more = f"; {unasked} of them {verb} servers" if unasked else ""
        show_lines([f"{file}: ok: {amount}{more}"])


@command.command(short_help="List the servers that a selection matches.")
@FILE
@selecting
@ca_file_option
@json_option
@common
@click.pass_context
def show(
    ctx: click.Context,
    file: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    *,
    allow_empty: bool,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """List the servers that a selection matches, in the order of collection.

    Sends nothing, unless a project says discover: then the API is asked for its servers.

    Exit codes, where the API is asked: 0 every project listed; 3 some; 4 none; 5 none, because of
    authentication or permissions.
    """
    from collector.cli.choosing import load_inventory, select_servers  # noqa: PLC0415  # costs time
    from collector.inventory import InventoryError, to_mapping  # noqa: PLC0415  # as above

    fleet = load_inventory(file, sends=False)
    if fleet.to_list(select, exclude, first):
        from collector.cli.discovering import with_discovered  # noqa: PLC0415  # as above

        if fleet.secrets_missing:
            raise InventoryError(list(fleet.secrets_missing))
        fleet = with_discovered(fleet, select, exclude, first, ca_file=ca_file)
    selection = select_servers(fleet, select, exclude, first, allow_empty=allow_empty)
    if as_json:
        show_json(_json(to_mapping(selection)))
    else:
        show_lines(_table(selection))
    if selection.unlisted:
        from collector.report.verdict import of_lists  # noqa: PLC0415  # as above

        kinds = [one.problem.kind for one in selection.unlisted]
        ctx.exit(of_lists(kinds, any_use=bool(selection.servers)))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _table(selection: Selection) -> list[str]:
    """Return the servers as a table, with what is listed of any of them."""
    from collector.inventory.models import FACTS  # noqa: PLC0415  # as above

    facts = [name for name in FACTS if any(getattr(one.server, name) for one in selection.servers)]
    rows = [("PROJECT", "SERVER", "ID", *map(str.upper, facts), "TAGS")]
    for one in selection.servers:
        tags = " ".join(f"{key}={value}" for key, value in one.server.tags.items())
        told = (getattr(one.server, name) or "-" for name in facts)
        rows.append((one.project.name, one.server.name, one.server.id, *told, tags))
    shown = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
