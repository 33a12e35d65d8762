"""`collector inventory discover`: an inventory from what the API lists."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from collector.cli.options import SOME_TIME, ca_file_option, common, json_option
from collector.cli.streams import show_json
from collector.cli.values import Pair

EXAMPLES = """\b
Examples:
  collector inventory discover --region cn-east-3 --project ID --output fleet.yaml
  collector inventory discover --output fleet.yaml --merge
  collector inventory discover --region cn-east-3 --project ID --with-alarms 24h --output sick.yaml
  collector inventory discover --region cn-east-3 --project ID --credentials password \\
      --set domain=acme --set user=oncall
"""


@click.command(
    name="discover", epilog=EXAMPLES, short_help="Ask the API for servers, and write an inventory."
)
@click.option("--region", help="Region of the projects.")
@click.option("--endpoint", metavar="URL", help="Endpoint of the projects, in place of a region.")
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="ID",
    help="Project to list (repeatable).  [default with --merge: all of FILE]",
)
@click.option(
    "--credentials",
    "kind",
    metavar="KIND",
    help="How to sign in: token, password, aksk, sdk or command.  [default: token, or FILE's]",
)
@click.option(
    "--set",
    "fields",
    type=Pair(),
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field of the credentials, as an inventory has it, e.g. user=oncall (repeatable).",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the inventory to FILE.  [default: - for stdout]",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Merge into FILE: add servers, update what is listed of them, tag those that are gone.",
)
@click.option(
    "--with-alarms",
    "alarms_s",
    type=SOME_TIME,
    metavar="DURATION",
    help="Add each server's worst active alarm that began within this time.",
)
@click.option(
    "--manage-state",
    "states",
    multiple=True,
    metavar="STATE",
    help="Only servers in this state, e.g. in-use (repeatable).",
)
@click.option(
    "--tag",
    "tags",
    type=Pair(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Only servers with this tag; VALUE may have wildcards (repeatable; all count).",
)
@ca_file_option
@json_option
@common
@click.pass_context
def discover(
    ctx: click.Context,
    region: str | None,
    endpoint: str | None,
    projects: tuple[str, ...],
    kind: str | None,
    fields: tuple[tuple[str, str], ...],
    output: Path | None,
    *,
    merge: bool,
    alarms_s: float | None,
    states: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    ca_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Ask the API which servers projects have, and write an inventory of them.

    The inventory has a line for each server, with its health, rack, model and worst alarm as they
    are now. Starts nothing.

    Exit codes: 0 every project listed; 3 some; 4 none; 5 none, because of authentication or
    permissions; 2 the command or the inventory is wrong.
    """
    from collector.cli import inventory_files  # noqa: PLC0415  # the work's imports cost time
    from collector.discovery.request import Request  # noqa: PLC0415  # as above
    from collector.inventory.models import Discover  # noqa: PLC0415  # as above

    output = None if output == Path("-") else output
    _check(output, region, endpoint, projects, merge=merge)
    wanted = Discover(manage_state=states, tags=dict(tags), alarms_s=alarms_s)
    request = Request(projects, region, endpoint, kind, dict(fields), wanted)
    if merge and output is not None:
        done = inventory_files.merge(request, output, ca_file)
    else:
        done = inventory_files.write(request, output, ca_file, as_json=as_json)
    if as_json and output is not None:
        show_json(json.dumps(done.as_json(), indent=2, ensure_ascii=False))
    ctx.exit(done.exit_code)


def _check(
    output: Path | None,
    region: str | None,
    endpoint: str | None,
    projects: tuple[str, ...],
    *,
    merge: bool,
) -> None:
    """Refuse options that do not go together."""
    suffix = "" if output is None else output.suffix.lower()
    if region is not None and endpoint is not None:
        raise click.UsageError("give --region or --endpoint, not both")
    if merge and output is None:
        raise click.UsageError("--merge needs a file to merge into: --output FILE")
    if merge and suffix in (".json", ".toml", ".csv"):
        raise click.UsageError("--merge works on YAML only; write to a .yaml file")
    if not merge and not projects:
        raise click.UsageError("give a project to list: --project ID")
    if not merge and region is None and endpoint is None:
        raise click.UsageError("say where the projects are: --region or --endpoint")
    if output is not None and not merge and os.path.lexists(output):
        raise click.UsageError(f"{output} exists; add --merge to merge into it, or name another")
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"there is no directory {output.parent} to write {output.name} to")
    if suffix in (".toml", ".csv"):
        raise click.UsageError("an inventory is written as YAML or JSON; name a .yaml file")
