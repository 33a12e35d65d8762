"""`collector demo`: the main job against an emulator started by the same command."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, common, json_option
from collector.cli.readiness import make_ready
from collector.cli.streams import say
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.emulator import Emulator, Scenario

EXAMPLES = """\b
Examples:
  collector demo
  collector demo --progress plain --json | jq .totals
"""


@click.command(name="demo", epilog=EXAMPLES)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUT,
    show_default=True,
    help="Directory that holds the run.",
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress on stderr.",
)
@json_option
@common
def command(out: Path, progress: str, as_json: bool) -> None:
    """Collect a fleet of 60 servers from an emulator on this machine: no account, no network.

    The emulator throttles, fails now and then, and has two servers that nobody could collect: the
    exit code is 3, as it would be for a collect that ends so.
    """
    make_ready()
    import io  # noqa: PLC0415  # with the rest of what the work needs
    import json  # noqa: PLC0415  # as above

    from collector.cli import choosing, running  # noqa: PLC0415  # as above
    from collector.emulator import demo_fleet, inventory  # noqa: PLC0415  # as above
    from collector.runtime.terms import Terms  # noqa: PLC0415  # as above

    scenario = demo_fleet.scenario()
    with _serving(scenario) as emulator:
        for line in (
            f"An emulator at {emulator.url} stands in for the service:",
            f"{demo_fleet.SERVERS} servers in {demo_fleet.PROJECTS} projects,",
            f"{demo_fleet.CALLS_A_SECOND} calls a second allowed,",
            f"trouble with {len(demo_fleet.FAULTS)} servers, two of them beyond help.",
            "",
        ):
            say(line)
        text = json.dumps(inventory(scenario, emulator.url)).encode()
        options = running.Options(
            Terms(argv=("collector", "demo")), environ={"CLOUDDC_TOKEN": emulator.token}
        )
        fleet = choosing.loaded(io.BytesIO(text), sends=True, environ=options.environ)
        selection = choosing.chosen(fleet)
        begin = running.beginning(selection, out, None, options)
        running.finish(begin, progress=progress, as_json=as_json)


@contextmanager
def _serving(scenario: Scenario) -> Iterator[Emulator]:
    """Serve a scenario in a thread of its own."""
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415  # with the rest

    from collector.emulator import Emulator  # noqa: PLC0415  # as above
    from collector.event_loop import Loop  # noqa: PLC0415  # as above

    with ExitStack() as stack:
        try:
            portal = stack.enter_context(
                start_blocking_portal(backend_options={"loop_factory": Loop})
            )
        except RuntimeError as error:
            raise CollectorError(
                f"cannot start the demo's emulator ({error}); allow more threads: ulimit -u, or "
                "pids.max of a container"
            ) from error
        yield stack.enter_context(portal.wrap_async_context_manager(Emulator(scenario)))
