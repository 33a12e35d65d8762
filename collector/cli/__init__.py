"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from collector.cli.streams import (
    open_streams,
    refuse,
    report_bug,
    report_lost,
    say,
    wants_json,
)
from collector.cli.values import shown
from collector.errors import CollectorError
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "collect": "collect the logs of a fleet: the main command",
    "plan": "estimate time and disk space, or ask what will not work",
    "verify": "prove that a run's archives are whole and unchanged",
    "status": "show what a run has done so far",
    "report": "write a run as one page for the browser",
    "serve": "serve runs as web pages, live where they are running",
    "runs": "list the runs under an output directory",
    "inventory": "discover, convert, check or show an inventory",
    "schema": "print the JSON Schema of what the tool reads and writes",
    "doctor": "say what this machine is like, for a bug report",
    "demo": "collect a fleet from an emulator on this machine",
    "emulator": "serve an emulated fleet, for drills and tests",
}

EXAMPLES = """\b
Examples:
  collector demo                                  see it work: no account, no network
  collector inventory discover --region cn-east-3 --project ID --output fleet.yaml
  collector plan fleet.yaml --online              what will not work?
  collector collect fleet.yaml                    collect every log of the fleet
  collector collect fleet.yaml --select project=payments --deadline 30m
  collector collect --resume latest               resume after Ctrl-C or a crash
  collector verify                                prove that everything is whole
"""


class _Commands(click.Group):
    """Commands by name; each is imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"collector.cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101  # what each file there defines
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, suggest the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = {"resume": ["collect --resume"]}.get(
                name.lower(), difflib.get_close_matches(name.lower(), COMMANDS, n=1)
            )
            meant = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {shown(name)}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx  # from the table above, without importing any command
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, **options: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401  # click's other ones are left to it
        """Run a command and exit; only a bug ends in a traceback."""
        secrets = Secrets()
        open_streams(secrets, as_json=wants_json(sys.argv[1:] if args is None else args))
        code = self._answered(args, options | {"obj": secrets, "standalone_mode": False})
        if report_lost() and code == 0:
            code = CollectorError.exit_code
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's own signature
        """Run a command; explain what the machine lacks."""
        try:
            return super().invoke(ctx)
        except MemoryError:
            raise CollectorError(
                "out of memory (ulimit -v, or a container's limit); allow more, then --resume "
                "the run if one was started"
            ) from None
        except ImportError as error:  # out of memory, or a file of the installation is missing
            raise CollectorError(
                f"cannot load a part of this program ({error}); allow more memory (ulimit -v) or "
                "reinstall it"
            ) from error

    def _answered(self, args: Sequence[str] | None, options: dict[str, Any]) -> int:
        """Run a command; return its exit code."""
        try:
            return super().main(args, **options) or 0
        except CollectorError as error:
            for line in error.rendered.split("\n"):
                say(line, "error")
            return error.exit_code
        except click.ClickException as error:
            refuse(error)
            return error.exit_code
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        except click.Abort:  # a Ctrl-C that came as an exception
            return 128 + signal.SIGINT
        except Exception:
            if not report_bug():
                raise
            return 1


@click.group(
    cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="collector", message="%(prog)s %(version)s")
def main() -> None:
    """Collect the logs of a fleet of physical servers, and prove that they are whole."""
