"""`collector inventory`: check an inventory, or show what a selection of it matches."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import common, json_option, selecting
from collector.cli.streams import show as show_lines
from collector.cli.streams import show_json
from collector.errors import CollectorError
from collector.printable import one_line

if TYPE_CHECKING:
    from collector.inventory import Inventory, Selection

FILE = click.argument("file", metavar="FILE")


@click.group(
    name="inventory",
    epilog="""\b
Examples:
  collector inventory check fleet.yaml
  collector inventory show fleet.yaml --select project=payments,tag:role=db
  collector inventory show fleet.csv --json > fleet.json
""",
)
def command() -> None:
    """Check an inventory, or show what a selection of it matches. FILE may be - for stdin."""


@command.command()
@FILE
@json_option
@common
@click.pass_context
def check(ctx: click.Context, file: str, *, as_json: bool) -> None:
    """Say what is wrong with an inventory: all that a collect would refuse it for."""
    from collector.inventory import InventoryError  # noqa: PLC0415  # pydantic costs time

    try:
        inventory = _load(file)
    except InventoryError as error:
        if not as_json:
            raise
        mistakes = [
            {
                "file": one.file,
                "line": one.line,
                "column": one.column,
                "what": one.what,
                "instead": one.instead,
            }
            for one in error.problems
        ]
        show_json(_json({"ok": False, "servers": 0, "projects": 0, "mistakes": mistakes}))
        ctx.exit(error.exit_code)
    servers = sum(len(project.servers) for project in inventory.projects)
    projects = len(inventory.projects)
    if as_json:
        found = {"ok": True, "servers": servers, "projects": projects, "mistakes": []}
        show_json(_json(found))
    else:
        amount = f"{_count(servers, 'server')} in {_count(projects, 'project')}"
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
    """List the servers that a selection matches, in the order in which they are collected."""
    from collector.inventory import to_mapping  # noqa: PLC0415  # pydantic costs time

    selection = _load(file).select(select, exclude, first)
    if not selection.servers and not allow_empty:
        raise CollectorError(
            f"{file}: the selection matches no server; "
            f"see `collector inventory show {file}` for all of them, or add --allow-empty"
        )
    if as_json:
        show_json(_json(to_mapping(selection)))
    else:
        show_lines(_table(selection))


def _load(file: str) -> Inventory:
    from collector.inventory import load  # noqa: PLC0415  # pydantic costs time
    from collector.providers.clouddc.vendor import VENDOR  # noqa: PLC0415  # as above

    source = sys.stdin.buffer if file == "-" else Path(file)
    return load(source, vendor=VENDOR, environ=os.environ)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _table(selection: Selection) -> list[str]:
    """The servers in columns as wide as they must be."""
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


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
