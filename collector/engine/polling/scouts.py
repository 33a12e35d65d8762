"""Scouts: exports that are asked about early, to learn how long a project's exports take.

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
_NEAR = 0.25
_CLOSE = 1e-3
_STEPS = 16
_TINY = 1e-9
_LEAST = 1e-300
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
        """Find the median that makes what was said most likely: where the gain is none.

        By false position (the Illinois way), from where it was found last: it moves a little at
        each answer, and most exports of many small projects are asked about as scouts.
        """
        low, below, high, above = self._bracket()
        for _ in range(_STEPS):
            if high - low <= _CLOSE or below <= above:
                break
            middle = (high * below - low * above) / (below - above)
            gain = self._gain(middle)
            if abs(gain) < _CLOSE:
                low = high = middle
            elif gain > 0:
                low, below, above = middle, gain, above / 2
            else:
                high, above, below = middle, gain, below / 2
        self.logarithm = (low + high) / 2

    def _bracket(self) -> tuple[float, float, float, float]:
        """Return two medians between which it lies, or the farthest one twice, and their gains."""
        near, step = self.logarithm, _NEAR
        gain = self._gain(near)
        is_low = gain > 0
        farthest = self._guess + (_FARTHEST if is_low else -_FARTHEST)
        while True:
            far = min(farthest, near + step) if is_low else max(farthest, near - step)
            far_gain = self._gain(far)
            if (far_gain > 0) is not is_low:
                return (near, gain, far, far_gain) if is_low else (far, far_gain, near, gain)
            if far == farthest:
                return far, 0.0, far, 0.0
            near, gain, step = far, far_gain, 4 * step

    def _gain(self, logarithm: float) -> float:
        """Return by how much more likely a longer median would be."""
        age = (self._ages / self._heard - logarithm) / SPREAD
        # Each tail by itself: one less the other would be none where the guess is far off.
        running = 0.5 * math.erfc(age / ROOT_2) or _LEAST
        done = 0.5 * math.erfc(-age / ROOT_2) or _LEAST
        density = math.exp(-0.5 * age * age) / ROOT_2_PI / SPREAD
        ended = self._ended
        gain = density * ((self._heard - ended) / running - ended / done)
        off = (logarithm - self._guess) / DOUBT
        return gain - (1.0 if off > 1 else -1.0 if off < -1 else off) / DOUBT
