"""`collector status`: what a run has done so far."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, common, json_option, run_argument
from collector.cli.streams import say, show, show_json

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.events import Event
    from collector.report.glance import Glance
    from collector.rundir.standing import Standing


@click.command(
    name="status",
    epilog="""\b
Examples:
  collector status
  collector status collected/20261123T084103Z-7f3a -v
  collector status latest --json | jq .totals
  collector status --watch
""",
)
@run_argument
@click.option(
    "--watch",
    "is_watched",
    is_flag=True,
    help="Show how the run goes on until it ends, as the process that collects would.",
)
@json_option
@common
@click.pass_context
def command(ctx: click.Context, run: str, *, is_watched: bool, as_json: bool) -> None:
    """Show what a run has done so far, whether it is running, has ended or was killed.

    RUN_DIR defaults to the latest run under ./collected. -v adds what the run has learned: the
    service's limits and how long exports take. --watch follows a run of another process, from cron
    for example; Ctrl-C ends the watching alone.
    """
    from collector.cli.rendering.summary import summed_up  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.layout import find_run  # noqa: PLC0415

    directory = find_run(run, out=OUT)
    if is_watched:
        from collector.cli.watching import watch  # noqa: PLC0415  # as above

        watch(directory)
    found, glance = _looked_at(directory)
    if found.damage is not None:
        say(
            f"{found.directory / 'journal.jsonl'}: line {found.damage.line} is damaged "
            f"({found.damage.what}); showing the run up to there",
            "error",
        )
    if found.unreadable is not None:
        say(found.unreadable, "error")
    summary = found.summary()
    verbose = ctx.meta["collector.verbose"] > 0
    if as_json:
        show_json(json.dumps(summary.as_json()))
    else:
        show(summed_up(summary, glance, verbose=verbose))


def _looked_at(directory: Path) -> tuple[Standing, Glance | None]:
    """Read how a run stands, and look at one that goes on.

    Rates are made of several looks: at the run as it was each time that its calls were counted
    lately, and as it is now.
    """
    from collector.model.state import RunState  # noqa: PLC0415  # the work's imports cost time
    from collector.report.glance import Watch  # noqa: PLC0415  # as above
    from collector.report.rates import RECENTLY  # noqa: PLC0415  # as above
    from collector.report.times import written  # noqa: PLC0415  # as above
    from collector.rundir.standing import standing  # noqa: PLC0415  # as above

    now = datetime.now(UTC)
    state, recent = RunState(), written(now - RECENTLY)
    watch = Watch(state)

    def look(event: Event) -> None:
        if event.at >= recent:
            watch.follow(event)

    found = standing(directory, look, state)
    goes_on = found.alive and state.ended is None
    return found, watch.glance(datetime.now(UTC)) if goes_on else None
