"""Text as a terminal shows it: printable, in the terminal's encoding, and so many cells wide."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.printable import escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_DRAWN: Final = "█▓▒░…·"
_CHARACTERS_A_CELL: Final = 4
"""How much of a text is looked at for each cell: marks that combine take none."""
_MARKS: Final = 2
"""Marks that combine with one letter; a name may have thousands, to fill the screen with."""
_SAFE: Final = re.compile(r"\\u[0-9a-f]{0,3}$")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What is drawn with: the parts of a bar, and what says that a text goes on."""

    collected: str
    failed: str
    in_flight: str
    waiting: str
    more: str


_OF_UNICODE: Final = Glyphs("█", "▓", "▒", "░", "…")
_OF_ASCII: Final = Glyphs("#", "x", ">", ".", "...")


class TerminalText:
    """What an encoding has, and how wide it is shown.

    Args:
        encoding: of the terminal. One that lacks what bars are made of gets them in ASCII.
    """

    def __init__(self, encoding: str) -> None:
        from rich.cells import get_character_cell_size  # noqa: PLC0415  # costs start-up time

        self._cells: Callable[[str], int] = get_character_cell_size
        self._encoding = encoding
        self.glyphs = _OF_UNICODE if _has(encoding, _DRAWN) else _OF_ASCII

    def width(self, text: str) -> int:
        """Return how many cells a text takes, each character by itself: as terminals count."""
        return len(text) if text.isascii() else sum(map(self._width, text))

    def _width(self, char: str) -> int:
        # Terminals do not agree on pictures: none shows them wider than this.
        return 2 if "\U0001f000" <= char <= "\U0001faff" else self._cells(char)

    def shown(self, text: str, cells: int) -> str:
        """Return a text from anywhere, made visible and cut to so many cells."""
        beginning = text[: cells * _CHARACTERS_A_CELL + 1]
        line = one_line(beginning)
        if not _has(self._encoding, line):
            line = "".join(c if _has(self._encoding, c) else escaped(c) for c in line)
        if len(beginning) == len(text) and self.width(line) <= cells:
            return self._with_few_marks(line)
        line = self._with_few_marks(line)
        more = self.glyphs.more if cells > len(self.glyphs.more) else ""
        return f"{_SAFE.sub('', self._fitting(line, cells - len(more)))}{more}"

    def left(self, text: str, cells: int) -> str:
        """Return a text from anywhere in a column of its own, at its left."""
        shown = self.shown(text, cells)
        return shown + " " * (cells - self.width(shown))

    def _with_few_marks(self, line: str) -> str:
        if line.isascii():
            return line
        kept: list[str] = []
        marks = 0
        for char in line:
            marks = 0 if self._width(char) else marks + 1
            if marks <= _MARKS:
                kept.append(char)
        return "".join(kept)

    def _fitting(self, line: str, cells: int) -> str:
        """Return what a line begins with, as far as it fits."""
        if line.isascii():
            return line[: max(0, cells)]
        taken = 0
        for at, char in enumerate(line):
            taken += self._width(char)
            if taken > cells:
                return line[:at]
        return line


def _has(encoding: str, text: str) -> bool:
    if text.isascii():
        return True
    try:
        return codecs.decode(codecs.encode(text, encoding), encoding) == text
    except (UnicodeError, LookupError):
        return False
