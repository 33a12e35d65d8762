"""`collector inventory convert`: an inventory from what other programs know of the servers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from collector.cli.options import common, json_option
from collector.cli.streams import say, show_json, show_text
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.conversion import Conversion

KINDS: Final = ("ansible", "csv", "list", "terraform")
"""`conversion.KINDS`, without loading what converts: `--help` is to be quick."""
SOME: Final = 3
"""The exit code where some servers were converted and something was left out."""


@click.command(
    name="convert",
    short_help="Make an inventory from Ansible, CSV, Terraform or ids.",
    epilog="""\b
Examples:
  collector inventory convert hosts.ini --from ansible --project ID --region cn-east-3
  ansible-inventory --list | collector inventory convert - --from ansible --output fleet.yaml
  collector inventory convert servers.csv --from csv --map server_id=uuid --map tag:role=Role
  collector inventory convert ids.txt --from list --project ID --region cn-east-3
  terraform show -json | collector inventory convert - --from terraform > fleet.yaml

  Exit codes: 0 everything was converted; 3 something was left out; 2 nothing was converted.
""",
)
@click.argument("file", metavar="FILE")
@click.option(
    "--from",
    "kind",
    type=click.Choice(KINDS),
    required=True,
    help="What FILE is.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Where a field is found: server_id, project_id, project_name, region, endpoint, "
    "credentials, name or tag:KEY. COLUMN is a column's name or number, an Ansible variable or a "
    "Terraform attribute (repeatable).",
)
@click.option("--project", metavar="ID", help="Project of servers for which FILE names none.")
@click.option(
    "--region", metavar="NAME", help="Region of servers for which FILE names no region or endpoint."
)
@click.option("--endpoint", metavar="URL", help="Endpoint of these servers, in place of a region.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the inventory to this new file, .yaml or .json.  [default: - for YAML on stdout]",
)
@json_option
@common
@click.pass_context
def convert(
    ctx: click.Context,
    file: str,
    *,
    kind: str,
    maps: tuple[str, ...],
    project: str | None,
    region: str | None,
    endpoint: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Make an inventory from a file of Ansible, CSV, Terraform, or a list of ids.

    FILE may be - for stdin; for Ansible also INI, YAML or a directory, if ansible-inventory is
    installed. What cannot be converted is listed on stderr with its place. No variable, column or
    attribute is copied but the mapped ones.
    """  # fmt: skip
    from collector import conversion  # noqa: PLC0415  # costs time

    output = None if output == Path("-") else output
    if as_json and output is None:
        raise click.UsageError("--json needs --output FILE, where the inventory goes")
    wanted = conversion.Wanted(conversion.read_columns(maps), project, region, endpoint)
    form = conversion.form_of(output)
    if output is not None:
        conversion.check_new(output)
    source = sys.stdin.buffer if file == "-" else Path(file)
    name = "<stdin>" if file == "-" else file
    made = conversion.convert(source, kind, wanted, name)
    for note in made.notes:
        say(f"{name}: {note}")
    for line in _left_out(made):
        say(f"{name}: {line}", "error")
    if made.servers:
        amount = f"{count(made.servers, 'server')} in {count(made.projects, 'project')}"
        text = conversion.text_of(made.data, form, f"From {name} ({kind}): {amount}.")
        if output is None:
            show_text(text)
        else:
            conversion.write_new(output, text)
            say(f"{output}: {amount}")
    if as_json:
        show_json(json.dumps(_result(made, output), indent=2, ensure_ascii=False))
    if not made.servers:
        say(f"collector: {name}: no server was converted; {_advice(made)}", "error")
        ctx.exit(2)
    if made.left_out:
        ctx.exit(SOME)


def _left_out(made: Conversion) -> Iterator[str]:
    """Yield what was left out, one by one unless it is everything for one reason."""
    reasons = {one.what for one in made.left_out}
    if len(made.left_out) == made.read > 1 == len(reasons):
        yield f"all {made.read} of its servers: {reasons.pop()}"
    else:
        yield from (f"{one.where}: {one.what}" for one in made.left_out)


def _result(made: Conversion, output: Path | None) -> dict[str, object]:
    return {
        "converted": made.servers,
        "projects": made.projects,
        "servers": made.read,
        "skipped": [{"where": one.where, "what": one.what} for one in made.left_out],
        "notes": list(made.notes),
        "output": str(output) if made.servers else None,
    }


def _advice(made: Conversion) -> str:
    return "see the reasons above" if made.left_out else "it names none"
