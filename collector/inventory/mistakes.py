"""Error messages about an inventory."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.errors import CollectorError
from collector.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

PRINTED_MAX = 50
MISTAKES_MAX = 1_000
"""How many mistakes to look for; beyond this they are the same one many times over."""
QUOTED_MAX = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, at one place.

    Attributes:
        file: The file's name as it was given, or `<stdin>`.
        line: Counted from 1.
        column: Counted from 1, in characters. In CSV it is the number of the field, as in a
            spreadsheet.
        what: What is wrong. Never holds the value of a secret.
        instead: What to write instead.
    """

    file: str
    line: int
    column: int
    what: str
    instead: str

    @property
    def text(self) -> str:
        """The mistake as one line, in the format that editors can jump to."""
        return one_line(f"{self.file}:{self.line}:{self.column}: {self.what}; {self.instead}")


@dataclass(frozen=True, slots=True)
class BadExpression(Mistake):
    """A mistake in a selection expression; `file` is the option with the expression."""

    @property
    def text(self) -> str:
        """The mistake as one line."""
        instead = f"; {self.instead}" if self.instead else ""
        return one_line(f"invalid {self.file}: {self.what}{instead}")


class InventoryError(CollectorError):
    """An inventory or a selection that cannot be used as it stands.

    Its text has one line per mistake, `file:line:column: what is wrong; what to write instead`, and
    after fifty the number of the rest.

    Attributes:
        problems: Every mistake, in the order of the file; of thousands, the first `MISTAKES_MAX`
            or a few more.
    """

    def __init__(self, problems: Iterable[Mistake]) -> None:
        self.problems = tuple(
            sorted(dict.fromkeys(problems), key=lambda one: (one.line, one.column))
        )
        lines = [problem.text for problem in self.problems[:PRINTED_MAX]]
        if len(self.problems) > PRINTED_MAX:
            more = len(self.problems) - PRINTED_MAX
            stopped = len(self.problems) >= MISTAKES_MAX
            lines.append(f"and at least {more} more" if stopped else f"and {more} more")
        super().__init__("\n".join(lines))

    @property
    def rendered(self) -> str:
        """The mistakes alone, so that each line starts with its place."""
        return str(self)


def quoted(text: str) -> str:
    """Return text from a file in quotes for a message: short, on one line, printable."""
    short = text if len(text) <= QUOTED_MAX else text[: QUOTED_MAX - 1] + "…"
    return f"'{one_line(short)}'"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None if none is similar."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower()[:QUOTED_MAX], by_lower, n=1)
    return by_lower[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the second half of a message about an unknown word: the nearest one, else all."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {quoted(near)}?"
    return f"use one of: {', '.join(words)}" if words else "no keys are allowed here"
