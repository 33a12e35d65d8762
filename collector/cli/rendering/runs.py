"""The runs of an output directory as a table of 80 columns, and in the last line a sum."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.cli.rendering.wording import WIDTH
from collector.printable import one_line
from collector.report.words import count
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.report.summary import RunLine

_HEADS = ("RUN", "STATE", "STARTED (UTC)", "TOOK", "COLLECTED", "FAILED", "PENDING", "SIZE")
_STARTED = _HEADS.index("STARTED (UTC)")
_LEFT = ("RUN", "STATE", "STARTED (UTC)")
"""Columns that begin at the left; the others hold numbers."""


def rendered(runs: Sequence[RunLine]) -> list[str]:
    """Return the table, the oldest run first, and how many runs ended in which way.

    What is 0 is a dash, so that what is not stands out. Where a line would be longer than a screen
    is wide, the time is left out: ids begin with it, where nobody has chosen them.
    """
    rows = [list(_HEADS), *map(_row, runs)]
    if _width(rows) > WIDTH and all(_tells_time(run) for run in runs):
        rows = [[*row[:_STARTED], *row[_STARTED + 1 :]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    heads = rows[0]
    lines = [
        "  ".join(
            f"{cell:{width}}" if head in _LEFT else f"{cell:>{width}}"
            for head, cell, width in zip(heads, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    states = Counter(run.state for run in runs)
    parts = ", ".join(f"{number:,} {state}" for state, number in states.most_common())
    return [*lines, "", f"{count(len(runs), 'run')}: {parts}."]


def _row(run: RunLine) -> list[str]:
    id_, state, totals = one_line(run.id), run.state, run.totals
    if totals is None:
        return [id_, state, "-", "-", "unreadable", "-", "-", "-"]
    return [
        id_,
        state,
        (run.started_at or "-")[:16].replace("T", " "),
        "-" if run.took_s is None else _compact(run.took_s),
        f"{totals.collected}/{totals.servers}",
        f"{totals.failed or '-'}",
        f"{totals.pending or '-'}",
        size(totals.bytes) if totals.bytes else "-",
    ]


def _width(rows: Sequence[Sequence[str]]) -> int:
    columns = list(zip(*rows, strict=True))
    return sum(max(map(len, column)) for column in columns) + 2 * (len(columns) - 1)


def _tells_time(run: RunLine) -> bool:
    """Whether a run's id begins with its time, to the minute."""
    minute = (run.started_at or "")[:16].replace("-", "").replace(":", "")
    return run.totals is None or (bool(minute) and run.id.startswith(minute))


def _compact(seconds: float) -> str:
    """Return a duration as options take it: `58s`, `12m`, `1h5m`."""
    left = round(seconds)
    if left < 60:  # noqa: PLR2004  # a minute
        return f"{left}s"
    minutes, left = divmod(left, 60)
    if minutes < 10:  # noqa: PLR2004  # from then on seconds matter to nobody
        return f"{minutes}m{left}s" if left else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
