"""How much of a limit is used: all of our share, less what others take, and now and then a try.

What a scope allows is never known for good. Others may use part of it, and it may be changed. So a
window is steered: a refusal that comes too early lowers what is used to what was let through, and
from time to time a little more is tried, for one window. What is let through is used from then on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.windows import Window

NEAR = 0.85
"""A refusal with this part of what was allowed under way is put down to calls that crossed."""
WINDOWS_BETWEEN_TRIES = 4
CALLS_BETWEEN_TRIES = 250
"""At a limit that is believed, so many calls go between two tries at more: each may be refused."""
TRIES_BEFORE_RARER = 3
RARELY = 500
CALLS_BEFORE_FIRST_TRY = 80
"""A new estimate may be far too low, if it was made while others used most of the limit."""
LONGEST_SAVED_S = 10.0
SLIGHTLY = 0.8
FAILURES_BELIEVED = 8
FAILURES_BELIEVED_SLIGHT = 3
"""After so many failed tries in a row an estimate is lowered to what is let through; after fewer
where that is nearly as much."""
CONTESTED_FOR_S = 120.0
"""So long after others used part of a limit, they are expected to come back."""
TRIES_BEFORE_DOUBLING = 4
LONGEST_BETWEEN_TRIES_S = 30.0
PROBE_AFTER_CALLS = 4000
"""A limit that was stated by a refusal alone is exceeded by one call in so many."""
PROBE_AFTER_LOWERING = 100
"""The same, where it was stated to be lower than before: what was lowered may be raised again."""


class Steering:
    """Steers the window of one scope.

    Attributes:
        limit: what the scope is believed to allow in a window, to all who share it.
        told: whether the service stated that; then more is not tried, but for single calls where
            it may have stated it long ago.
        probes: whether one call over the limit is to leave: to be told of a limit that was raised.
        tries: tries at more that were refused, one after the other.
    """

    __slots__ = (
        "_apart", "_cap", "_contested", "_contested_s", "_next_try_s", "_probe_apart", "_probe_in", "_probe_s", "_proven", "_settled_s", "_share",
        "_step", "_trying_s", "limit", "probes", "told", "tries", "window",
    )  # fmt: skip

    def __init__(
        self, window: Window, limit: float, *, share: float, told: bool, now_s: float
    ) -> None:
        self.window = window
        self.limit = limit
        self.told = told
        self.tries = 0
        self.probes = False
        self._probe_s: float | None = None
        self._probe_apart = self._probe_in = 0
        self._share = share
        self._step = 0.0
        self._trying_s: float | None = None
        self._contested = 0.0
        self._contested_s = -math.inf
        self._apart = CALLS_BEFORE_FIRST_TRY
        self._settled_s = now_s
        self._believe(limit)
        self._proven = self._cap
        self._next_try_s = math.inf if told else now_s + self._apart_s
        self._use(self._proven)

    @property
    def used(self) -> float:
        """How many calls of ours are let into a window."""
        return self._proven

    def settled(self, now_s: float) -> bool:
        """Whether the limit has held for a few windows."""
        return now_s - self._settled_s > WINDOWS_BETWEEN_TRIES * self.window.window_s

    def passed(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        """Take note that a call was let through; return whether that raised what is believed."""
        self.window.passed()
        if self.told and self._proven >= self._cap:
            return self._probe_apart > 0 and self._probe(sent_s, now_s)
        if self._trying_s is not None:
            over_s = self._trying_s + self._trial_s + 2 * latency_s
            return now_s >= over_s and self._is_used(now_s) and self._succeed(now_s)
        if now_s >= self._next_try_s and self._is_used(now_s):
            self._try(now_s)
        return False

    def refused(self, sent_s: float, now_s: float, *, again: bool) -> bool:
        """Take note of a refusal; return whether what is believed explains it.

        `again`: nothing was let through since the last one, so calls that crossed are no reason.
        """
        count = float(self.window.count_at(sent_s))
        if self._probe_s is not None and sent_s >= self._probe_s:
            self._probe_s = None
            self._probe_apart += self._probe_apart // 2
            self._probe_in = self._probe_apart
            if count >= NEAR * self._proven - 1:
                return True
        if self._trying_s is not None:
            self._fail(count, now_s)
            return True
        contested = self._proven < self._cap or now_s - self._contested_s < CONTESTED_FOR_S
        if count >= NEAR * self._proven - 1 and not again and not contested:
            self.window.crossed()
            return True
        return self._give_way(count, now_s)

    def _give_way(self, count: float, now_s: float) -> bool:
        """Others use part of the limit: leave it to them; return whether that was to be expected."""
        if self._proven < self._cap:
            least = self._proven - max(1.0, 0.1 * self._proven)
        elif now_s - self._contested_s < CONTESTED_FOR_S:
            least = self._contested
        else:
            least = self._proven
        expected = self._proven < self._cap or least < self._proven
        self._proven = max(1.0, min(least, count))
        self._contested, self._contested_s = self._proven, now_s
        self._settled_s = now_s
        self._step = 0.0
        self._next_try_s = now_s + WINDOWS_BETWEEN_TRIES * self.window.window_s
        self.window.even = True
        self._use(self._proven)
        return expected

    def doubt_statement(self, *, lowered: bool) -> None:
        """The limit was stated by a refusal alone: find out, rarely, whether it was raised since."""
        self._probe_apart = PROBE_AFTER_LOWERING if lowered else PROBE_AFTER_CALLS
        self._probe_in = self._probe_apart

    def probe_left(self, now_s: float) -> None:
        """Take note that the one call over the limit may have left."""
        if self.window.count_at(now_s) > self._cap:
            self.probes, self._probe_s = False, now_s

    def _probe(self, sent_s: float, now_s: float) -> bool:
        """Let one call over a statement now and then; if it is let through, that is outdated."""
        if self._probe_s is not None:
            if sent_s == self._probe_s:
                self.told, self._probe_s = False, None
                self._step = 1.0
                self._believe(self.limit + 1)
                self._proven = self._cap
                self._next_try_s = now_s
                self.window.even = True
                self._use(self._proven)
                return True
            return False
        self._probe_in -= 1
        self.probes = self.probes or self._probe_in <= 0
        return False

    def others_use(self, calls: float) -> None:
        """The service said how many calls of others it has counted in the present window."""
        self._trying_s = None
        self._proven = min(self._cap, max(1.0, self.limit - calls))
        self._next_try_s = math.inf
        self._use(self._proven)

    def use_all(self) -> None:
        """Nobody else is using the limit: use all of our share."""
        self._trying_s = None
        self._proven = self._cap
        self._use(self._proven)

    @property
    def _trial_s(self) -> float:
        """How long a little more must be let through: what a bucket had saved is used up by then."""
        window_s = self.window.window_s
        saved_s = window_s * self._proven / max(1.0, self._step)
        return window_s + min(saved_s, LONGEST_SAVED_S)

    @property
    def _apart_s(self) -> float:
        """Seconds between two tries at more than is believed."""
        window_s = self.window.window_s
        calls_s = self._apart * window_s / max(1.0, self._cap)
        return max(WINDOWS_BETWEEN_TRIES * window_s, calls_s)

    def _believe(self, limit: float) -> None:
        self.limit = limit
        whole = self.told or self._share < 1.0
        self._cap = max(1.0, math.floor(self._share * limit + 1e-9) if whole else limit)

    def _use(self, calls: float) -> None:
        self.window.allowed = calls

    def _is_used(self, now_s: float) -> bool:
        return self.window.count_at(now_s) >= 0.8 * self.window.allowed - 1

    def _try(self, now_s: float) -> None:
        """Let a little more into one window."""
        self._trying_s = now_s
        if self._proven < self._cap:
            self._step = max(1.0, 0.05 * self._cap)
            self._use(min(self._cap, self._proven + self._step))
        else:
            self._step = max(1.0, 0.02 * self.limit, 2 * self._step)
            self._use(self.limit + self._step)

    def _succeed(self, now_s: float) -> bool:
        """More was let through for a whole window: use it; try yet more at once."""
        self._trying_s = None
        self.tries = 0
        raised = self._proven >= self._cap
        if raised:
            self._apart = CALLS_BETWEEN_TRIES
            self._believe(self.limit + self._step)
        self._proven = self._cap
        self._use(self._proven)
        self._next_try_s = math.inf if self.told else now_s + (0.0 if raised else self._apart_s)
        return raised

    def _fail(self, count: float, now_s: float) -> None:
        """More was tried and refused: go back to what was let through before."""
        self._trying_s = None
        at_limit = self._proven >= self._cap
        if not at_limit:
            self._contested_s = now_s
        # What was let through is proven, however the try ended.
        if at_limit and not self.told and self.limit < count < self.limit + self._step:
            self._believe(count)
            self._proven = self._cap
        self._step = 0.0
        self.tries += 1
        slight = self._proven >= SLIGHTLY * self._cap
        believed = FAILURES_BELIEVED_SLIGHT if slight else FAILURES_BELIEVED
        if not at_limit and not self.told and self.tries >= believed:
            self._believe(self._proven / self._share)
            self._proven, at_limit, self.tries = self._cap, True, 0
        if at_limit:
            self._apart = CALLS_BETWEEN_TRIES if self.tries < TRIES_BEFORE_RARER else RARELY
            wait_s = self._apart_s
        else:
            wait_s = WINDOWS_BETWEEN_TRIES * self.window.window_s
            wait_s *= 2.0 ** max(0, self.tries - TRIES_BEFORE_DOUBLING)
            wait_s = min(wait_s, max(LONGEST_BETWEEN_TRIES_S, 3 * self.window.window_s))
        self._next_try_s = now_s + wait_s
        self._use(self._proven)
