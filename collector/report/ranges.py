"""A range of time: something ends between the one and the other."""

from __future__ import annotations

from typing import NamedTuple


class Range(NamedTuple):
    """Seconds, from and to."""

    low_s: float
    high_s: float
