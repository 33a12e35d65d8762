"""A circuit breaker, as the disk has one: open while something does not work, and then probed."""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_PROBE_S = 1.0
LONGEST_PROBE_S = 30.0
"""Between two tries of a disk that takes no archive, at most."""
DISK_PATIENCE_S = 600.0
"""A disk that takes no archive is given up after this long: room is made by people."""


@dataclass(slots=True)
class CircuitBreaker:
    """A breaker: open while something does not work, and probed from time to time.

    Attributes:
        patience_s: for how long it is probed.
        down_s: since when it does not work; None while it does.
        probe_s: when the next call may find out.
        given_up: it has been probed for long enough.
        in_flight: calls that would find out and have not ended.
    """

    patience_s: float
    down_s: float | None = None
    probe_s: float = -math.inf
    given_up: bool = False
    in_flight: int = 0
    _wait_s: float = FIRST_PROBE_S

    @property
    def is_open(self) -> bool:
        """Whether no call may leave before another has come back, or at all."""
        return self.given_up or (self.down_s is not None and self.in_flight > 0)

    def failed(self, sent_s: float, now_s: float) -> bool:
        """Record a failure; return whether this is news."""
        if self.down_s is None:
            self.down_s = now_s
            self._wait_s = FIRST_PROBE_S
            self.probe_s = now_s + self._wait_s
            return True
        if sent_s >= self.probe_s:
            self._wait_s = min(LONGEST_PROBE_S, 2 * self._wait_s)
            self.probe_s = now_s + self._wait_s
        self.given_up = now_s - self.down_s >= self.patience_s
        return False

    def reached(self) -> bool:
        """Record a success; return whether it was down."""
        was_down = self.down_s is not None
        self.down_s, self.probe_s, self.given_up = None, -math.inf, False
        return was_down

    def slept(self, jump_s: float) -> None:
        """Leave a time out of account in which nobody asked."""
        if self.down_s is not None:
            self.down_s += jump_s
