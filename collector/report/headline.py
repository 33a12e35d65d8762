"""The headline of a page: what became of a run, in a sentence or three."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.report.building import Report


def headline(report: Report, damage: str | None = None) -> str:
    """Say what became of a run.

    Args:
        report: of the run.
        damage: what of its journal could not be read; None where all could.
    """
    return " ".join(_sentences(report, damage))


def _sentences(report: Report, damage: str | None) -> Iterator[str]:
    totals, state = report.totals, report.run.state
    missing = totals.servers - totals.collected
    if not totals.servers:
        yield "No servers were selected."
    elif not missing:
        yield f"{_all(totals.servers)} collected and verified."
    else:
        how = {
            "running": "Still running: ",
            "interrupted": "Interrupted: ",
            "deadline": "The deadline came: ",
        }.get(state, "")
        said = f"{how}{_some(totals.collected, totals.servers)} collected; {_rest(report)}."
        yield said[0].upper() + said[1:]
    if unlisted := report.unlisted:
        listed = "1 project" if unlisted == 1 else f"{unlisted:,} projects"
        yield f"{listed} could not be listed, so servers may be missing."
    if damage is not None:
        yield f"The journal is damaged ({damage}): this is the run up to there."


def _all(servers: int) -> str:
    if servers == 1:
        return "The server is"
    return f"All {servers:,} servers are"


def _some(collected: int, servers: int) -> str:
    if not collected:
        return f"none of {servers:,} servers is" if servers > 1 else "the one server is not"
    return f"{collected:,} of {servers:,} servers {'is' if collected == 1 else 'are'}"


def _rest(report: Report) -> str:
    """Say how many servers are missing, and which of them may come yet."""
    totals = report.totals
    failed = f"{totals.failed:,} failed" if totals.failed else ""
    pending = f"{totals.pending:,} pending" if totals.pending else ""
    return ", ".join(filter(None, (failed, pending)))
