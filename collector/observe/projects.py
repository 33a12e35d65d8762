"""The table of a run's projects: those in trouble first, as many as fit, the others in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.observe import words
from collector.observe.lines import BOLD, DIM, RED, Span, cut
from collector.report.glance import Counts, ProjectGlance
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.observe.lines import Line
    from collector.observe.terminal_text import TerminalText

SHORTEST_NAME: Final = 10
LONGEST_NAME: Final = 40
TROUBLE: Final = 21
"""Columns that are left for what is wrong with a project, at least."""
WHOLE: Final = 56
"""A terminal of so many columns shows every number that matters; a narrower one the first few."""


class _Column(NamedTuple):
    heading: str
    least: int
    text: Callable[[ProjectGlance], str]


_FIRST: Final = (
    _Column("collected", 9, lambda one: _of(one.counts.collected, one.counts.servers)),
    _Column("failed", 6, lambda one: words.number(one.counts.failed)),
)
_FLYING: Final = (
    _Column("in flight", 9, lambda one: words.number(words.in_flight(one.counts))),
    _Column("waiting", 7, lambda one: words.number(one.counts.queued)),
)
_APART: Final = (
    _Column("exporting", 9, lambda one: words.number(one.counts.exporting)),
    _Column("downloading", 11, lambda one: words.number(one.counts.downloading)),
    _Column("waiting", 7, lambda one: words.number(one.counts.queued)),
)
_RATES: Final = (
    _Column("calls/s", 7, lambda one: words.per_second(one.calls_per_s)),
    _Column("throttled", 9, lambda one: words.number(one.throttled)),
    _Column("bytes", 9, lambda one: size(one.bytes)),
)


def _of(some: int, all_: int) -> str:
    return f"{words.number(some)} of {words.number(all_)}"


def table(
    projects: Sequence[ProjectGlance], columns: int, lines: int, terminal: TerminalText
) -> list[Line]:
    """Draw as many projects as there are lines for; none where there is no room for one.

    Args:
        projects: with those in trouble first.
        columns: that a line has at most.
        lines: that there are at most, the heading and the row of the others included.
        terminal: how it shows text.
    """
    if lines < 2:  # noqa: PLR2004  # a heading and a row
        return []
    fits = len(projects) <= lines - 1
    shown = projects if fits else projects[: max(0, lines - 2)]
    rest = projects[len(shown) :]
    rows = [*shown, *([_together(rest)] if rest else [])]
    picked: tuple[_Column, ...] = _FIRST if columns < WHOLE else _FIRST + _FLYING
    if columns >= 130:  # noqa: PLR2004  # room for each number by itself
        picked = _FIRST + _APART + _RATES
    elif columns >= 110:  # noqa: PLR2004  # as above
        picked = (*_FIRST, *_FLYING, _RATES[0], _RATES[2])
    cells = [[column.text(row) for column in picked] for row in rows]
    widths = [
        max(column.least, *(len(row[at]) for row in cells)) for at, column in enumerate(picked)
    ]
    numbers = sum(widths) + 2 * len(widths)
    tells = columns >= WHOLE
    longest = max(terminal.width(terminal.shown(row.name, LONGEST_NAME)) for row in rows)
    room = columns - numbers - (TROUBLE + 2 if tells else 0)
    name = max(min(SHORTEST_NAME, columns), min(longest, room, LONGEST_NAME))
    heading = "".join(
        f"  {column.heading:>{width}}" for column, width in zip(picked, widths, strict=True)
    )
    drawn = [cut([Span(f"{'project':{name}}{heading}", DIM)], columns, terminal)]
    for row, texts in zip(rows, cells, strict=True):
        spans = [Span(terminal.left(row.name, name), BOLD if _is_troubled(row) else "")]
        for column, text, width in zip(picked, texts, widths, strict=True):
            is_bad = column.heading == "failed" and row.counts.failed
            spans.append(Span(f"  {text:>{width}}", f"{BOLD};{RED}" if is_bad else ""))
        if tells:
            spans.append(Span(f"  {_now(row, rates=picked[-1].heading != 'bytes')}"))
        drawn.append(cut(spans, columns, terminal))
    return drawn


def _is_troubled(row: ProjectGlance) -> bool:
    return row.trouble is not None or row.counts.failed > 0


def _now(row: ProjectGlance, *, rates: bool) -> str:
    """Return what is wrong with a project, or else how fast it goes."""
    if row.trouble:
        return f"! {row.trouble}"
    return f"{words.per_second(row.calls_per_s)} calls/s, {size(row.bytes)}" if rates else ""


def _together(rest: Sequence[ProjectGlance]) -> ProjectGlance:
    """Sum up the projects that do not fit, as one."""
    counts = {
        name: sum(getattr(one.counts, name) for one in rest) for name in Counts.__struct_fields__
    }
    troubled = sum(map(_is_troubled, rest))
    return ProjectGlance(
        name=f"{words.number(len(rest))} more",
        counts=Counts(**counts),
        bytes=sum(one.bytes for one in rest),
        calls_per_s=sum(one.calls_per_s for one in rest),
        throttled=sum(one.throttled for one in rest),
        trouble=f"{words.number(troubled)} of them in trouble" if troubled else None,
    )
