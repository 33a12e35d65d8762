"""A run's summary, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector.cli import wording
from collector.cli.wording import duration, pasted, short, wrapped
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GROUPS_SHOWN = 15
"""Reasons for missing servers that are told; the manifest tells all."""
NAMES_SHOWN = 6
"""Servers that are named for one reason."""

_STATES = {
    "running": "is running",
    "complete": "is complete",
    "partial": "is finished, and not complete",
    "failed": "is finished, and collected nothing",
    "interrupted": "was interrupted",
    "deadline": "ended at its deadline",
}


def summed_up(summary: Mapping[str, Any], *, verbose: bool = False) -> list[str]:
    """Return the lines that sum up a run: what is here, what is not and why, what next.

    Args:
        summary: what `--json` prints.
        verbose: tell also what was learned of the service.
    """
    run, totals = summary["run"], summary["totals"]
    lines = [f"Run {run['id']} {_STATES[run['state']]}."]
    lines.append(
        f"  collected  {totals['collected']} of {totals['servers']} servers, "
        f"{size(totals['bytes'])}" + (", every archive verified" if totals["collected"] else "")
    )
    if totals["failed"]:
        lines.append(f"  failed     {totals['failed']}")
    if totals["pending"]:
        lines.append(f"  pending    {totals['pending']}")
    lines.append(
        f"  calls      {'at least ' if totals['counters'] == 'at_least' else ''}"
        f"{totals['requests']}, {totals['throttled']} of them throttled"
    )
    if (reused := summary["reused_exports"])["count"]:
        lines += wrapped(
            f"{reused['count']} started by other runs, up to {duration(reused['oldest_s'])} before "
            "this one took them over",
            "  exports    ",
            " " * 13,
        )
    lines.append(f"  directory  {short(summary['directory'])}")
    if summary["manifest_sha256"]:
        lines += ["  manifest   sha256, for the ticket:", f"    {summary['manifest_sha256']}"]
    if summary["not_collected"]:
        running = run["state"] == "running"
        lines += ["", "Not collected:", *_missing(summary["not_collected"], running=running)]
    if verbose:
        lines += ["", "Learned:", *_learned(summary)]
    lines += ["", *_next(summary)]
    return lines


def _missing(servers: Sequence[Mapping[str, Any]], *, running: bool) -> Iterator[str]:
    """Yield what is missing, the failed first, those with one reason together."""
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for row in sorted(servers, key=lambda row: row["error"] is None):
        hint = row["error"]["hint"] if row["error"] else None
        groups.setdefault((_why(row, running=running), hint), []).append(row)
    shown = list(groups.items())[:GROUPS_SHOWN]
    for (why, hint), rows in shown:
        yield from wrapped(f"{_named(rows)}: {why}", "  ", "    ")
        if hint:
            yield from wrapped(f"-> {hint}", "    ", "       ")
    if len(groups) > GROUPS_SHOWN:
        hidden = sum(len(rows) for rows in list(groups.values())[GROUPS_SHOWN:])
        yield f"  and {hidden} more for other reasons; the manifest names them all"


def _named(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) == 1:
        name, server_id = rows[0]["name"], rows[0]["id"]
        return name if name == server_id else f"{name} ({server_id})"
    names = ", ".join(row["name"] for row in rows[:NAMES_SHOWN])
    more = f" and {len(rows) - NAMES_SHOWN} more" if len(rows) > NAMES_SHOWN else ""
    return f"{len(rows)} servers, {names}{more}"


def _why(row: Mapping[str, Any], *, running: bool) -> str:
    error, waiting = row["error"], row["waiting"]
    if error:
        tries = f", {error['attempts']} tries" if error["attempts"] > 1 else ""
        return f"failed at {error['stage']}{tries}: {error['message']}"
    reason = {
        "deadline": "when the deadline came",
        "stopped": "when the run was stopped",
        "endpoint_down": "while the endpoint was down",
        "disk": "while the disk could not be written",
        None: "now" if running else "when it was killed",
    }[waiting["reason"]]
    earlier = waiting.get("last_error")  # manifests of earlier versions have none
    why = f": {earlier['message']}" if earlier else ""
    return f"pending, {waiting['phase']} {reason}{why}"


def _learned(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was learned of the service's limits and of how long exports take."""
    told = [
        *map(wording.calls_limit, summary["limits"]),
        *map(wording.exports_limit, summary["exports_limits"]),
        *map(wording.durations, summary["durations"]),
    ]
    for text in told or ["nothing yet: the service told no limit, and none was met"]:
        yield from wrapped(text, "  ", "    ")


def _next(summary: Mapping[str, Any]) -> Iterator[str]:
    directory = pasted(short(summary["directory"]))
    yield "Next:"
    if summary["run"]["state"] == "running":
        yield f"  collector status {directory}"
        return
    if summary["totals"]["pending"]:
        yield f"  collector collect --resume {directory}"
    if summary["totals"]["failed"]:
        yield f"  collector collect --resume {directory} --retry-failed"
    yield f"  collector verify {directory}"
    if summary["totals"]["collected"]:
        yield f"  (cd {directory} && sha256sum -c SHA256SUMS)"
