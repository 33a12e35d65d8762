"""How long a project's exports take, before enough of them have ended: what a few scouts tell.

The first exports, and a few of the others, are asked about at ages that double. Most of these
answers say no more than "not yet", and all of them together say a lot: how many have ended by
about what age. The median that this makes most likely is the estimate; it goes up while none has
ended, and comes down at once when the first one has.
"""

from __future__ import annotations

import math

FIRST = 12
"""So many exports of a project are scouts,"""
ONE_IN = 20
"""then one in so many,"""
MOST = 60
"""and no more than these."""
SPREAD = 1.0
"""What the durations' logarithms are taken to differ by: their standard deviation."""
DOUBT = 0.4
"""By how much the logarithm of the median may be off that is guessed before."""
CLIP = 1.0
_FARTHEST = 8.0
_STEPS = 20
_TINY = 1e-9
_ROOT_2 = math.sqrt(2)
_ROOT_2_PI = math.sqrt(2 * math.pi)


class Scouts:
    """What the scouts of one project have said so far.

    Args:
        guess: the logarithm of the median that is taken where nothing is known.

    Attributes:
        logarithm: that of the most likely median.
    """

    __slots__ = ("_ages", "_ended", "_guess", "_heard", "logarithm")

    def __init__(self, guess: float) -> None:
        self.logarithm = self._guess = guess
        self._heard = 0
        self._ended = 0
        self._ages = 0.0

    def looked(self, before_s: float, age_s: float, *, ended: bool) -> None:
        """Take note of what was said of one of them.

        Args:
            before_s: how old it was when it was last asked about; 0: it never was.
            age_s: how old it was this time.
            ended: it had completed.
        """
        self._ages += math.log(max(_TINY, age_s))
        if before_s > 0:
            self._ages -= math.log(before_s)
        else:
            self._heard += 1
        self._ended += ended
        low, high = self._guess - _FARTHEST, self._guess + _FARTHEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_low(middle) else (low, middle)
        self.logarithm = (low + high) / 2

    def _is_low(self, logarithm: float) -> bool:
        """Whether a longer median would be more likely."""
        age = (self._ages / self._heard - logarithm) / SPREAD
        over = min(1 - _TINY, max(_TINY, 0.5 * math.erfc(age / _ROOT_2)))
        density = math.exp(-0.5 * age**2) / _ROOT_2_PI / SPREAD
        running = self._heard - self._ended
        gain = density * (running / over - self._ended / (1 - over))
        off = max(-CLIP, min(CLIP, (logarithm - self._guess) / DOUBT))
        return gain > off / DOUBT
