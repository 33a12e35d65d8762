"""The verdict on a run in one sentence: a page's headline, a command's last line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.report.words import count

if TYPE_CHECKING:
    from collector.report.manifest import Run, RunTotals


def headline(run: Run, totals: RunTotals, unlisted: int, left: str = "") -> str:
    """Say what became of a run, or how far it is.

    Args:
        run: the run.
        totals: its numbers.
        unlisted: how many projects could not be listed.
        left: how long it will still take, in words, where that is told.
    """
    servers, collected = totals.servers, totals.collected
    if not servers:
        said = "No servers collected" if unlisted else "No servers were selected"
    elif servers == collected and run.state != "running":
        said = f"{_all(servers, known=bool(unlisted))} collected and verified"
        if run.finished_at is None:
            said += ", but the run was killed before it ended"
    else:
        who = "None" if run.state == "failed" and servers > 1 else f"{collected:,}"
        said = f"{_how(run)}{who} of {count(servers, 'server')} collected{_rest(totals)}"
    if unlisted:
        said += f"; {count(unlisted, 'project')} not listed"
    return f"{said}; {left} left." if left else f"{said}."


def _all(servers: int, *, known: bool) -> str:
    if servers == 1:
        return "The only known server was" if known else "The server was"
    return f"All {servers:,} {'known ' if known else ''}servers"


def _how(run: Run) -> str:
    if run.state == "interrupted":
        return "Killed: " if run.finished_at is None else "Interrupted: "
    return {"running": "Running: ", "deadline": "Deadline reached: "}.get(run.state, "")


def _rest(totals: RunTotals) -> str:
    """Say how many servers are missing, and which of them may come yet."""
    numbers = ((totals.failed, "failed"), (totals.pending, "pending"))
    parts = ", ".join(f"{number:,} {word}" for number, word in numbers if number)
    return f"; {parts}" if parts else ""
