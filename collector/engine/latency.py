"""How long a call takes there and back, and by how much that varies."""

from __future__ import annotations

LONGEST_S = 30.0
UNKNOWN_TOO_LONG_S = 2.0
"""What is too long for an answer before a few have come."""
FEW = 3
SHORTEST_TOO_LONG_S, LONGEST_TOO_LONG_S = 0.25, 3.0
USUAL_ROUND_TRIPS, USUAL_DEVIATIONS = 4.0, 8.0
_MEMORY = 32
_DEVIATIONS = 3.0
_ENOUGH = 10
_GUESSED = 0.3


class Latency:
    """The round trips to an endpoint; the latest thirty or so count.

    Attributes:
        mean_s: of one round trip.
        uneven_s: by how much later than another a call may arrive that left at the same time.
    """

    __slots__ = ("_deviation_s", "_heard", "mean_s", "uneven_s")

    def __init__(self) -> None:
        self.mean_s = 0.05
        self._deviation_s = 0.005
        self._heard = 0
        self.uneven_s = _DEVIATIONS * self._deviation_s

    @property
    def is_known(self) -> bool:
        """Whether enough round trips were heard of to tell how uneven they are."""
        return self._heard >= _ENOUGH

    @property
    def too_long_s(self) -> float:
        """Seconds after which a call takes longer than nearly any before it."""
        if self._heard < FEW:
            return UNKNOWN_TOO_LONG_S
        usual_s = USUAL_ROUND_TRIPS * self.mean_s + USUAL_DEVIATIONS * self._deviation_s
        return min(LONGEST_TOO_LONG_S, max(SHORTEST_TOO_LONG_S, usual_s))

    def heard(self, took_s: float) -> None:
        """Take note of a round trip."""
        took_s = min(max(0.0, took_s), LONGEST_S)
        self._heard += 1
        if self._heard == 1:
            self.mean_s, self._deviation_s = took_s, 0.0
        else:
            weight = 1 / min(self._heard, _MEMORY)
            error = took_s - self.mean_s
            self.mean_s += weight * error
            self._deviation_s += weight * (abs(error) - self._deviation_s)
        uneven_s = _DEVIATIONS * self._deviation_s
        self.uneven_s = uneven_s if self.is_known else max(uneven_s, _GUESSED * self.mean_s)
