"""The command line: a file a command, loaded when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from collector.cli.streams import open_streams, say
from collector.errors import CollectorError
from collector.redaction import Secrets

COMMANDS = {
    "collect": "bring home the logs of a fleet: the main job",
    "plan": "say what a collect would do; sends nothing",
    "verify": "prove that a run's archives are whole and unchanged",
    "status": "show what a run, running or ended, has done so far",
    "runs": "list the runs under an output directory",
    "inventory": "check an inventory, or show what a selection matches",
    "schema": "print the JSON Schema of what the tool reads and writes",
    "demo": "collect a fleet from an emulator on this machine",
    "emulator": "serve an emulated fleet, for drills and tests",
}

EXAMPLES = """\b
Examples:
  collector demo                                  see it work: no account, no network
  collector inventory check fleet.yaml            is the inventory right?
  collector collect fleet.yaml                    bring home every log of the fleet
  collector collect fleet.yaml --select project=payments --deadline 30m
  collector collect --resume latest               resume after Ctrl-C or a crash
  collector verify                                prove that all of it is whole
"""


class _Commands(click.Group):
    """Commands by name; the file of one is imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"collector.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101  # what each file there defines
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx  # each command's line stands above: none is imported to say it
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # click's own signature
        """Run a command; an error that a person can mend is told in its own words."""
        secrets = Secrets()
        open_streams(secrets)
        try:
            return super().main(*args, obj=secrets, **kwargs)
        except CollectorError as error:
            say(error.told)
            sys.exit(error.exit_code)


@click.group(
    cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="collector", message="%(prog)s %(version)s")
def main() -> None:
    """Bring home the logs of a fleet of CloudDC physical servers, and prove that they are whole."""
