"""How the engine's clock reads on the wall's."""

from __future__ import annotations

from typing import Protocol


class WallTime(Protocol):
    """Converts the engine's time, which only goes on, into the one that people write down."""

    def stamp(self, now_s: float) -> str:
        """Return the UTC time at `now_s`, as the journal writes it."""

    def of_unix(self, at_s: float) -> str:
        """Return Unix seconds as the journal writes a time."""

    def age_s(self, at: str, now_s: float) -> float:
        """Return seconds from `at` to `now_s`, never negative."""
