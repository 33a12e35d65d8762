"""A limit that nobody stated: raised as long as more is let through, and lowered with care."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.pacing.utilization import WINDOWS_TO_HOLD, Utilization

if TYPE_CHECKING:
    from collector.engine.pacing.sliding_window import Window

CALLS_BEFORE_PROBE = 80
FIRST_PROBE_S = 10.0
"""A new estimate may be far too low, if it was made while others used most of the limit."""
MOST_CALLS_BEFORE_PROBE = 500
"""So many calls go before a probe; twice as many after each but the first that was refused, up to
the latter: then probes cost 0.2 % of the calls, of the 1 % that may be refused."""
SAVED_S = 10.0
MOST_SAVED = 1.2
"""A raise that is refused so soon was let through by what a bucket had saved, unless that was more
than a window's calls."""
CALLS_BETWEEN_REORDERINGS = 100
"""Calls are reordered less often than that; else the estimate is a little too high."""
QUIET_CALLS = 120
"""Where calls are reordered all the time, more is tried after so many without a refusal."""
FAILURES_BELIEVED = 8
"""After so many recoveries that failed in a row, an estimate is lowered to the level."""


class EstimatedLimit(Utilization):
    """A limit that nobody stated: it is raised as long as more is let through.

    Attributes:
        held: whether it has held for a few windows: then what contradicts it is others' use.
    """

    __slots__ = (
        "_calls", "_floor", "_floor_calls", "_floor_s", "_probe_at_s", "_probing_s", "_raised_s",
        "_reordered_calls", "_reverts", "_since_s", "_step", "held",
    )  # fmt: skip

    def __init__(self, window: Window, limit: float, *, share: float, now_s: float) -> None:
        self.held = False
        self._since_s = now_s
        self._probing_s: float | None = None
        self._step = 0.0
        self._reverts = 0
        self._floor = limit
        self._floor_s = now_s
        self._floor_calls = 0
        self._raised_s = -math.inf
        self._calls = 0
        self._reordered_calls = -CALLS_BETWEEN_REORDERINGS
        super().__init__(window, limit, share=share)
        self._probe_at_s = now_s + min(
            self._apart_s(CALLS_BEFORE_PROBE), FIRST_PROBE_S + window.window_s
        )

    def passed(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        """Count a call that was let through; return whether another limit is believed now."""
        self._calls += 1
        if self._since_s == -math.inf:  # remembered: it begins with the first answer
            self._since_s = now_s
            self._probe_at_s = now_s + self._apart_s(CALLS_BEFORE_PROBE)
        if now_s - self._since_s > WINDOWS_TO_HOLD * self.window.window_s:
            self.held = True
        return super().passed(sent_s, now_s, latency_s)

    def counted_one_less(self) -> None:
        """One of the calls that the limit was guessed from was refused as well."""
        self._believe(self.limit - 1)

    def probe_at_once(self, now_s: float) -> None:
        """More was let through than was believed: find out how much."""
        self._probe_at_s = now_s

    def _passed_at_full(self, sent_s: float, now_s: float, latency_s: float) -> bool:  # noqa: ARG002  # the told limit's needs it
        if self._probing_s is None:
            calm = self._calls - self._reordered_calls > QUIET_CALLS
            calm = calm or not self.window.jitter_dominated
            if calm and now_s >= self._probe_at_s and self._is_used(now_s):
                if self._raised_s > -math.inf and not self._is_fresh(now_s):
                    self._reverts, self._raised_s = 0, -math.inf  # the latest raise was right
                self._floor, self._floor_s, self._floor_calls = self.limit, now_s, self._calls
                self._probe(max(1.0, 0.02 * self.limit), now_s)
            return False
        over_s = self._probing_s + self.window.window_s + 2 * latency_s
        if now_s < over_s or not self._is_used(now_s):
            return False
        self._raised_s = now_s
        self._believe(self.limit + self._step)
        self._probe(2 * self._step, now_s)
        return True

    def _probe(self, step: float, now_s: float) -> None:
        """Let a little more into one window than is believed to be allowed."""
        self._probing_s, self._step = now_s, step
        self.window.allowed = self.limit + step

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: int) -> bool:
        if self._probing_s is not None:
            self._revert(count, now_s)
        elif self._is_fresh(now_s) and not self.window.jitter_dominated:
            self._undo_raise(now_s)
        elif self.is_contested(now_s) and not self.window.jitter_dominated:
            self._back_off(min(self._contested, count), now_s)
        elif self.window.jitter_dominated or (self._is_near(count) and not again):
            self._reordered(sent_s)
        elif self.held:
            self._since_s = now_s
            self._back_off(count, now_s)
        else:
            return False
        return True

    def _undo_raise(self, now_s: float) -> None:
        """Go back to before the latest raise: a bucket had saved that much, or others are back."""
        at_floor = self._floor * (now_s - self._floor_s) / self.window.window_s
        saved = self._calls - self._floor_calls - at_floor <= MOST_SAVED * self._floor
        self._raised_s = -math.inf
        if saved:
            self._believe(self._floor)
        else:
            self._back_off(self._floor * self._share, now_s)

    def _is_fresh(self, now_s: float) -> bool:
        """Whether the latest raise may still live on what a bucket had saved."""
        return now_s - self._raised_s < SAVED_S + self.window.window_s

    def _reordered(self, sent_s: float) -> None:
        """Calls were reordered on their way, or the estimate is a little too high."""
        often = self._calls - self._reordered_calls < CALLS_BETWEEN_REORDERINGS
        self._reordered_calls = self._calls
        lower = self.limit - max(1.0, 0.02 * self.limit)
        if self.window.jitter_dominated and self.window.is_stretched:
            self._believe(max(0.6 * self.limit, min(lower, self.window.count_at(sent_s))))
        elif often and not self.window.jitter_dominated:
            self._believe(lower)
        else:
            self.window.reordered()

    def _revert(self, count: float, now_s: float) -> None:
        """Keep to what was let through: more was tried, and refused."""
        proven = count if self.limit < count < self.limit + self._step else self.limit
        if proven > self.limit:
            self._raised_s = now_s
        self._believe(proven)
        calls = min(MOST_CALLS_BEFORE_PROBE, CALLS_BEFORE_PROBE * 2 ** max(0, self._reverts - 1))
        self._reverts = min(self._reverts + 1, 10)
        self._probe_at_s = now_s + self._apart_s(calls)

    def _fail(self, now_s: float) -> None:
        super()._fail(now_s)
        if self._failures >= FAILURES_BELIEVED:
            self._failures = 0
            self._believe(self.level / self._share)
            self._probe_at_s = now_s + self._apart_s(MOST_CALLS_BEFORE_PROBE)

    def _believe(self, limit: float) -> None:
        super()._believe(limit)
        if self._share >= 1.0:  # an estimate need not be a whole number
            self.full = self.limit
            self._use(self.full)

    def _use(self, level: float) -> None:
        self._probing_s = None
        super()._use(level)

    def _apart_s(self, calls: int) -> float:
        """Seconds in which so many calls go, or a few windows if that is longer."""
        window_s = self.window.window_s
        return max(WINDOWS_TO_HOLD * window_s, calls * window_s / self.full)
