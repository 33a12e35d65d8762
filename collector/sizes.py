"""Sizes as people write them (`500KB`, `50MB`, `2GiB`) and as they read them."""

from __future__ import annotations

import re

UNITS = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
LARGEST = (1 << 63) - 1
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?i?b)?", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """The bytes that a size such as `50MB` stands for (a plain number: bytes).

    Raises:
        ValueError: It is not a size, less than one byte, or larger than any disk.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = (found[2] or "b").lower() if found else ""
    if found is None or unit not in UNITS:
        raise ValueError("not a number with a unit")
    size = int(float(found[1]) * UNITS[unit]) if "." in found[1] else int(found[1]) * UNITS[unit]
    if size < 1:
        raise ValueError("less than one byte")
    if size > LARGEST:
        raise ValueError("larger than any disk")
    return size


def size(amount: float) -> str:
    """Return bytes for people: `3.4 MB`, or `2 GiB` if it is exactly that."""
    for power, unit in ((6, "EiB"), (5, "PiB"), (4, "TiB"), (3, "GiB"), (2, "MiB")):
        if amount and amount % 1024**power == 0:
            return f"{amount // 1024**power:.0f} {unit}"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if amount < 1000:  # noqa: PLR2004  # a step of the SI
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} EB"
