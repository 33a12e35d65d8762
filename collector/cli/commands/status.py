"""`collector status`: what a run has done so far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from collector.cli.options import OUT, common, json_option, run_argument
from collector.cli.streams import say, show, show_json

if TYPE_CHECKING:
    from pathlib import Path

    from collector.rundir.standing import Standing


@click.command(
    name="status",
    epilog="""\b
Examples:
  collector status
  collector status collected/20261123T084103Z-7f3a -v
  collector status latest --json | jq .totals
  collector status --watch
  collector status --server payments/bms-001
""",
)
@run_argument
@click.option(
    "--watch",
    "is_watched",
    is_flag=True,
    help="Show how the run goes on until it ends, as the process that collects would.",
)
@click.option(
    "--server",
    metavar="NAME",
    help="Tell one server's story: NAME, PROJECT/NAME or its id.",
)
@json_option
@common
@click.pass_context
def command(
    ctx: click.Context, run: str, *, is_watched: bool, server: str | None, as_json: bool
) -> None:
    """Show what a run has done so far, whether it is running, has ended or was killed.

    RUN_DIR defaults to the latest run under ./collected. -v adds what the run has learned: the
    service's limits and how long exports take. --watch follows a run of another process, from cron
    for example; Ctrl-C ends the watching alone. --server tells what happened to one server, from
    the journal.
    """
    if is_watched and server is not None:
        raise click.UsageError("--watch shows the whole run; leave out --server")
    from collector.cli.rendering.summary import summed_up  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.layout import find_run  # noqa: PLC0415

    directory = find_run(run, out=OUT)
    if is_watched:
        from collector.cli.watching import watch  # noqa: PLC0415  # as above

        watch(directory)
    if server is not None:
        _tell(directory, server, as_json=as_json)
        return
    from collector.rundir.standing import looked_at  # noqa: PLC0415  # as above

    found, glance = looked_at(directory)
    _say_damage(found)
    if found.unreadable is not None:
        say(found.unreadable, "error")
    summary = found.summary()
    verbose = ctx.meta["collector.verbose"] > 0
    if as_json:
        show_json(json.dumps(summary.as_json()))
    else:
        show(summed_up(summary, glance, verbose=verbose))


def _tell(directory: Path, server: str, *, as_json: bool) -> None:
    """Tell one server's story."""
    from difflib import get_close_matches  # noqa: PLC0415  # as above

    from collector.cli.rendering.story import rendered  # noqa: PLC0415  # as above
    from collector.errors import CollectorError  # noqa: PLC0415  # as above
    from collector.model.state import RunState  # noqa: PLC0415  # as above
    from collector.report.story import Stories  # noqa: PLC0415  # as above
    from collector.rundir.standing import standing  # noqa: PLC0415  # as above

    state = RunState()
    stories = Stories(state, server)
    found = standing(directory, stories.follow, state)
    _say_damage(found)
    if not list(stories):
        alike = get_close_matches(server, (row.name for row in state.servers), cutoff=0.7)
        maybe = f"did you mean {' or '.join(map(repr, alike))}? " if alike else ""
        raise CollectorError(
            f"{directory.name} has no server {server!r}; {maybe}"
            "give its name, its id, or PROJECT/NAME"
        )
    if as_json:
        show_json(json.dumps(stories.as_json()))
    else:
        show(rendered(stories, found))


def _say_damage(found: Standing) -> None:
    if found.damage is not None:
        say(
            f"{found.directory / 'journal.jsonl'}: line {found.damage.line} is damaged "
            f"({found.damage.what}); showing the run up to there",
            "error",
        )
