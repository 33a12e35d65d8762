"""The verdict on a run, in one sentence with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering.wording import count
from collector.observe.words import between

if TYPE_CHECKING:
    from collector.report.glance import Glance
    from collector.report.manifest import Run
    from collector.report.summary import Summary


def verdict(summary: Summary, glance: Glance | None = None) -> str:
    """Return what became of a run, or how far it is: the last line of `collect` and `status`."""
    run, totals = summary.run, summary.totals
    unlisted = sum(bool(one.discovery_error) for one in summary.projects)
    servers, collected = totals.servers, totals.collected
    if run.state == "running":
        failed = f", {totals.failed:,} failed" if totals.failed else ""
        left = f"; {between(glance.time_left)} left" if glance and glance.time_left else ""
        return f"Running: {collected:,} of {count(servers, 'server')} collected{failed}{left}."
    if not servers:
        said = "No server collected" if unlisted else "No server was selected"
    elif servers == collected:
        said = _all(servers, known=bool(unlisted))
        if run.finished_at is None:
            said += ", but the run was killed before it ended"
    elif run.state == "failed":
        said = f"None of {count(servers, 'server')} collected"
    else:
        said = f"{servers - collected:,} of {count(servers, 'server')} missing{_why(run)}"
    return f"{said}; {count(unlisted, 'project')} not listed." if unlisted else f"{said}."


def _all(servers: int, *, known: bool) -> str:
    if known:
        who = "The only known server was" if servers == 1 else f"All {servers:,} known servers"
        return f"{who} collected"
    return (
        f"{'The server was' if servers == 1 else f'All {servers:,} servers'} collected and verified"
    )


def _why(run: Run) -> str:
    if run.state == "deadline":
        return ": the deadline came first"
    if run.state == "interrupted":
        return f": the run was {'killed' if run.finished_at is None else 'interrupted'}"
    return ""
