"""What a service said, made fit for one line of a person's reading."""

from __future__ import annotations

from typing import Final

MESSAGE_MAX: Final = 300
CODE_MAX: Final = 64
REQUEST_ID_MAX: Final = 128
WORD_MAX: Final = 80


def one_line(text: str, limit: int = MESSAGE_MAX) -> str:
    """Return `text` in one line of printable characters, at most `limit` of them."""
    text = text[: 8 * limit]  # what is far beyond the limit need not be looked at
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3].rstrip()}..."
