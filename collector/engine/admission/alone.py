"""Calls that leave alone: nobody knows yet whether such a call is accepted."""

from __future__ import annotations

from dataclasses import dataclass

MOST_OUT = 3
"""Some services lock a key that is refused more than five times in a row."""


@dataclass(slots=True, eq=False)
class Alone:
    """Lets one call leave at a time; where it stalls, another: three in all.

    Attributes:
        going: calls in flight that have not stalled.
        out: calls in flight.
    """

    going: int = 0
    out: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether no other call may leave before one is answered."""
        return self.going > 0 or self.out >= MOST_OUT

    def left(self) -> None:
        """Count a call that leaves."""
        self.going += 1
        self.out += 1

    def stalls(self) -> None:
        """Let another leave beside one that stalls."""
        self.going -= 1

    def goes_on(self) -> None:
        """Count one again that had stalled."""
        self.going += 1

    def came_back(self, *, stalled: bool) -> None:
        """Count one no longer that is answered."""
        self.out -= 1
        self.going -= not stalled
