"""Limits, times and paths as text for people, in lines of at most 80 columns."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from collector.printable import one_line
from collector.report.advice import RESUME, doable, is_of_a_demo
from collector.report.times import lasting
from collector.report.words import count, scope, source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.report.summary import CallsLimit, ExportDurations, ExportsLimit, Summary, Wait

WIDTH = 80
HEIGHT = 23
"""Lines of a result that fits a screen of 24, with the next prompt below it."""
SOON_S = 60.0
"""Anything more recent counts as now."""

_RETRY = f"{RESUME} with --retry-failed"
_STILL_TRIED = "it is tried again"
_THEN_AGAIN = re.compile(rf"[,;] (?:then )?{RESUME}(?: with --retry-failed)?$")
_NINE_IN_TEN = 1.2816
"""The 90th percentile of the standard normal distribution."""


def wrapped(text: str, first: str, rest: str, *, anywhere: bool = False) -> list[str]:
    """Break a text into lines that begin with `first`, and then with `rest`.

    Between words; with `anywhere` also within words longer than a line.
    """
    return textwrap.wrap(
        one_line(text), WIDTH, initial_indent=first, subsequent_indent=rest,
        break_long_words=anywhere, break_on_hyphens=False,
    )  # fmt: skip


def clipped(text: str, first: str, rest: str, most: int) -> list[str]:
    """Break a text into `most` lines at most, within words too; dots stand for what is left out."""
    lines = wrapped(text, first, rest, anywhere=True)
    if len(lines) <= most:
        return lines
    left = " ".join(line.strip() for line in lines[most - 1 :])
    last = f"{rest if most > 1 else first}{left}"[: WIDTH - 3]
    space = last.rfind(" ")
    last = (last[:space] if space > WIDTH - 16 else last[:-1]).rstrip(" ,;:.")
    return [*lines[: most - 1], f"{last} ..."]


def is_demo(summary: Summary) -> bool:
    """Whether a run is a demo's, whose emulator is gone: nothing can be asked of it again."""
    return is_of_a_demo(summary.run.argv)


def cure(hint: str, summary: Summary) -> str:
    """Return what helps, in fewer words: the command itself stands among those to go on with."""
    if hint.startswith(_STILL_TRIED):
        return ""
    if is_demo(summary):
        return doable(hint, summary.run.argv)
    return _THEN_AGAIN.sub("", hint).replace(_RETRY, "retry").replace(RESUME, "resume")


def program() -> str:
    """Return how this program is called from a shell, as it was or by its name."""
    if shutil.which("collector"):
        return "collector"
    called = sys.argv[0]
    if os.path.basename(called) == "collector":  # noqa: PTH119  # as it was typed
        return pasted(called)
    return f"{pasted(sys.executable)} -m collector"


def duration(seconds: float) -> str:
    """Return a duration as text, in its two largest units: `2 h 5 min`."""
    return f"{seconds:.2g} s" if seconds < 1 else lasting(seconds)


def about(seconds: float) -> str:
    """Return an approximate duration: the longer, the rounder."""
    for longer_than_s, step_s in ((7200, 300), (600, 60), (60, 5), (0, 1)):
        if seconds >= longer_than_s:
            return duration(math.ceil(seconds / step_s) * step_s)
    return duration(0)


def moment(at: str, now: datetime) -> str:
    """Return a time of day, with its date if that is not today."""
    time = _time(at)
    if time is None:
        return at
    return f"{time:%H:%M} (UTC)" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M} (UTC)"


def since(at: str, now: datetime) -> str:
    """Return `, for 5 min` to append to a time; empty if it is now."""
    passed_s = _passed_s(at, now)
    return f", for {duration(passed_s)}" if passed_s else ""


def ago(at: str, now: datetime) -> str:
    """Return `, 5 min ago` to append to a time; empty within a minute."""
    passed_s = _passed_s(at, now)
    if passed_s < SOON_S:
        return ""
    days = int(passed_s // 86_400)
    minutes = int(passed_s // 60)
    return f", {count(days, 'day') if days else duration(60 * minutes)} ago"


def waits(asked: Iterable[Wait], now: datetime) -> list[str]:
    """Return the pending waits that the service asked for, the longest first."""
    left = [one for one in asked if (until := _time(one.until)) is not None and until > now]
    return [
        f"asked to wait until {moment(one.until, now)}, for "
        + (f"the server {one.server}" if one.server else scope(one.scope, one.name))
        for one in sorted(left, key=lambda one: one.until, reverse=True)
    ]


def _passed_s(at: str, now: datetime) -> int:
    time = _time(at)
    return 0 if time is None else max(0, int((now - time).total_seconds()))


def _time(at: str) -> datetime | None:
    """Parse a journal's time; None if it is invalid, or has no zone."""
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return None
    return None if time.tzinfo is None else time.astimezone(UTC)


def calls_limit(limit: CallsLimit) -> str:
    """Return a limit on calls in words."""
    calls = f"{limit.limit:g} calls in {duration(limit.window_s)}"
    return f"{calls} for {scope(limit.scope, limit.name)}, {source(limit.source)}"


def exports_limit(limit: ExportsLimit) -> str:
    """Return a limit on exports in words."""
    where = scope(limit.scope, limit.name)
    return f"{limit.limit} exports at once for {where}, {source(limit.source)}"


def nine_in_ten_s(median_s: float, spread: float) -> float:
    """Return the time within which nine exports in ten complete."""
    return median_s * math.exp(_NINE_IN_TEN * spread)


def durations(found: ExportDurations) -> str:
    """Return how long exports take in words."""
    high_s = nine_in_ten_s(found.median_s, found.spread)
    return (
        f"{found.project}: half of the exports take up to {about(found.median_s)}, nine "
        f"in ten up to {about(high_s)}; {found.exports} seen"
    )


def short(directory: str) -> str:
    """Return a path relative to the current directory, if it is below that."""
    path = Path(directory)
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return directory
    return str(path.relative_to(here)) if path.is_relative_to(here) else directory


def pasted(path: str) -> str:
    """Quote a path for a shell; unprintable ones in the `$'...'` form of bash and zsh."""
    path = f"./{path}" if path.startswith("-") else path
    if one_line(path) == path:
        return shlex.quote(path)
    return f"$'{''.join(map(_in_quotes, path))}'"


def _in_quotes(char: str) -> str:
    if char in "'\\":
        return f"\\{char}"
    if one_line(char) == char:
        return char
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
