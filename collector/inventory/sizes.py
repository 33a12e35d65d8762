"""Sizes as people write them: `500KB`, `50MB`, `2GiB`."""

from __future__ import annotations

import re

UNITS = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?i?b)?", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """The bytes that a size such as `50MB` means (a plain number: bytes).

    Raises:
        ValueError: It is no size, or less than one byte.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = (found[2] or "b").lower() if found else ""
    if found is None or unit not in UNITS:
        raise ValueError("is no size")
    size = int(float(found[1]) * UNITS[unit]) if "." in found[1] else int(found[1]) * UNITS[unit]
    if size < 1:
        raise ValueError("is less than one byte")
    return size
