"""What a service said, made fit for one line of a person's reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.redaction import hide

if TYPE_CHECKING:
    from collector.redaction import Secrets

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


def told(text: str, secrets: Secrets, limit: int = MESSAGE_MAX) -> str:
    """Return what a service says in one line, without secrets and what looks like one.

    They are taken out before it is cut to length: of a token that is cut in two, half would stay.
    """
    return one_line(hide(secrets.out_of(text)[: 8 * limit]), limit)
