"""How much of a limit is used: all of our share, less what others take.

What a scope allows is never known for good. Others may use part of it, and it may be changed. So
the *level* at which a window is filled is steered. A refusal that comes too early lowers it to what
was let through; then a little more is tried from time to time, and all of our share is used again
when that is let through. What is above the limit is another matter: `told_limit.py` and
`estimated_limit.py` say what is done about it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.pacing.sliding_window import Window

NEAR = 0.85
"""A refusal with this part of the level under way is put down to calls that crossed."""
WINDOWS_TO_HOLD = 4
TRY_AFTER_S = 3.0
TRIES_BEFORE_DOUBLING = 4
LONGEST_BETWEEN_TRIES_S = 30.0
"""How long others are left what they use before a little more is tried, besides a window."""
TRIES_WHEN_EXPECTED = 3
LONGEST_STAY_S = 15.0
"""Who has come before is expected to stay as long as then; at most so long nothing is tried."""
CONTESTED_FOR_S = 120.0
"""So long after others used part of a limit, they are expected to come back."""


class Steering:
    """Steers the window of one scope.

    Attributes:
        limit: what the scope is believed to allow in a window, to all who share it.
        level: how many calls of ours are let into a window.
    """

    __slots__ = (
        "_contested", "_contested_s", "_gave_way_s", "_share", "_stay_s", "_tries", "_try_s",
        "_trying_s", "full", "level", "limit", "window",
    )  # fmt: skip

    def __init__(self, window: Window, limit: float, *, share: float) -> None:
        self.window = window
        self.limit = limit
        self._share = share
        self.full = self.level = 1.0
        self._tries = 0
        self._try_s = math.inf
        self._trying_s: float | None = None
        self._contested = 0.0
        self._gave_way_s = -math.inf
        self._stay_s = 0.0
        self._contested_s = -math.inf
        self._believe(limit)

    def passed(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        """Take note that a call was let through; return whether another limit is believed now."""
        self.window.passed()
        if self.level >= self.full:
            return self._passed_at_full(sent_s, now_s, latency_s)
        if self._trying_s is not None:
            over_s = self._trying_s + self.window.window_s + 2 * latency_s
            if now_s >= over_s and self._is_used(now_s):
                self._regain(now_s)
        elif now_s >= self._try_s and self._is_used(now_s):
            self._try(max(1.0, 0.05 * self.full), now_s)
        return False

    def refused(self, sent_s: float, now_s: float, *, again: int) -> bool:
        """Take note of a refusal; return whether what is believed explains it.

        `again`: how many came before it since anything was let through; after one, calls that
        crossed are no reason.
        """
        count = float(self.window.count_at(sent_s))
        if self._trying_s is not None:
            self._fail(now_s)
            return True
        if self.level < self.full:
            lower = self.level - max(1.0, 0.1 * self.level)
            self._give_way(min(count, lower, max(1.0, self._contested)), now_s)
            return True
        return self._refused_at_full(count, sent_s, now_s, again=again)

    def others_use(self, calls: float) -> None:
        """The service said how many calls of others it has counted in the present window."""
        self._use(self.limit - calls)
        self._try_s = math.inf

    def use_all(self) -> None:
        """Nobody else is using the limit: use all of our share."""
        self._tries = 0
        self._use(self.full)

    def _passed_at_full(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        raise NotImplementedError

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: int) -> bool:
        raise NotImplementedError

    def is_near(self, sent_s: float) -> bool:
        """Whether about as many calls had left by `sent_s` as are let into a window."""
        return self.window.crowded or self._is_near(self.window.count_at(sent_s))

    def _is_near(self, count: float) -> bool:
        return count >= NEAR * self.level - 1

    def is_contested(self, now_s: float) -> bool:
        """Whether others lately used part of the limit."""
        return now_s - self._contested_s < CONTESTED_FOR_S

    def _give_way(self, level: float, now_s: float) -> None:
        """Others use part of the limit: leave it to them, and see after a while.

        Who comes in bursts stays about as long as the last time.
        """
        if self.level >= self.full:
            self._gave_way_s = now_s
        self._contested, self._contested_s = max(1.0, level), now_s
        self._use(level)
        self.window.even = True  # a burst would be refused together
        stays_s = min(LONGEST_STAY_S, 0.97 * self._stay_s)
        self._try_s = max(now_s + self._try_wait_s, self._gave_way_s + stays_s)

    def _try(self, more: float, now_s: float) -> None:
        self._trying_s = now_s
        self.window.allowed = min(self.full, self.level + more)

    def _regain(self, now_s: float) -> None:
        """A little more was let through: use it, and try half of what is left."""
        if self.level <= self._contested and self._trying_s is not None:
            self._stay_s = self._trying_s - self._gave_way_s
        self._tries = 0
        self._use(self.window.allowed)
        if self.level < self.full:
            self._try(max(1.0, 0.5 * (self.full - self.level)), now_s)

    def _fail(self, now_s: float) -> None:
        """A little more was tried, and refused."""
        self._tries += 1
        self._contested, self._contested_s = self.level, now_s
        self._use(self.level)
        self._try_s = now_s + self._try_wait_s

    @property
    def _try_wait_s(self) -> float:
        """How long to leave others what they use; longer, if they stay."""
        if 0 < self._tries <= TRIES_WHEN_EXPECTED and self._stay_s:
            return self.window.window_s + 0.5
        wait_s = TRY_AFTER_S + self.window.window_s
        longer_s = wait_s * 2.0 ** min(16, max(0, self._tries - TRIES_BEFORE_DOUBLING))
        return min(longer_s, max(LONGEST_BETWEEN_TRIES_S, wait_s))

    def _believe(self, limit: float) -> None:
        """Take `limit` for the limit, and use all of our share of it."""
        self.limit = max(1.0, limit)
        self.full = max(1.0, float(math.floor(self._share * self.limit + 1e-9)))
        self._use(self.full)

    def _use(self, level: float) -> None:
        self._trying_s = None
        self.level = min(self.full, max(1.0, level))
        self.window.allowed = self.level

    def _is_used(self, now_s: float) -> bool:
        return self.window.count_at(now_s) >= 0.8 * self.window.allowed - 1
