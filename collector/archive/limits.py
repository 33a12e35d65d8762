"""How much an archive may unpack to: a small file can hold more than any disk."""

from __future__ import annotations

from dataclasses import dataclass

RATIO_AFTER_BYTES = 64 << 20
"""Unpacked bytes that are not held against the ratio: a log of zeros is no bomb."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What is over these is not read any further.

    Attributes:
        unpacked: bytes that an archive may unpack to, and that it may have itself.
        ratio: unpacked bytes for each packed one, after the first `RATIO_AFTER_BYTES`.
        members: members of the tar.
    """

    unpacked: int = 1 << 40
    ratio: float = 1000.0
    members: int = 1_000_000
