"""A glance in words: times, rates, limits, what is waited for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.report.times import lasting, seconds_between
from collector.report.words import count, scope, scopes, source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.report.at_once import ExportsLimit
    from collector.report.glance import Counts, Glance, Limit, TimeLeft

MINUTE_S: Final = 60
HOUR_S: Final = 3600
QUIET_S: Final = 60.0
"""A run of which nothing has been heard for so long says so."""
_OPEN: Final = 10
"""A range whose end is so many times its beginning says nothing but that."""


def clock(at: str) -> str:
    """Return a time of the journal as the wall's clock here shows it: `21:40:12`."""
    return local(at).strftime("%H:%M:%S")


def minute(at: str) -> str:
    """Return a time as `clock` does, without its seconds."""
    return local(at).strftime("%H:%M")


def local(at: str) -> datetime:
    """Return a time of the journal in this machine's zone."""
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError):  # no journal of ours has such a time
        return datetime.fromtimestamp(0, UTC)


def passed_s(since: str, until: str) -> float:
    """Return the seconds between two times, never less than none."""
    return seconds_between(since, until) or 0.0


def number(count: int) -> str:
    """Return a count as people read it: `1,234`."""
    return f"{count:,}"


def is_open(left: TimeLeft) -> bool:
    """Whether a run may take that many times as long as it must, so that only the least counts."""
    return left.low_s >= MINUTE_S and left.high_s > max(2 * HOUR_S, _OPEN * left.low_s)


def between(left: TimeLeft) -> str:
    """Return how long a run will still take, no finer than it is known."""
    if is_open(left):
        return f"at least {lasting(_rounded(left.low_s, up=False))}"
    if left.high_s < MINUTE_S:
        return "less than a minute"
    low_s, high_s = _rounded(left.low_s, up=False), _rounded(left.high_s, up=True)
    if low_s == high_s or low_s >= 0.9 * high_s:
        return f"about {lasting(high_s)}"
    if low_s < MINUTE_S:
        return f"up to {lasting(high_s)}"
    if high_s < 2 * HOUR_S:
        return f"{low_s // MINUTE_S:.0f} to {high_s // MINUTE_S:.0f} min"
    return f"{lasting(low_s)} to {lasting(high_s)}"


def _rounded(seconds: float, *, up: bool) -> float:
    step = 60 if seconds < 900 else 300 if seconds < 2 * HOUR_S else 900  # noqa: PLR2004  # minutes
    return (seconds // step + (up and seconds % step > 0)) * step


def time_left(glance: Glance) -> Iterator[str]:
    """Yield how long a run will still take, and how far its deadline is, which ends it as well."""
    left, deadline_at = glance.time_left, glance.deadline_at
    until_s = None if deadline_at is None else passed_s(glance.at, deadline_at)
    if until_s is None:
        yield "not known yet" if left is None else between(left)
        if left is not None and is_open(left):
            yield "how much more is not known yet"
    elif left is None:
        yield "not known yet"
        yield f"deadline in {lasting(until_s)}"
    elif left.low_s >= until_s - 1:
        yield f"{lasting(until_s)} to the deadline"
        yield "not all will be collected by then"
    else:
        first = ", which may come first" if left.high_s >= until_s - 1 else ""
        yield between(left)
        yield f"deadline in {lasting(until_s)}{first}"


def per_second(calls: float) -> str:
    """Return a rate of calls: `18.4`."""
    return f"{calls:,.0f}" if calls >= 100 else f"{calls:.1f}"  # noqa: PLR2004  # three digits


def rate(glance: Glance) -> str:
    """Return how many calls leave, and how many may: `18.4 of 20 calls/s`."""
    now = per_second(glance.calls_per_s)
    return (
        f"{now} of {per_second(glance.limit.per_second).removesuffix('.0')}"
        if glance.limit
        else now
    )


def learned(limit: Limit) -> Iterator[str]:
    """Yield where a limit was learned, and then whose it is."""
    at = f" at {minute(limit.learned_at)}" if limit.learned_at else ""
    yield f"limit {source(limit.source)}{at}"
    several = f"all {scopes(limit.scope)} together"
    yield f"of {several if limit.name is None else scope(limit.scope, limit.name)}"


def at_once(limit: ExportsLimit) -> Iterator[str]:
    """Yield how many exports may run at once, and how that is known."""
    several = f" in {number(limit.projects)} projects" if limit.projects > 1 else ""
    yield f"at most {number(limit.at_once)} at once{several}"
    yield f"limit {source(limit.source)}"


def in_flight(counts: Counts) -> int:
    """Return the servers whose export runs, or is asked for, or whose archive comes."""
    return counts.exporting + counts.downloading


def quiet_s(glance: Glance) -> float | None:
    """Return for how long nothing has been heard of a run, where that is worth saying."""
    passed = passed_s(glance.last_event_at, glance.at)
    return passed if passed >= QUIET_S and glance.state == "running" else None


def waited_for(counts: Counts) -> str:
    """Return what a run waits for in which nothing changes."""
    waits = [
        count(many, what)
        for many, what in ((counts.exporting, "export"), (counts.downloading, "download"))
        if many
    ]
    if waits:
        return f"waiting for {' and '.join(waits)}"
    if counts.queued:
        return f"{number(counts.queued)} waiting for their turn"
    return "all servers have ended"
