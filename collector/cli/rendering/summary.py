"""A run's summary, for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.cli.rendering import wording
from collector.cli.rendering.wording import count, duration, pasted, short, wrapped
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.report.summary import Missing, Retried, Summary

GROUPS_SHOWN = 15
"""Reasons for missing servers that are told; the manifest tells all."""
NAMES_SHOWN = 6
"""Servers that are named for one reason."""
TROUBLES_SHOWN = 5
"""Endpoints that are down, and waits that are asked for."""
INDENT = " " * 13


def summed_up(summary: Summary, *, verbose: bool = False, now: datetime | None = None) -> list[str]:
    """Return the lines that sum up a run: what is here, what is not and why, what next.

    Args:
        summary: of the run.
        verbose: tell also what was learned of the service.
        now: the time; by default this machine's.
    """
    now = now or datetime.now(UTC)
    run, totals = summary.run, summary.totals
    lines = wrapped(f"Run {run.id} {_state(summary, now)}.", "", "  ")
    lines.append(
        f"  collected  {totals.collected} of {count(totals.servers, 'server')}, "
        f"{size(totals.bytes)}" + (", every archive verified" if totals.collected else "")
    )
    if totals.failed:
        lines.append(f"  failed     {totals.failed}")
    if totals.pending:
        lines.append(f"  pending    {totals.pending}")
    lines += _retried(summary.retried)
    if totals.requests or totals.counters == "exact":  # else they are not counted yet
        lines.append(
            f"  calls      {'at least ' if totals.counters == 'at_least' else ''}"
            f"{totals.requests}, {totals.throttled} of them throttled"
        )
    reused = summary.reused_exports
    if reused.oldest_s is not None:
        text = f"{reused.count} reused from other runs, up to {duration(reused.oldest_s)} old"
        lines += wrapped(text, "  exports    ", INDENT)
    lines += _troubles(summary, now)
    lines.append(f"  directory  {short(summary.directory)}")
    running = run.state == "running"
    if summary.manifest_sha256 and not running:  # it changes every second
        lines += ["  manifest   sha256, for the ticket:", f"    {summary.manifest_sha256}"]
    lines += _unlisted(summary)
    if summary.not_collected:
        lines += ["", f"Not collected{' yet' if running else ''}:", *_missing(summary)]
    if verbose:
        lines += ["", "Learned:", *_learned(summary)]
    lines += ["", *_next(summary)]
    return lines


def _state(summary: Summary, now: datetime) -> str:
    run, totals = summary.run, summary.totals
    servers, ended = totals.servers, run.finished_at
    missing = f"{servers - totals.collected} of {count(servers, 'server')} missing"
    projects = sum(bool(one.discovery_error) for one in summary.projects)
    unlisted = f", {count(projects, 'project')} not listed" if projects else ""
    if unlisted and servers and servers == totals.collected:
        known = "the only known server" if servers == 1 else f"all {servers} known servers"
        missing = f"{known} collected"
    missing += unlisted
    match run.state:
        case "partial":
            return f"finished; {missing}"
        case "failed":
            none = f"none of {count(servers, 'server')}" if servers else "no server"
            return f"finished; {none} collected{unlisted}"
        case "deadline":
            return f"ended at its deadline; {missing}"
        case "interrupted" if ended is not None:
            ago = wording.ago(ended, now)
            return f"was interrupted{f' at {wording.moment(ended, now)}{ago}' if ago else ''}"
        case "interrupted":
            last = wording.moment(summary.last_event_at, now)
            ago = wording.ago(summary.last_event_at, now)
            return f"was interrupted: its process was killed after {last}{ago}; {missing}"
        case word:
            return f"is {word}" if servers else "finished; no server was selected"


def _retried(retried: Retried) -> Iterator[str]:
    servers, collected, failed = retried.servers, retried.collected, retried.failed
    if servers:
        parts = [f"{collected} collected", f"{failed} failed again"]
        if left := servers - collected - failed:
            parts.append(f"{left} pending")
        yield f"  retried    {count(servers, 'failed server')}: {', '.join(parts)}"


def _troubles(summary: Summary, now: datetime) -> Iterator[str]:
    """Yield what servers wait for that are pending: endpoints that are down, and waits."""
    if not summary.totals.pending:
        return
    running = summary.run.state == "running"
    for one in summary.endpoints_down[:TROUBLES_SHOWN]:
        since = wording.moment(one.since, now)
        so_long = wording.since(one.since, now) if running else ""
        text = f"{one.endpoint} since {since}{so_long}: {one.message}"
        yield from wrapped(text, "  down       ", INDENT)
        if one.hint:
            yield from wrapped(f"-> {one.hint}", INDENT, INDENT + "   ")
    for text in wording.waits(summary.asked_to_wait, now)[:TROUBLES_SHOWN]:
        yield from wrapped(text, "  service    ", INDENT)


def _unlisted(summary: Summary) -> Iterator[str]:
    """Yield the projects whose servers are not all known, those with one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in summary.projects:
        if error := one.discovery_error:
            tries = f", {error.attempts} tries" if error.attempts > 1 else ""
            groups.setdefault((f"{error.message}{tries}", error.hint), []).append(one.name)
    if not groups:
        return
    yield from ("", "Not listed:")
    for (why, hint), names in list(groups.items())[:GROUPS_SHOWN]:
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        named = f"{'project' if len(names) == 1 else 'projects'} {', '.join(names[:NAMES_SHOWN])}"
        yield from wrapped(f"{named}{more}: {why}", "  ", "    ")
        yield from wrapped(f"-> {hint}", "    ", "       ")
    if len(groups) > GROUPS_SHOWN:
        yield "  and others, named by --json"


