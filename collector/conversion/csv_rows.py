"""The rows of a CSV, read leniently: a row that cannot be read costs no other."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.conversion.fields import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS: Final = (",", ";", "\t", "|")
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DECLARED: Final = re.compile(r'"?sep=([^\r\n"])"?[\r\n]+', re.IGNORECASE)
"""Excel's own first line, which says what separates cells."""
TEXT_FORMULA: Final = re.compile(r'="([^"]*)"')
"""How a text is written that Excel is not to take for a number."""
_SAMPLE_ROWS: Final = 30
_SAMPLE_CHARS: Final = 1 << 20
"""What is looked at to find out what separates cells."""
_CELL_MAX: Final = 131_072
"""Characters of a cell: the limit of Python's csv."""
_ROW_MAX: Final = 1_000_000
"""Characters of a row: thousands of columns."""
_READ_AGAIN_MAX: Final = 50_000_000
"""Characters that are read twice at most, after quotes that nobody closed."""


class Row(NamedTuple):
    """A row that has some content.

    Attributes:
        line: where it begins, counted from 1.
        cells: without white space around them.
    """

    line: int
    cells: list[str]

    @property
    def where(self) -> str:
        """Its place in words."""
        return f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a CSV is laid out.

    Attributes:
        delimiter: what separates cells.
        begin: where in the text the rows begin, and after how many lines.
    """

    delimiter: str
    begin: int = 0
    lines_before: int = 0


def layout_of(text: str, words: frozenset[str]) -> Layout:
    """Find out what separates cells.

    The one wins under which the first rows have the most cells that look like names of columns,
    then the one with which most rows have as many cells as the others.

    Args:
        text: of the file.
        words: names of columns that are known or asked for, as `folded` gives them.
    """
    if declared := _DECLARED.match(text):
        return Layout(declared[1], declared.end(), declared[0].count("\n") or 1)
    sample = text[:_SAMPLE_CHARS]
    ranked = [(_score(sample, one, words), -index) for index, one in enumerate(DELIMITERS)]
    return Layout(DELIMITERS[-max(ranked)[1]])


def folded(name: str) -> str:
    """Return the name of a column without what people write differently."""
    return re.sub(r"[\W_]+", "_", name.strip().casefold()).strip("_")


def _score(sample: str, delimiter: str, words: frozenset[str]) -> tuple[int, float, int]:
    rows = []
    for row in rows_of(sample, Layout(delimiter)):
        if isinstance(row, Row):
            rows.append(row.cells)
        if len(rows) >= _SAMPLE_ROWS:
            break
    known = max((sum(folded(cell) in words for cell in cells) for cells in rows), default=0)
    usual, often = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
    return known, often / len(rows) if usual > 1 else 0.0, usual


def rows_of(text: str, layout: Layout) -> Iterator[Row | LeftOut]:
    """Yield the rows that have some content, and what cannot be read."""
    lines = _Lines(text, layout.begin, layout.lines_before)
    read_again = 0
    while True:
        rows = csv.reader(
            lines, delimiter=layout.delimiter, strict=True,
            skipinitialspace=layout.delimiter != "\t",
        )  # fmt: skip
        begun = lines.mark()
        try:
            for cells in rows:
                stripped = [_content(cell.strip()) for cell in cells]
                if any(stripped):
                    yield Row(begun[1] + 1, stripped)
                begun = lines.mark()
        except (csv.Error, _TooLongError) as error:
            read = lines.at - begun[0]
            several = lines.number > begun[1] + 1
            yield LeftOut(f"line {begun[1] + 1}", _told(error, several=several))
            if several and read_again + read > _READ_AGAIN_MAX:
                what = "the rest: too many quotes that nothing closes; correct those above first"
                yield LeftOut(f"line {begun[1] + 2} to the end", what)
                return
            if several:  # a quote swallowed the lines after it
                read_again += read
                lines.go_back(begun)
            continue
        return


def _content(cell: str) -> str:
    formula = TEXT_FORMULA.fullmatch(cell)
    return cell if formula is None else formula[1].strip()


def _told(error: Exception, *, several: bool) -> str:
    if isinstance(error, _TooLongError) and not several:
        return f"the row: more than {_ROW_MAX:,} characters"
    if several:
        return "the row: a quote is not closed; close or double it"
    if "field larger" in str(error):
        return f"the row: a cell of more than {_CELL_MAX:,} characters"
    return f"the row: {error}; put cells with quotes in quotes, and double those inside"


class _TooLongError(Exception):
    """A row is too long."""


class _Lines:
    """The lines of a text with their ends; one can go back to the second line of a row."""

    def __init__(self, text: str, at: int, number: int) -> None:
        self._text = text
        self._row_at = at
        self.at = at
        self.number = number

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        found = _LINE.match(self._text, self.at)
        if found is None:
            raise StopIteration
        self.at = found.end()
        self.number += 1
        if self.at - self._row_at > _ROW_MAX:
            raise _TooLongError
        return found[0]

    def mark(self) -> tuple[int, int]:
        """Begin a row; return where it is in the text, and after how many lines."""
        self._row_at = self.at
        return self.at, self.number

    def go_back(self, mark: tuple[int, int]) -> None:
        """Continue after the line that begins at a mark."""
        self.at, self.number = mark
        self._row_at = self.at
        next(self)
