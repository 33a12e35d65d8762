"""`collector demo`: the main command against an emulator in the same process."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import common, json_option
from collector.cli.readiness import prepare
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
    default="demo",
    show_default=True,
    help="Directory for the run.",
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

    The emulator throttles and fails now and then. Two of its servers cannot be collected, so the
    exit code is 3, as it would be for collect.
    """
    prepare()
    import io  # noqa: PLC0415  # with the rest of what the work needs
    import json  # noqa: PLC0415  # as above

    from collector.cli import choosing, running  # noqa: PLC0415  # as above
    from collector.emulator import demo_fleet, inventory  # noqa: PLC0415  # as above
    from collector.runtime.terms import Terms  # noqa: PLC0415  # as above

    scenario = demo_fleet.scenario()
    with _serving(scenario) as emulator:
        for line in (
            f"The emulator at {emulator.url} plays the service:",
            f"{demo_fleet.SERVERS} servers in {demo_fleet.PROJECTS} projects,",
            f"a limit of {demo_fleet.CALLS_A_SECOND} calls per second,",
            f"faults on {len(demo_fleet.FAULTS)} servers, two of which cannot be collected.",
            "",
        ):
            say(line)
        text = json.dumps(inventory(scenario, emulator.url)).encode()
        options = running.Options(
            Terms(argv=("collector", "demo")), environ={"CLOUDDC_TOKEN": emulator.token}
        )
        fleet = choosing.load_inventory(io.BytesIO(text), sends=True, environ=options.environ)
        selection = choosing.select_servers(fleet)
        begin = running.beginning(selection, out, None, options)
        running.finish(begin, progress=progress, as_json=as_json)


@contextmanager
def _serving(scenario: Scenario) -> Iterator[Emulator]:
    """Serve a scenario in a separate thread."""
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
