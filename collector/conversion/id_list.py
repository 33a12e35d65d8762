"""Plain lists of ids: one a line, or with commas between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collector.conversion.fields import Entry, LeftOut
from collector.inventory.mistakes import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE: Final = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|$)")
_PART: Final = re.compile(r"[^,]+")
_AROUND: Final = "\ufeff\u200b\"'"
"""What stands around copied ids: invisible characters and quotes."""


def entries(text: str) -> Iterator[Entry | LeftOut]:
    """Yield the ids; what follows a `#` is a comment."""
    for number, line in enumerate(_LINE.finditer(text), start=1):
        for part in _PART.finditer(_uncommented(line[1])):
            word = part[0].strip().strip(_AROUND).strip()
            if not word:
                continue
            if len(word.split(maxsplit=1)) > 1:
                what = f"{quoted(word)} has spaces; write one id per line"
                yield LeftOut(f"line {number}", what)
            else:
                yield Entry(f"line {number}", {"server_id": word})


def _uncommented(line: str) -> str:
    """Return a line without its comment: a `#` that begins a word."""
    at = -1
    while (at := line.find("#", at + 1)) >= 0:
        if at == 0 or line[at - 1].isspace() or line[at - 1] == ",":
            return line[:at]
    return line