def _missing(summary: Summary) -> Iterator[str]:
    """Yield what is missing, the failed first, those with one reason together."""
    running = summary.run.state == "running"
    in_projects = len(summary.projects) > 1
    told = {one.hint for one in summary.endpoints_down[:TROUBLES_SHOWN]}
    groups: dict[tuple[str, str | None], list[Missing]] = {}
    for row in sorted(summary.not_collected, key=lambda row: row.error is None):
        error = row.latest_error
        hint = error.hint if error else None
        groups.setdefault((_why(row, running=running), hint), []).append(row)
    shown = list(groups.items())[:GROUPS_SHOWN]
    for (why, hint), rows in shown:
        yield from wrapped(f"{_named(rows, in_projects=in_projects)}: {why}", "  ", "    ")
        if hint and hint not in told:
            yield from wrapped(f"-> {hint}", "    ", "       ")
    if len(groups) > GROUPS_SHOWN:
        hidden = sum(len(rows) for rows in list(groups.values())[GROUPS_SHOWN:])
        yield f"  and {hidden} more for other reasons"
    if len(groups) > GROUPS_SHOWN or any(len(rows) > NAMES_SHOWN for _, rows in shown):
        yield f"  collector status {pasted(short(summary.directory))} --json names them all"


def _named(rows: Sequence[Missing], *, in_projects: bool) -> str:
    def name(row: Missing) -> str:
        return f"{row.project.name}/{row.name}" if in_projects else row.name

    if len(rows) == 1:
        server_id = rows[0].id
        return name(rows[0]) + (f" ({server_id})" if rows[0].name != server_id else "")
    names = ", ".join(map(name, rows[:NAMES_SHOWN]))
    more = f" and {len(rows) - NAMES_SHOWN} more" if len(rows) > NAMES_SHOWN else ""
    return f"{len(rows)} servers, {names}{more}"


def _why(row: Missing, *, running: bool) -> str:
    if (error := row.error) is not None:
        tries = f", {error.attempts} tries" if error.attempts > 1 else ""
        return f"failed at {error.stage}{tries}: {error.message}"
    if (waiting := row.waiting) is None:
        return row.state
    reason = {
        "deadline": " when the deadline came",
        "stopped": " when the run was stopped",
        "endpoint_down": " while the endpoint was down",
        "disk": " while the disk could not be written",
        None: "" if running else " when it was killed",
    }[waiting.reason]
    earlier = waiting.last_error
    why = f": {earlier.message}" if earlier else ""
    return f"pending, {waiting.phase}{reason}{why}"


def _learned(summary: Summary) -> Iterator[str]:
    """Yield what was learned of the service's limits and of how long exports take."""
    told = [
        *map(wording.calls_limit, summary.limits),
        *map(wording.exports_limit, summary.exports_limits),
        *map(wording.durations, summary.durations),
    ]
    for text in told or ["nothing yet: the service told no limit, and none was met"]:
        yield from wrapped(text, "  ", "    ")


def _next(summary: Summary) -> Iterator[str]:
    directory = pasted(short(summary.directory))
    yield "Next:"
    if summary.run.state == "running":
        yield f"  collector status {directory}"
        return
    is_demo = summary.run.argv[1:2] == ["demo"]  # whose emulator is gone
    if summary.totals.pending and not is_demo:
        yield f"  collector collect --resume {directory}"
    if summary.totals.failed and not is_demo:
        yield f"  collector collect --resume {directory} --retry-failed"
    yield f"  collector verify {directory}"
    if summary.totals.collected:
        yield f"  (cd {directory} && sha256sum -c SHA256SUMS)"
