"""A run's summary, for a person."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.observe.progress import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH = 80
SHOWN = 20
"""Servers that did not come home, of which each is shown; the manifest names all."""

_STATES = {
    "running": "is running",
    "complete": "is complete",
    "partial": "is finished, and not complete",
    "failed": "is finished, and collected nothing",
    "interrupted": "was interrupted",
    "deadline": "ended at its deadline",
}


def summed_up(summary: Mapping[str, Any]) -> str:
    """Return what a person wants to know of a run: what is here, what is not and why, what next."""
    run, totals = summary["run"], summary["totals"]
    lines = [f"Run {run['id']} {_STATES[run['state']]}."]
    lines.append(
        f"  collected  {totals['collected']} of {totals['servers']} servers, "
        f"{size(totals['bytes'])}, every archive verified"
    )
    if totals["failed"]:
        lines.append(f"  failed     {totals['failed']}")
    if totals["pending"]:
        lines.append(f"  pending    {totals['pending']}")
    lines.append(
        f"  calls      {'at least ' if totals['counters'] == 'at_least' else ''}"
        f"{totals['requests']}, {totals['throttled']} of them throttled"
    )
    lines.append(f"  directory  {_short(summary['directory'])}")
    if summary["manifest_sha256"]:
        lines.append(f"  manifest   sha256 {summary['manifest_sha256']}")
    if summary["not_collected"]:
        lines += ["", "Not collected:", *_missing(summary["not_collected"])]
    lines += ["", *_next(summary)]
    return "\n".join(lines)


def _missing(servers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = [row for row in servers if row["error"]] + [row for row in servers if not row["error"]]
    for row in shown[:SHOWN]:
        name = row["name"] if row["name"] == row["id"] else f"{row['name']} ({row['id']})"
        yield from _wrapped(f"{name}: {_why(row)}", "  ", "    ")
        if row["error"]:
            yield from _wrapped(f"-> {row['error']['hint']}", "    ", "       ")
    if len(shown) > SHOWN:
        yield f"  and {len(shown) - SHOWN} more; the manifest names them all"


def _why(row: Mapping[str, Any]) -> str:
    error, waiting = row["error"], row["waiting"]
    if error:
        tries = f", {error['attempts']} tries" if error["attempts"] > 1 else ""
        return f"failed at {error['stage']}{tries}: {error['message']}"
    reason = {
        "deadline": "the deadline came",
        "stopped": "the run was stopped",
        "endpoint_down": "its endpoint could not be reached",
        "disk": "the disk could not be written",
        None: "its turn had not come",
    }[waiting["reason"]]
    return f"pending, {waiting['phase']} when {reason}"


def _next(summary: Mapping[str, Any]) -> Iterator[str]:
    directory = shlex.quote(_short(summary["directory"]))
    yield "Next:"
    if summary["totals"]["pending"] and summary["run"]["state"] != "running":
        yield f"  collector collect --resume {directory}"
    yield f"  collector verify {directory}"
    yield f"  (cd {directory} && sha256sum -c SHA256SUMS)"


def _short(directory: str) -> str:
    """Return a path as it is said from here, where that is shorter."""
    path = Path(directory)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else directory


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
