"""How long a project's exports take, before a dozen of them have ended.

The first exports are *scouts*: they are asked about from half a second on, though nothing is known.
Most answers say no more than "not yet", and all of them together say a lot: how many have ended by
about what age. The median that makes this most likely is the estimate. It goes up while none has
ended, and comes down at once when the first ones have.
"""

from __future__ import annotations

import math

FIRST = 12
"""So many exports of a project are scouts."""
AT_ONCE = 0.1
"""The first of all is asked about after so many times the soonest: a service that has its archives
ready is waited for no longer than that."""
SPREAD = 1.0
"""The standard deviation that the durations' logarithms are taken to have."""
DOUBT = 0.4
"""By how much the logarithm of the guessed median may easily be off; to be off by more is no less
likely."""
_GOLDEN = (math.sqrt(5) - 1) / 2
"""Of which multiples spread evenly, however many they are."""
_ENOUGH_NEWS = 0.02
"""So much of what is known has to be new for another estimate."""
_FARTHEST = 8.0
_STEPS = 16
_TINY = 1e-9
ROOT_2 = math.sqrt(2)
ROOT_2_PI = math.sqrt(2 * math.pi)


def times(number: int) -> float:
    """Return after how many times the soonest a scout is asked about: once to twice, all apart."""
    return math.exp2(number * _GOLDEN % 1)


class Reports:
    """What has been said of one project's exports so far.

    Args:
        guess: the logarithm of the median that is taken where nothing is known.

    Attributes:
        logarithm: that of the most likely median.
    """

    __slots__ = ("_ages", "_ended", "_guess", "_heard", "_news", "logarithm")

    def __init__(self, guess: float) -> None:
        self.logarithm = self._guess = guess
        self._heard = 0
        self._ended = 0
        self._ages = 0.0
        self._news = 0.0

    def add(self, before_s: float, age_s: float, *, ended: bool) -> None:
        """Learn from what was said of one of them.

        Args:
            before_s: how old it was when it was last asked about; 0: it never was.
            age_s: how old it was this time.
            ended: it had completed.
        """
        older = math.log(max(_TINY, age_s))
        if before_s > 0:
            older -= math.log(before_s)
            self._news += older
        else:
            self._heard += 1
            self._news += 1
        self._ages += older
        self._ended += ended
        if ended or self._news >= _ENOUGH_NEWS * self._heard:
            self._news = 0.0
            self._estimate()

    def _estimate(self) -> None:
        low, high = self._guess - _FARTHEST, self._guess + _FARTHEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_low(middle) else (low, middle)
        self.logarithm = (low + high) / 2

    def _is_low(self, logarithm: float) -> bool:
        """Whether a longer median would be more likely."""
        age = (self._ages / self._heard - logarithm) / SPREAD
        running = min(1 - _TINY, max(_TINY, 0.5 * math.erfc(age / ROOT_2)))
        density = math.exp(-0.5 * age**2) / ROOT_2_PI / SPREAD
        still = self._heard - self._ended
        gain = density * (still / running - self._ended / (1 - running))
        off = (logarithm - self._guess) / DOUBT
        return gain > max(-1.0, min(1.0, off)) / DOUBT
