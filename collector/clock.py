"""The engine's clock, and how to convert it to wall time."""

from __future__ import annotations

import math
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache

# It keeps counting while a laptop sleeps: BOOTTIME on Linux, MONOTONIC on macOS.
_CLOCK = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME


def now_s() -> float:
    """Return the engine's time in seconds; only differences are meaningful."""
    return time.clock_gettime(_CLOCK)


class WallClock:
    """The machine's wall clock, as the journal and the manifest write it."""

    def __init__(self) -> None:
        # All events of one millisecond share one string: a big fleet has many of them.
        self._text = lru_cache(maxsize=256)(self._written)
        self._date = lru_cache(maxsize=64)(_date)

    def stamp(self, now_s: float) -> str:
        """Return the UTC time at `now_s` on the engine's clock, in milliseconds."""
        return self.of_unix(time.time() - (time.clock_gettime(_CLOCK) - now_s))

    def of_unix(self, at_s: float) -> str:
        """Return Unix seconds as a UTC time, clamped to the range of dates."""
        return self._text(math.floor(at_s * 1000))

    def _written(self, millisecond: int) -> str:
        second, rest = divmod(millisecond, 1000)
        return f"{self._date(second)}.{rest:03d}Z"

    def age_s(self, at: str, now_s: float) -> float:
        """Return the seconds from `at`, written by this class, to `now_s`; never negative."""
        wall_s = time.time() - (time.clock_gettime(_CLOCK) - now_s)
        return max(0.0, wall_s - datetime.fromisoformat(at).timestamp())


def _date(second: int) -> str:
    try:
        at = datetime.fromtimestamp(second, UTC)
    except (OverflowError, ValueError, OSError):
        at = datetime.max.replace(tzinfo=UTC) if second > 0 else datetime.min.replace(tzinfo=UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
