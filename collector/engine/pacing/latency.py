"""How long a call takes there and back, and by how much that varies."""

from __future__ import annotations

import math
from collections import deque

LONGEST_S = 30.0
UNKNOWN_TOO_LONG_S = 2.0
"""What is too long for an answer before a few have come."""
FEW = 3
SHORTEST_TOO_LONG_S, LONGEST_TOO_LONG_S = 0.1, 1.0
USUAL_TIMES = 5.0
"""So many times what a quarter of the latest answers took at most: of the others many may hang."""
USUAL_RISES = 1.1
LONG_WAY_TIMES = 2.0
"""No fewer times, however long the way."""
MOST_LATE = 0.5
"""Where a larger part of the answers takes too long, it is the way that has become longer."""
_MEMORY = 32
_LOOKS_APART = 8
_DEVIATIONS = 3.0
_ENOUGH = 10


class Latency:
    """The round trips to an endpoint; the latest thirty or so count.

    Attributes:
        mean_s: of one round trip.
        jitter_s: by how much later than another a call may arrive that left at the same time.
    """

    __slots__ = (
        "_deviation_s",
        "_heard",
        "_late",
        "_latest",
        "_too_long_s",
        "_usual_s",
        "jitter_s",
        "mean_s",
    )

    def __init__(self) -> None:
        self.mean_s = 0.05
        self._deviation_s = 0.005
        self._heard = 0
        self._late = 0.0
        self._too_long_s: float | None = None
        self._usual_s = math.inf
        self._latest: deque[float] = deque(maxlen=_MEMORY)
        self.jitter_s = _DEVIATIONS * self._deviation_s

    @property
    def is_known(self) -> bool:
        """Whether enough round trips were heard of to tell their jitter."""
        return self._heard >= _ENOUGH

    @property
    def too_long_s(self) -> float:
        """Seconds after which a call takes longer than nearly any before it."""
        if self._too_long_s is None:
            self._too_long_s = UNKNOWN_TOO_LONG_S
            if len(self._latest) >= FEW:
                quick_s = sorted(self._latest)[len(self._latest) // 4]
                # Where only slow servers are left, the way is no longer than it was.
                self._usual_s = min(quick_s, USUAL_RISES * self._usual_s)
                most_s = max(LONGEST_TOO_LONG_S, LONG_WAY_TIMES * self._usual_s)
                least_s = max(SHORTEST_TOO_LONG_S, USUAL_TIMES * self._usual_s)
                self._too_long_s = min(most_s, least_s)
        return self._too_long_s

    def hangs(self) -> None:
        """Record a call that takes too long; how many do is judged before their answers."""
        self._late += (1 - self._late) / _MEMORY

    def heard(self, took_s: float) -> None:
        """Learn from a round trip."""
        took_s = min(max(0.0, took_s), LONGEST_S)
        if self.is_known and took_s > self.too_long_s:
            if self._late < MOST_LATE:
                return  # some servers are slow; that says nothing of the way
        else:
            self._late -= self._late / _MEMORY
        self._latest.append(took_s)
        if len(self._latest) < _MEMORY or self._heard % _LOOKS_APART == 0:
            self._too_long_s = None  # to be worked out when it is asked for
        self._heard += 1
        if self._heard == 1:
            self.mean_s, self._deviation_s = took_s, 0.0
        else:
            weight = 1 / min(self._heard, _MEMORY)
            error = took_s - self.mean_s
            self.mean_s += weight * error
            self._deviation_s += weight * (abs(error) - self._deviation_s)
        self.jitter_s = _DEVIATIONS * self._deviation_s
