"""How much of a limit is used: all of our share, less what others take.

What a scope allows is never known for good: others may use part of it, and it may be changed. So
the *level*, how many calls are let into a window, is steered. A refusal that comes too early makes
it back off to what was let through. Some seconds later a little more is sent for one window; if
that is let through, all of our share is used again. What is above the limit is another matter:
`told_limit.py` and `estimated_limit.py` say what is done about it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.pacing.sliding_window import Window

NEAR = 0.85
"""A refusal with this part of the level under way is put down to calls that were reordered."""
WINDOWS_TO_HOLD = 4
"""An estimate has held after so many windows: a bucket that was full at first is empty by then."""
RECOVER_AFTER_S = 3.0
"""How long others are left what they use before a little more is sent, besides a window."""
EQUAL_WAITS = 4
"""So many failures in a row are as far apart; then each wait is twice the one before."""
LONGEST_WAIT_S = 30.0
"""The longest wait, or a window and `RECOVER_AFTER_S` if that is longer."""
EXPECTED_FAILURES = 3
SOON_S = 0.5
"""Who has come before is expected to leave soon: so many recoveries are only so long apart, and a
window."""
LONGEST_STAY_S = 15.0
"""Who has come before is expected to stay as long as then; at most so long nothing is tried."""
CONTESTED_FOR_S = 120.0
"""So long after others used part of a limit, they are expected to come back."""


class Utilization:
    """Steers how far the window of one scope is filled.

    Attributes:
        limit: what the scope is believed to allow in a window, to all who share it.
        full: our share of it.
        level: how many calls of ours are let into a window.
    """

    __slots__ = (
        "_backed_off_s", "_contested", "_contested_s", "_failures", "_recover_at_s",
        "_recovering_s", "_share", "_stay_s", "full", "level", "limit", "window",
    )  # fmt: skip

    def __init__(self, window: Window, limit: float, *, share: float) -> None:
        self.window = window
        self.limit = limit
        self._share = share
        self.full = self.level = 1.0
        self._failures = 0
        self._recover_at_s = math.inf
        self._recovering_s: float | None = None
        self._contested = 0.0
        self._contested_s = -math.inf
        self._backed_off_s = -math.inf
        self._stay_s = 0.0
        self._believe(limit)

    def passed(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        """Count a call that was let through; return whether another limit is believed now."""
        self.window.passed()
        if self.level >= self.full:
            return self._passed_at_full(sent_s, now_s, latency_s)
        if self._recovering_s is not None:
            over_s = self._recovering_s + self.window.window_s + 2 * latency_s
            if now_s >= over_s and self._is_used(now_s):
                self._recover()
        elif now_s >= self._recover_at_s and self._is_used(now_s):
            self._recovering_s = now_s
            self.window.allowed = min(self.full, self.level + max(1.0, 0.05 * self.full))
        return False

    def refused(self, sent_s: float, now_s: float, *, again: int) -> bool:
        """Process a refusal; return whether what is believed explains it.

        `again`: how many came before it since anything was let through; after one, calls that
        were reordered are no reason.
        """
        count = float(self.window.count_at(sent_s))
        if self._recovering_s is not None:
            self._fail(now_s)
            return True
        if self.level < self.full:
            lower = self.level - max(1.0, 0.1 * self.level)
            self._back_off(min(count, lower, max(1.0, self._contested)), now_s)
            return True
        return self._refused_at_full(count, sent_s, now_s, again=again)

    def others_use(self, calls: float) -> None:
        """Leave others as many calls as the service has counted of theirs in this window."""
        self._use(self.limit - calls)
        self._recover_at_s = math.inf

    def use_all(self) -> None:
        """Use all of our share, since nobody else is using the limit."""
        self._failures = 0
        self._use(self.full)

    def _passed_at_full(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        raise NotImplementedError

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: int) -> bool:
        raise NotImplementedError

    def is_near(self, sent_s: float) -> bool:
        """Whether about as many calls had left by `sent_s` as are let into a window."""
        return self.window.jitter_dominated or self._is_near(self.window.count_at(sent_s))

    def _is_near(self, count: float) -> bool:
        return count >= NEAR * self.level - 1

    def is_contested(self, now_s: float) -> bool:
        """Whether others lately used part of the limit."""
        return now_s - self._contested_s < CONTESTED_FOR_S

    def _back_off(self, level: float, now_s: float) -> None:
        """Leave part of the limit to others, and see after a while.

        Who comes in bursts stays about as long as the last time.
        """
        if self.level >= self.full:
            self._backed_off_s = now_s
        self._contested, self._contested_s = max(1.0, level), now_s
        self._use(level)
        self.window.paced = True  # a burst would be refused together
        stays_s = min(LONGEST_STAY_S, 0.97 * self._stay_s)
        self._recover_at_s = max(now_s + self._wait_s, self._backed_off_s + stays_s)

    def _recover(self) -> None:
        """Use all of our share again: a little more was let through."""
        if self._recovering_s is not None:
            self._stay_s = self._recovering_s - self._backed_off_s
        self.use_all()

    def _fail(self, now_s: float) -> None:
        """Go back to the level: a little more was refused."""
        self._failures += 1
        self._contested, self._contested_s = self.level, now_s
        self._use(self.level)
        self._recover_at_s = now_s + self._wait_s

    @property
    def _wait_s(self) -> float:
        """How long to leave others what they use; longer, if they stay."""
        if 0 < self._failures <= EXPECTED_FAILURES and self._stay_s:
            return self.window.window_s + SOON_S
        wait_s = RECOVER_AFTER_S + self.window.window_s
        longer_s = wait_s * 2.0 ** min(16, max(0, self._failures - EQUAL_WAITS))
        return min(longer_s, max(LONGEST_WAIT_S, wait_s))

    def _believe(self, limit: float) -> None:
        """Take `limit` for the limit, and use all of our share of it."""
        self.limit = max(1.0, limit)
        self.full = max(1.0, float(math.floor(self._share * self.limit + 1e-9)))
        self._use(self.full)

    def _use(self, level: float) -> None:
        self._recovering_s = None
        self.level = min(self.full, max(1.0, level))
        self.window.allowed = self.level

    def _is_used(self, now_s: float) -> bool:
        """Whether what is allowed was sent, so that its being let through means something."""
        return self.window.count_at(now_s) >= 0.8 * self.window.allowed - 1
