"""Draws in place at the lower end of a terminal, below lines that scroll past."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from collector.observe.lines import Span, cut, painted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collector.observe.lines import Line
    from collector.observe.streams import Stream
    from collector.observe.terminal_text import TerminalText

KEPT: Final = 100
"""Lines that have scrolled past and are written again where the terminal's size has changed."""
USUAL: Final = (80, 24)
"""Columns and lines of a terminal that does not tell."""
_SIZE: Final = re.compile("[1-9][0-9]{0,2}")
"""Valid values of COLUMNS and LINES."""
_STYLE: Final = re.compile(r"\x1b\[([0-9;]*)m")
_NO_WRAPPING, _WRAPPING = "\x1b[?7l", "\x1b[?7h"
"""While it is drawn, a line that the terminal takes for wider than we do breaks nothing."""
_UP, _TO_THE_END, _BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
_CLEAR: Final = "\x1b[H\x1b[2J"


class Screen:
    """The lines that are drawn in place, and those that were written above them.

    The cursor stands below the last line. Each line is written anew, and the rest of it cleared.
    Where the terminal has another size than before, nobody knows where lines have gone: all is
    cleared, and what scrolled past last is written once more.

    Args:
        stderr: the terminal.
        terminal: how it shows text.
    """

    def __init__(self, stderr: Stream, terminal: TerminalText) -> None:
        self._stderr = stderr
        self._text = terminal
        self._past: deque[tuple[str, bool]] = deque(maxlen=KEPT)
        self._waiting: list[tuple[str, bool]] = []
        self._drawn: Sequence[Line] = ()
        self._size: tuple[int, int] | None = None
        self._is_lost = False
        self._one_at_a_time = threading.RLock()

    @property
    def size(self) -> tuple[int, int]:
        """The terminal's columns and lines, no more than COLUMNS and LINES say."""
        try:
            told = tuple(os.get_terminal_size(self._stderr.fileno()))
        except OSError:
            told = (0, 0)
        columns, lines = (
            _least(own, os.environ.get(name, ""), usual)
            for own, name, usual in zip(told, ("COLUMNS", "LINES"), USUAL, strict=True)
        )
        return columns, lines

    @property
    def has_new_size(self) -> bool:
        """Whether the terminal has another size than what is drawn on it."""
        return self._size is not None and self._size != self.size

    def lose(self) -> None:
        """Take it that nobody knows what the terminal shows: it is cleared by the next drawing."""
        self._is_lost = True

    def leave(self) -> list[str]:
        """Take it that what is drawn is past, and return the lines that wait to be written."""
        with self._one_at_a_time:
            waiting, self._waiting = self._waiting, []
            self._drawn, self._size, self._is_lost = (), None, False
            return [line for line, _ in waiting]

    def above(self, line: str, *, is_cut: bool) -> None:
        """Write a line above the others: at once if it may not be cut, else when they are drawn."""
        with self._one_at_a_time:
            self._waiting.append((line, is_cut))
            if not is_cut:
                self.draw(self._drawn)

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw lines in place of those that were drawn before."""
        with self._one_at_a_time:
            size = columns, most = self.size
            anew = self._is_lost or self._size not in (None, size)
            lines = [cut(line, columns, self._text) for line in lines[: most - 1]]
            waiting, self._waiting = self._waiting, []
            self._past.extend(waiting)
            if anew:
                told = f"{_CLEAR}{_NO_WRAPPING}{self._as_text(self._latest(size, len(lines)))}"
            else:
                up = _UP.format(len(self._drawn)) if self._drawn else ""
                told = f"{_NO_WRAPPING}\r{up}{self._as_text(self._broken(waiting, columns))}"
            self._size, self._drawn, self._is_lost = size, lines, False
            self._stderr.draw(f"{told}{self._as_text(lines)}{_BELOW}{_WRAPPING}")
            if self._stderr.has_gap:
                self.lose()

    def _latest(self, size: tuple[int, int], drawn: int) -> list[Line]:
        """Return what scrolled past last, as much as there is room for."""
        columns, lines = size
        room = lines - drawn - 1
        return list(self._broken(self._past, columns))[-room:] if room > 0 else []

    def _broken(self, past: Iterable[tuple[str, bool]], columns: int) -> Iterator[Line]:
        for text, is_cut in past:
            if is_cut:
                yield cut(_parsed(text), columns, self._text)
            else:
                for piece in wrapped(_STYLE.sub("", text), columns, self._text):
                    yield [Span(piece)]

    def _as_text(self, lines: Iterable[Line]) -> str:
        colours = self._stderr.has_colours
        # Cleared before and not after: in a line that is full, that would take its last character.
        return "".join(f"{_TO_THE_END}{painted(line, colours=colours)}\n" for line in lines)


def _least(told: int, wanted: str, usual: int) -> int:
    """Return the smaller of a terminal's size and what the environment says of it."""
    if _SIZE.fullmatch(wanted):
        return min(told or int(wanted), int(wanted))
    return told or usual


def _parsed(text: str) -> Iterator[Span]:
    """Yield the pieces of a line in which escape sequences say how they are shown."""
    style = ""
    for at, part in enumerate(_STYLE.split(text)):
        if at % 2:
            style = "" if part == "0" else part
        elif part:
            yield Span(part, style)


def wrapped(text: str, columns: int, terminal: TerminalText) -> Iterator[str]:
    """Yield a text in pieces that fit, broken between words where that is possible."""
    while terminal.width(text) > columns:
        end = next(at for at in range(1, len(text) + 1) if terminal.width(text[:at]) > columns) - 1
        space = text.rfind(" ", 1, end + 1)
        end = space if space > 0 else max(1, end)
        yield text[:end]
        text = text[end:].lstrip(" ")
    yield text
