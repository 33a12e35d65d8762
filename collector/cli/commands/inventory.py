"""`collector inventory`: check an inventory, or show what a selection of it matches."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from collector.cli.commands.inventory_convert import convert
from collector.cli.options import common, json_option, selecting
from collector.cli.rendering.wording import count
from collector.cli.streams import show as show_lines
from collector.cli.streams import show_json
from collector.printable import one_line

if TYPE_CHECKING:
    from collector.inventory import Selection

FILE = click.argument("file", metavar="FILE")


@click.group(
    name="inventory",
    epilog="""\b
Examples:
  collector inventory check fleet.yaml
  collector inventory show fleet.yaml --select project=payments,tag:role=db
  collector inventory show fleet.csv --json > fleet.json
  collector inventory convert hosts.ini --from ansible --project ID --region cn-east-3
""",
)
def command() -> None:
    """Check, show or convert an inventory. FILE may be - for stdin."""


command.add_command(convert)


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
    if as_json:
        warnings = [asdict(one) for one in inventory.secrets_missing]
        found = {"ok": True, "servers": servers, "projects": projects, "mistakes": []}
        show_json(_json(found | {"warnings": warnings}))
    else:
        amount = f"{count(servers, 'server')} in {count(projects, 'project')}"
        show_lines([f"{file}: ok: {amount}"])


@command.command()
@FILE
@selecting
@json_option
@common
def show(
    file: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    *,
    allow_empty: bool,
    as_json: bool,
) -> None:
    """List the servers that a selection matches, in the order of collection."""
    from collector.cli.choosing import load_inventory, select_servers  # noqa: PLC0415  # costs time
    from collector.inventory import to_mapping  # noqa: PLC0415  # as above

    fleet = load_inventory(file, sends=False)
    selection = select_servers(fleet, select, exclude, first, allow_empty=allow_empty)
    if as_json:
        show_json(_json(to_mapping(selection)))
    else:
        show_lines(_table(selection))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _table(selection: Selection) -> list[str]:
    """Return the servers as a table."""
    rows = [("PROJECT", "SERVER", "ID", "TAGS")]
    for one in selection.servers:
        tags = " ".join(f"{key}={value}" for key, value in one.server.tags.items())
        rows.append((one.project.name, one.server.name, one.server.id, tags))
    shown = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
