"""`collector serve`: the runs under an output directory as web pages."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import signals
from collector.cli.options import OUT, common

if TYPE_CHECKING:
    from collector.cli.served import Place


@click.command(
    name="serve",
    epilog="""\b
Examples:
  collector serve
  collector serve /var/lib/collector --listen 127.0.0.1:9000
  COLLECTOR_SERVE_TOKEN=$(openssl rand -hex 32) collector serve --listen 0.0.0.0:8787
""",
)
@click.argument("out", metavar="[DIR]", default=OUT, type=click.Path(path_type=Path))
@click.option(
    "--listen",
    metavar="ADDR:PORT",
    default="127.0.0.1:8787",
    show_default=True,
    help="Where to listen (port 0: any that is free). From any other address than this machine's "
    "own loopback, whoever looks needs a token.",
)
@common
def command(out: Path, listen: str) -> None:
    """Serve the runs under DIR (default: ./collected) as web pages, live where they are running.

    Runs that begin later show up by themselves. Nobody can change anything. Ctrl-C ends it.
    """
    import anyio  # noqa: PLC0415  # the work's imports cost start-up time

    from collector.cli.readiness import prepare  # noqa: PLC0415
    from collector.cli.served import place  # noqa: PLC0415
    from collector.event_loop import Loop  # noqa: PLC0415

    where = place(listen)
    prepare()
    anyio.run(partial(_serve, out, where), backend_options={"loop_factory": Loop})


async def _serve(out: Path, where: Place) -> None:
    import anyio  # noqa: PLC0415  # as above

    from collector.serving.serving import serve_runs  # noqa: PLC0415

    with signals.received(signal.SIGINT, signal.SIGTERM) as stops:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_runs, out, where.listening, where.token)
            where.tell(f"Serving the runs under {out}")
            async for _ in stops:
                break
            tasks.cancel_scope.cancel()
