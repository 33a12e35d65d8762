"""Durations as people write them: `90`, `90s`, `15m`, `2h30m`."""

from __future__ import annotations

import re
from typing import Final

PATTERN: Final = r"^(?=.)(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}(\.\d{1,9})?s?)?$"
LONGEST_S: Final = 8760 * 3600.0
"""A year; anything longer is a typo, or means "never"."""

_DURATION = re.compile(
    r"(?:(?P<h>\d{1,9})h)?(?:(?P<m>\d{1,9})m)?(?:(?P<s>\d{1,9}(?:\.\d{1,9})?)s?)?", re.ASCII
)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


class TooLongError(ValueError):
    """A duration of more than a year."""


def parse_duration(text: str) -> float:
    """Return the seconds that a duration stands for.

    Raises:
        TooLongError: it is longer than a year.
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groupdict().values()):
        raise ValueError("not a duration")
    seconds = sum(_SECONDS[unit] * float(n) for unit, n in match.groupdict().items() if n)
    if seconds > LONGEST_S:
        raise TooLongError("longer than a year")
    return seconds
