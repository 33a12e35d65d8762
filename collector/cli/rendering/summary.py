"""A run's summary, for a person: it fits a screen, and its last lines say how to go on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from collector.cli.rendering import wording
from collector.cli.rendering.missing import names_all, reasons, told
from collector.cli.rendering.verdict import verdict
from collector.cli.rendering.wording import HEIGHT, clipped, duration, pasted, short, wrapped
from collector.observe.words import passed_s, rate, time_left
from collector.report.times import lasting, seconds_between
from collector.report.words import count
from collector.rundir.layout import REPORT
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.cli.rendering.missing import Reason
    from collector.report.glance import Glance
    from collector.report.summary import Retried, Summary

TROUBLES_SHOWN = 2
"""Endpoints that are down, and waits that are asked for."""
DETAIL = 3
"""Lines that one of these takes at most."""
FEWEST = 4
"""Lines that the reasons of missing servers have in any case: one reason whole."""
INDENT = " " * 13


def summed_up(
    summary: Summary,
    glance: Glance | None = None,
    *,
    verbose: bool = False,
    now: datetime | None = None,
) -> list[str]:
    """Return the lines that sum up a run: what is here, what is not and why, what next.

    They fit a screen, `verbose` aside; the last of them is the verdict, of a demo its report.

    Args:
        summary: of the run.
        glance: at the run, if it goes on.
        verbose: tell also what was learned of the service.
        now: the time; by default this machine's.
    """
    now = now or datetime.now(UTC)
    found = reasons(summary)
    head = wrapped(f"Run {summary.run.id} {_state(summary, now)}.", "", "  ", anywhere=True)
    facts, place = list(_facts(summary, glance, now)), list(_place(summary))
    ending = ["", *_next(summary, found), "", *_ending(summary, glance)]
    room = HEIGHT - len(head) - len(facts) - len(place) - len(ending)
    troubles = list(_troubles(summary, now))
    most = max(2, room - (FEWEST + 2 if found else 0))
    if len(troubles) > most:
        troubles = [*troubles[: most - 1], f"{INDENT}..."]
    lines = [*head, *facts, *troubles, *place]
    if verbose:
        lines += ["", "Learned:", *_learned(summary)]
    if found:
        yet = " yet" if summary.run.state == "running" else ""
        lines += ["", f"Not collected{yet}:"]
        lines += told(found, max(FEWEST, room - len(troubles) - 2))
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


def _facts(summary: Summary, glance: Glance | None, now: datetime) -> Iterator[str]:
    """Yield what came home, what did not, and how that goes on."""
    totals = summary.totals
    yield from wrapped(_started(summary, now), "  started    ", INDENT)
    if glance is not None:
        ago = lasting(passed_s(glance.last_event_at, glance.at))
        process = f"pid {glance.pid} of {glance.user}@{glance.host}, last event {ago} ago"
        yield from clipped(process, "  process    ", INDENT, 2)
    yield (
        f"  collected  {totals.collected:,} of {count(totals.servers, 'server')}, "
        f"{size(totals.bytes)}" + (", every archive verified" if totals.collected else "")
    )
    numbers = ((totals.failed, "failed"), (totals.pending, f"pending{_phases(glance)}"))
    if parts := [f"{number:,} {word}" for number, word in numbers if number]:
        yield from wrapped(", ".join(parts), "  missing    ", INDENT)
    yield from _retried(summary.retried)
    if totals.requests or totals.counters == "exact":  # else they are not counted yet
        at_least = "at least " if totals.counters == "at_least" else ""
        yield f"  calls      {at_least}{totals.requests:,}, {totals.throttled:,} of them throttled"
    if glance is not None:
        yield f"  rate       {rate(glance)} calls/s, {size(glance.bytes_per_s)}/s"
        yield from wrapped("; ".join(time_left(glance)), "  time left  ", INDENT)
    reused = summary.reused_exports
    if reused.oldest_s is not None:
        text = f"{reused.count} reused from other runs, up to {duration(reused.oldest_s)} old"
        yield from wrapped(text, "  exports    ", INDENT)


def _phases(glance: Glance | None) -> str:
    """Return what pending servers of a running run are at."""
    if glance is None:
        return ""
    counts = glance.counts
    numbers = (
        (counts.queued, "waiting"),
        (counts.exporting, "exporting"),
        (counts.downloading, "downloading"),
    )
    parts = [f"{number:,} {word}" for number, word in numbers if number]
    return f" ({', '.join(parts)})" if parts else ""


def _place(summary: Summary) -> Iterator[str]:
    """Yield where the run is."""
    directory = short(summary.directory)
    yield f"  directory  {directory}"
    if has_report(summary) and not wording.is_demo(summary):
        yield f"  report     {directory}/{REPORT}"
    if summary.manifest_sha256 and summary.run.state != "running":  # it changes every second
        yield f"  manifest   {summary.manifest_sha256}"


def _ending(summary: Summary, glance: Glance | None) -> Iterator[str]:
    """Yield the verdict; below it, what there is to look at after a demo."""
    yield verdict(summary, glance)
    if wording.is_demo(summary) and has_report(summary):
        yield f"See for yourself in a browser: {short(summary.directory)}/{REPORT}"


def has_report(summary: Summary) -> bool:
    """Whether the run has a page that shows it."""
    return Path(summary.directory, REPORT).is_file()


def _started(summary: Summary, now: datetime) -> str:
    run = summary.run
    at = wording.moment(run.started_at, now)
    by = f"by {run.user}@{run.host}"
    if run.resumed:
        times = {1: "once", 2: "twice"}.get(run.resumed, f"{run.resumed} times")
        by += f", resumed {times}"
    if run.finished_at is None:
        ago = wording.ago(run.started_at, now)
        return f"{at}{ago}{',' if ago else ''} {by}"
    took_s = seconds_between(run.started_at, run.finished_at)
    took = "" if took_s is None or run.resumed else f", took {duration(took_s)}"
    return f"{at} {by}{took}"


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


def _learned(summary: Summary) -> Iterator[str]:
    """Yield what was learned of the service's limits and of how long exports take."""
    told = [
        *map(wording.calls_limit, summary.limits),
        *map(wording.exports_limit, summary.exports_limits),
        *map(wording.durations, summary.durations),
    ]
    for text in told or ["nothing yet: the service told no limit, and none was met"]:
        yield from wrapped(text, "  ", "    ")


def _next(summary: Summary, found: Sequence[Reason]) -> Iterator[str]:
    """Yield the commands to go on with."""
    directory, collector = pasted(short(summary.directory)), wording.program()
    yield "Next:"
    if summary.run.state == "running":
        yield f"  {collector} status --watch {directory}"
        return
    totals, again = summary.totals, f"  {collector} collect --resume {directory}"
    if wording.is_demo(summary) or not (totals.pending or totals.failed):
        yield f"  {collector} verify {directory}"
        return
    if totals.pending:
        yield again
    if totals.failed:
        yield f"{again} --retry-failed"
    if not names_all(found) and not has_report(summary):
        yield f"  {collector} report {directory}"
