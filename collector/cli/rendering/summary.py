"""A run's summary, for a person: it fits a screen, and its last lines say how to go on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from collector.cli.rendering import wording
from collector.cli.rendering.missing import missing, names_all
from collector.cli.rendering.verdict import verdict
from collector.cli.rendering.wording import HEIGHT, clipped, count, duration, pasted, short, wrapped
from collector.rundir.layout import REPORT
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.report.summary import Retried, Summary

UNLISTED_SHOWN = 2
"""Reasons of projects that could not be listed."""
NAMES_SHOWN = 3
"""Projects that are named for one reason."""
TROUBLES_SHOWN = 2
"""Endpoints that are down, and waits that are asked for."""
DETAIL = 3
"""Lines that one of these takes at most."""
FEWEST = 4
"""Lines that the reasons of missing servers have in any case: one reason whole."""
INDENT = " " * 13


def summed_up(summary: Summary, *, verbose: bool = False, now: datetime | None = None) -> list[str]:
    """Return the lines that sum up a run: what is here, what is not and why, what next.

    They fit a screen, `verbose` aside; the last of them is the verdict.

    Args:
        summary: of the run.
        verbose: tell also what was learned of the service.
        now: the time; by default this machine's.
    """
    now = now or datetime.now(UTC)
    lines = [*wrapped(f"Run {summary.run.id} {_state(summary, now)}.", "", "  ", anywhere=True)]
    lines += _facts(summary, now)
    if verbose:
        lines += ["", "Learned:", *_learned(summary)]
    ending = ["", *_next(summary), "", verdict(summary)]
    if unlisted := list(_unlisted(summary)):
        lines += ["", "Not listed:", *unlisted]
    room = HEIGHT - len(lines) - len(ending) - 2
    if reasons := missing(summary, lines=max(FEWEST, room)):
        yet = " yet" if summary.run.state == "running" else ""
        lines += ["", f"Not collected{yet}:", *reasons]
    return lines + ending


def _state(summary: Summary, now: datetime) -> str:
    run, last = summary.run, summary.last_event_at
    if run.state == "running":
        return "is running"
    if run.finished_at is None:
        killed = wording.moment(last, now)
        return f"was killed after {killed}{wording.ago(last, now)}"
    word = {"deadline": "ended at its deadline", "interrupted": "was interrupted"}
    ago = wording.ago(run.finished_at, now)
    at = f" at {wording.moment(run.finished_at, now)}{ago}" if ago else ""
    if run.state == "deadline":
        at = f",{at}" if ago else ""
    return f"{word.get(run.state, 'finished')}{at}"


def _facts(summary: Summary, now: datetime) -> Iterator[str]:
    """Yield what came home, what did not, and where it is."""
    run, totals = summary.run, summary.totals
    yield from wrapped(_started(summary, now), "  started    ", INDENT)
    yield (
        f"  collected  {totals.collected:,} of {count(totals.servers, 'server')}, "
        f"{size(totals.bytes)}" + (", every archive verified" if totals.collected else "")
    )
    numbers = ((totals.failed, "failed"), (totals.pending, "pending"))
    if parts := [f"{number:,} {word}" for number, word in numbers if number]:
        yield f"  missing    {', '.join(parts)}"
    yield from _retried(summary.retried)
    if totals.requests or totals.counters == "exact":  # else they are not counted yet
        at_least = "at least " if totals.counters == "at_least" else ""
        yield f"  calls      {at_least}{totals.requests:,}, {totals.throttled:,} of them throttled"
    reused = summary.reused_exports
    if reused.oldest_s is not None:
        text = f"{reused.count} reused from other runs, up to {duration(reused.oldest_s)} old"
        yield from wrapped(text, "  exports    ", INDENT)
    yield from _troubles(summary, now)
    directory = short(summary.directory)
    yield f"  directory  {directory}"
    if has_report(summary):
        yield f"  report     {directory}/{REPORT}"
    if summary.manifest_sha256 and run.state != "running":  # it changes every second
        yield f"  manifest   {summary.manifest_sha256}"


def has_report(summary: Summary) -> bool:
    """Whether the run has a page that shows it."""
    return Path(summary.directory, REPORT).is_file()


def _started(summary: Summary, now: datetime) -> str:
    run = summary.run
    by = f"{wording.moment(run.started_at, now)} by {run.user}@{run.host}"
    if run.resumed:
        by += f", resumed {'once' if run.resumed == 1 else f'{run.resumed} times'}"
    if run.finished_at is None:
        return by + wording.ago(run.started_at, now)
    took_s = wording.between(run.started_at, run.finished_at)
    return by if took_s is None or run.resumed else f"{by}, took {duration(took_s)}"


def _retried(retried: Retried) -> Iterator[str]:
    servers, collected, failed = retried.servers, retried.collected, retried.failed
    if servers:
        parts = [f"{collected:,} collected", f"{failed:,} failed again"]
        if left := servers - collected - failed:
            parts.append(f"{left:,} pending")
        yield f"  retried    {count(servers, 'failed server')}: {', '.join(parts)}"


def _troubles(summary: Summary, now: datetime) -> Iterator[str]:
    """Yield what pending servers wait for; of a run that has ended, reasons tell of endpoints."""
    if not summary.totals.pending:
        return
    down = summary.endpoints_down if summary.run.state == "running" else []
    for one in down[:TROUBLES_SHOWN]:
        since = f"{wording.moment(one.since, now)}{wording.since(one.since, now)}"
        text = f"{one.endpoint} since {since}: {one.message}"
        yield from clipped(text, "  down       ", INDENT, DETAIL)
        if one.hint:
            hint = wording.cure(one.hint, summary)
            yield from clipped(f"-> {hint}", INDENT, f"{INDENT}   ", DETAIL)
    if (more := len(down) - TROUBLES_SHOWN) > 0:
        yield f"{INDENT}and {count(more, 'more endpoint')}"
    for text in wording.waits(summary.asked_to_wait, now)[:TROUBLES_SHOWN]:
        yield from clipped(text, "  service    ", INDENT, DETAIL)


def _unlisted(summary: Summary) -> Iterator[str]:
    """Yield the projects whose servers are not all known, those with one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in summary.projects:
        if error := one.discovery_error:
            groups.setdefault((error.message, error.hint), []).append(one.name)
    for (why, hint), names in list(groups.items())[:UNLISTED_SHOWN]:
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        named = f"{'project' if len(names) == 1 else 'projects'} {', '.join(names[:NAMES_SHOWN])}"
        yield from clipped(f"{named}{more}: {why}", "  ", "    ", DETAIL)
        yield from clipped(f"-> {wording.cure(hint, summary)}", "    ", "       ", DETAIL)
    if len(groups) > UNLISTED_SHOWN:
        yield "  and others, named by --json"


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
    """Yield the commands to go on with."""
    directory, collector = pasted(short(summary.directory)), wording.program()
    yield "Next:"
    if summary.run.state == "running":
        yield f"  {collector} status {directory}"
        return
    totals, again = summary.totals, f"  {collector} collect --resume {directory}"
    if wording.is_demo(summary) or not (totals.pending or totals.failed):
        yield f"  {collector} verify {directory}"
        return
    if totals.pending:
        yield again
    if totals.failed:
        yield f"{again} --retry-failed"
    if not names_all(summary) and not has_report(summary):
        yield f"  {collector} status {directory} --json"
