"""`collector report`: a run as one page."""

from __future__ import annotations

import json

import click

from collector.cli.options import OUT, common, json_option, run_argument
from collector.cli.rendering.wording import short
from collector.cli.streams import say, show, show_json


@click.command(
    name="report",
    epilog="""\b
Examples:
  collector report
  collector report collected/20261123T084103Z-7f3a
  collector report latest --compare 20261122T084103Z-09be
  collector report latest --json | jq -r .path
""",
)
@run_argument
@click.option(
    "--compare",
    metavar="RUN_DIR",
    help="Show what changed since this run.  [default: the last one of the same servers]",
)
@json_option
@common
def command(run: str, *, compare: str | None, as_json: bool) -> None:
    """Write report.html into a run's directory: one page that opens in any browser.

    The run may be running, ended or killed: the page is made from its journal. It needs no network,
    and can be sent to anybody. RUN_DIR defaults to the latest run under ./collected.
    """
    from collector import clock  # noqa: PLC0415  # the work's imports cost time
    from collector.rundir.layout import find_run  # noqa: PLC0415  # as above
    from collector.rundir.report_file import report_of  # noqa: PLC0415  # as above

    directory = find_run(run, out=OUT)
    other = None if compare is None else find_run(compare, out=directory.parent)
    at = clock.WallClock().stamp(clock.now_s())
    found, report = report_of(directory, at=at, compare=other)
    if found.damage is not None:
        say(
            f"{found.directory / 'journal.jsonl'}: line {found.damage.line} is damaged "
            f"({found.damage.what}); the report shows the run up to there",
            "error",
        )
    if as_json:
        document = {"path": str(report.path), "bytes": report.bytes, "sha256": report.sha256}
        show_json(json.dumps(document))
    else:
        show([f"Report: {short(str(report.path))}"])
