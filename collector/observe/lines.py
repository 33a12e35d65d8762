"""Lines of a terminal: pieces of text, each with how it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.observe.terminal_text import TerminalText

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
"""Ways to show text, as terminals number them: the terminal's own colours, be it light or dark."""


class Span(NamedTuple):
    """A piece of a line; `style` has numbers of ways to show it, between semicolons."""

    text: str
    style: str = ""


Line = list[Span]


def cut(spans: Iterable[Span], columns: int, terminal: TerminalText) -> Line:
    """Make a line of pieces from anywhere: printable, and no wider than so many columns."""
    line: Line = []
    for span in spans:
        if columns <= 0:
            break
        shown = terminal.shown(span.text, columns)
        line.append(Span(shown, span.style))
        columns -= terminal.width(shown)
    return line


def painted(line: Line, *, colours: bool) -> str:
    """Return a line with the sequences that make a terminal show it so."""
    if not colours:
        return "".join(span.text for span in line)
    return "".join(
        f"\x1b[{span.style}m{span.text}\x1b[0m" if span.style and span.text else span.text
        for span in line
    )
