r"""Text made safe to print: nothing in it moves a cursor, reverses a line or stays invisible.

What is not printable is written as `\uXXXX`, which JSON understands: a JSON document treated this
way still means the same.
"""

from __future__ import annotations

import re
from typing import Final

_BLANK: Final = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0]")
"""Characters that count as printable but show nothing."""


def one_line(text: str) -> str:
    """Return a name or a value as one line; line breaks and tabs are made visible too."""
    if text.isprintable() and (text.isascii() or not _BLANK.search(text)):
        return text
    return "".join(
        char if char.isprintable() and not _BLANK.match(char) else escaped(char) for char in text
    )


def visible(text: str) -> str:
    """Return text of several lines with everything but line breaks made visible."""
    return "\n".join(map(one_line, text.split("\n")))


def escaped(text: str) -> str:
    r"""Return `\uXXXX` for every character; a pair of them for one beyond the first 65,536."""
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\u{units[at : at + 4]}" for at in range(0, len(units), 4))
