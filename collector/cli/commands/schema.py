"""`collector schema`: the JSON Schema of what the tool reads and writes."""

from __future__ import annotations

import json
from typing import Any

import click

from collector.cli.options import common
from collector.cli.streams import show_json


@click.command(
    name="schema",
    epilog="""\b
Examples:
  collector schema inventory > inventory.schema.json
  collector schema manifest | jq '.["$defs"].Run'
""",
)
@click.argument("what", type=click.Choice(["inventory", "manifest", "journal"]))
@common
def command(what: str) -> None:
    """Print a JSON Schema (draft 2020-12) for inventories, manifests or lines of a journal."""
    show_json(json.dumps(_SCHEMAS[what](), indent=2))


# Each imports what it needs only when asked for: that costs start-up time.
def _inventory() -> dict[str, Any]:
    from collector import providers  # noqa: PLC0415
    from collector.inventory import schema  # noqa: PLC0415

    return schema({name: providers.find(name).rules for name in providers.names()})


def _manifest() -> dict[str, Any]:
    from collector.report.schema import manifest_schema  # noqa: PLC0415

    return manifest_schema()


def _journal() -> dict[str, Any]:
    from collector.rundir.journal.schema import journal_schema  # noqa: PLC0415

    return journal_schema()


_SCHEMAS = {"inventory": _inventory, "manifest": _manifest, "journal": _journal}
