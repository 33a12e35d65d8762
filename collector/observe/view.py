"""A glance as the lines of a terminal: the whole first, then what is in trouble, as it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.observe import words
from collector.observe.lines import BOLD, CYAN, DIM, GREEN, RED, Span, cut
from collector.observe.projects import table
from collector.report.times import lasting
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collector.observe.lines import Line
    from collector.observe.terminal_text import TerminalText
    from collector.report.glance import Failure, Glance, SlowServer

NARROW: Final = 60
"""Columns from which on lines begin with what they are about, in a column of its own."""
LABEL: Final = 11
ROOMY: Final = 14
"""Lines from which on there are empty ones between the parts."""
TROUBLES: Final = 3
FEWEST_OF_A_TABLE: Final = 4


def drawn(glance: Glance, columns: int, lines: int, terminal: TerminalText) -> list[Line]:
    """Draw a run.

    Args:
        glance: of the run.
        columns: that a line has at most.
        lines: that there are at most.
        terminal: how it shows text.
    """
    page = _Page(glance, columns, terminal)
    head = page.whole()
    if lines <= len(head):
        return head[: max(0, lines)]
    gap: list[Line] = [[]] if lines >= ROOMY else []
    left = lines - len(head)
    failed = page.failed(_share(left, 5, len(glance.failures)))
    slow = page.slowest(_share(left - len(failed), 8, len(glance.slowest)))
    between = 0
    if len(glance.projects) > 1:
        between = left - len(failed) - len(slow) - len(gap) * (1 + bool(failed) + bool(slow))
        if between < FEWEST_OF_A_TABLE:
            between += len(slow) + len(gap) * bool(slow)
            slow = []
    shown = head
    parts = [table(glance.projects, columns, between, terminal), slow, failed]
    for part in parts:
        if part and len(shown) + len(gap) + len(part) <= lines:
            shown += [*gap, *part]
    return shown


def _share(left: int, parts: int, wanted: int) -> int:
    """Return how many lines of those that are left go to one of the smaller parts."""
    return min(wanted, max(1, left // parts))


class _Page:
    """What is drawn of one glance."""

    def __init__(self, glance: Glance, columns: int, terminal: TerminalText) -> None:
        self._glance = glance
        self._columns = columns
        self._text = terminal
        self._label = LABEL if columns >= NARROW else 0

    def whole(self) -> list[Line]:
        """What is true of the whole run, what matters most in the first lines."""
        glance, counts = self._glance, self._glance.counts
        flying = words.in_flight(counts)
        first = [
            Span(words.number(counts.collected), BOLD),
            Span(f" of {words.number(counts.servers)} collected"),
            Span(", "),
            Span(f"{words.number(counts.failed)} failed", f"{BOLD};{RED}" if counts.failed else ""),
        ]
        more = [Span(f"{words.number(flying)} in flight")]
        each = f" ({words.number(counts.exporting)} exporting, "
        each += f"{words.number(counts.downloading)} downloading)"
        waiting = Span(f", {words.number(counts.queued)} waiting")
        if self._fits(*first, Span(", "), *more, Span(each), waiting) and flying:
            more.append(Span(each, DIM))
        more.append(waiting)
        if self._fits(*first, Span(", "), *more):
            lines = [self._cut([*first, Span(", "), *more])]
        else:
            lines = [self._cut(first), self._cut(more)]
        lines += [self._bar(), *self._calls(), *self._exports(), *self._bytes(), *self._time()]
        troubles = list(glance.troubles[:TROUBLES])
        if (quiet := words.quiet_s(glance)) is not None:
            what = words.waited_for(counts)
            troubles.append(f"nothing new for {lasting(quiet)}: {what}")
        if (hidden := len(glance.troubles) - TROUBLES) > 0:
            troubles.append(f"and {hidden} more")
        return lines + [self._line("", [Span(f"! {one}", BOLD)]) for one in troubles]

    def _fits(self, *spans: Span) -> bool:
        return sum(len(span.text) for span in spans) <= self._columns

    def _bar(self) -> Line:
        counts, glyphs = self._glance.counts, self._text.glyphs
        ended = counts.collected + counts.failed
        share = f" {ended / counts.servers:.0%} done" if counts.servers else ""
        cells = max(0, min(self._columns - len(share), 120))
        if cells < 10 or not counts.servers:  # noqa: PLR2004  # too short to tell anything
            return self._cut([Span(share.strip())])
        parts = (
            (counts.collected, glyphs.collected, GREEN),
            (counts.failed, glyphs.failed, RED),
            (words.in_flight(counts), glyphs.in_flight, CYAN),
            (counts.queued, glyphs.waiting, DIM),
        )
        widths = _divided(cells, [many for many, _, _ in parts])
        line = [Span(glyph * n, style) for n, (_, glyph, style) in zip(widths, parts, strict=True)]
        return [*line, Span(share)]

    def _calls(self) -> Iterator[Line]:
        glance = self._glance
        parts = [f"{words.rate(glance)} a second"]
        parts += list(words.learned(glance.limit))[:1] if glance.limit else ["no limit known yet"]
        if glance.throttled:
            parts.append(f"{words.number(glance.throttled)} throttled")
        whole = list(words.learned(glance.limit))[1:] if glance.limit else []
        parts += [*whole, f"{words.number(glance.requests)} so far"]
        yield self._parts("calls", parts)

    def _exports(self) -> Iterator[Line]:
        """What holds the run up where it is not the limit on calls."""
        if (limit := self._glance.exports_limit) is not None:
            yield self._parts("exports", [*words.at_once(limit)])

    def _bytes(self) -> Iterator[Line]:
        glance = self._glance
        rate, whole = size(int(glance.bytes_per_s)), size(glance.bytes)
        yield self._parts("archives", [f"{rate} a second", f"{whole} so far"])

    def _time(self) -> Iterator[Line]:
        glance = self._glance
        parts = [*words.time_left(glance)]
        parts.append(f"running for {lasting(glance.elapsed_s)}")
        yield self._parts("time left", parts)

    def slowest(self, lines: int) -> list[Line]:
        """The servers that are in their phase for the longest time."""
        return self._listed("slowest", map(self._slow, self._glance.slowest[:lines]))

    def _slow(self, one: SlowServer) -> list[Span]:
        tail = f" {one.phase} for {lasting(one.for_s)}"
        return [self._named(one.project, one.name, len(tail)), Span(tail)]

    def failed(self, lines: int) -> list[Line]:
        """The servers that failed last."""
        return self._listed("failed", map(self._failure, self._glance.failures[:lines]))

    def _failure(self, one: Failure) -> list[Span]:
        at = Span(f"{words.clock(one.at)}  ", DIM)
        tail = f" at {one.stage}: {one.message}"
        return [at, self._named(one.project, one.name, self._columns // 2), Span(tail)]

    def _named(self, project: str, name: str, others: int) -> Span:
        """A server, in no more cells than what follows it leaves."""
        room = max(8, self._columns - self._label - others)
        if len(self._glance.projects) < 2:  # noqa: PLR2004  # its project goes without saying
            return Span(self._text.shown(name, room), BOLD)
        half = max(3, room // 2)
        text = f"{self._text.shown(project, half)}/{self._text.shown(name, half)}"
        return Span(text, BOLD)

    def _listed(self, label: str, items: Iterable[list[Span]]) -> list[Line]:
        return [self._line("" if at else label, spans) for at, spans in enumerate(items)]

    def _parts(self, label: str, parts: list[str]) -> Line:
        """A line of what fits of some parts, which come in the order of their worth."""
        room = self._columns - (self._label or len(label) + 1)
        text = ""
        for part in parts:
            longer = f"{text}; {part}" if text else part
            if self._text.width(longer) > room and text:
                break
            text = longer
        return self._line(label, [Span(text)], always=True)

    def _line(self, label: str, spans: list[Span], *, always: bool = False) -> Line:
        if self._label:
            return self._cut([Span(f"{label:{LABEL}}", DIM), *spans])
        return self._cut([Span(f"{label} ", DIM), *spans] if label and always else spans)

    def _cut(self, spans: list[Span]) -> Line:
        """Make a line of pieces from anywhere: printable, and no wider than the terminal."""
        return cut(spans, self._columns, self._text)


def _divided(cells: int, parts: list[int]) -> list[int]:
    """Divide cells among the parts of a whole: what is there is seen, however little it is."""
    whole = sum(parts)
    widths = [max(1, cells * part // whole) if part else 0 for part in parts]
    largest = widths.index(max(widths))
    widths[largest] += cells - sum(widths)
    return widths
