"""How many exports may run at once, where the service turns down more and never says how many."""

from __future__ import annotations

import math

FIRST_TEST_S = 10.0
LONGEST_TEST_S = 600.0
"""Until one was let through in the place of one that had ended, one more is started after so long,
then after three times as long each time, to see whether it is this kind of limit at all."""
STARTS_BETWEEN_PROBES = 64
MOST_STARTS_BETWEEN_PROBES = 512
"""One more is started after so many starts; twice as many after each such probe that was refused:
in the end they cost 0.2 % of the starts."""


class ExportsLimit:
    """The estimate for one project.

    It counts the exports that are thought to run: one that has ended unseen takes a place here and
    none at the service, so that a status is worth as much as an export.

    Attributes:
        limit: how many are believed to be allowed.
        is_proven: whether one was let through in the place of one that had ended.
    """

    __slots__ = ("_apart", "_started", "_step", "_test_s", "_tests", "is_proven", "limit")

    def __init__(self, limit: int, now_s: float) -> None:
        self.limit = max(1, limit)
        self._started = 0
        self._apart = STARTS_BETWEEN_PROBES
        self._step = 0
        self.is_proven = False
        self._tests = 0
        self._test_s = now_s + FIRST_TEST_S

    def allows_at(self, running: int) -> float:
        """Return when one more export may be started while `running` run.

        Until one was let through in the place of one that had ended, it is tested from time to time
        whether it is this kind of limit at all.
        """
        return -math.inf if running < self.limit + self._step else self._test_s

    def sent(self, running: int) -> None:
        """Count a start that leaves: a test goes alone."""
        if running >= self.limit:
            self._test_s = math.inf

    def started(self, running: int) -> bool:
        """Count a start that was let through while `running` ran; return whether that is news.

        One that was let through above the limit says that the limit is higher.
        """
        if running >= self.limit:
            self.limit = running + 1
            self._step = 1
            self._started = 0
            return True
        if not self.is_proven:
            self.is_proven, self._test_s = True, math.inf
            return True
        self._started += 1
        if self._started >= self._apart and not self._step:
            self._step = 1
        return False

    def refused(self, running: int, now_s: float) -> bool:
        """Process a start that was refused while `running` ran; return whether it explains it."""
        if self._step:
            self._step, self._started = 0, 0
            self._apart = min(MOST_STARTS_BETWEEN_PROBES, 2 * self._apart)
        if running < self.limit:
            return False
        if not self.is_proven:
            self._tests += 1
            self._test_s = now_s + min(LONGEST_TEST_S, FIRST_TEST_S * 3.0**self._tests)
        return True
