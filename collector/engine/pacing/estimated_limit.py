"""A limit that nobody stated: raised as long as more is let through, and lowered with care."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.pacing.utilization import WINDOWS_TO_HOLD, Steering

if TYPE_CHECKING:
    from collector.engine.pacing.sliding_window import Window

CALLS_BEFORE_FIRST_CLIMB = 80
FIRST_CLIMB_S = 10.0
"""A new estimate may be far too low, if it was made while others used most of the limit."""
CALLS_BETWEEN_CLIMBS = (80, 80, 250, 250, 500)
"""So many calls go before more is tried: after the first failed try, after the second, and so on,
since each may cost a refusal."""
SAVED_S = 10.0
MOST_SAVED = 1.2
"""A raise that is refused so soon was let through by what a bucket had saved, unless that was more
than a window's calls."""
CALLS_BETWEEN_CROSSINGS = 100
"""Calls that cross more often than that do not cross: the estimate is a little too high."""
QUIET_CALLS = 120
"""Where calls cross all the time, more is tried after so many without a refusal."""
CALLS_TO_LOOK_AT = 10
LONGEST_TO_SHORTEN_S = 10.0
"""Once calls go evenly, a window with so few of them tells as much; a longer one may be fixed."""
SILENCE = 3
"""After so many refusals in a row a window that was looked at is taken to be longer after all."""
LONGEST_S = 300.0
SLIGHTLY = 0.8
FAILURES_BELIEVED = 8
FAILURES_BELIEVED_SLIGHT = 3
"""After so many failed tries in a row an estimate is lowered to the level; after fewer where that
is nearly as much."""
DOUBTS = 6
"""So many early refusals, one soon after the other, end an estimate that held."""


class EstimatedLimit(Steering):
    """A limit that nobody stated: it is raised as long as more is let through.

    Attributes:
        held: whether it has held for a few windows: then what contradicts it is others' use.
        shortest_s: the service wanted to be left alone for so long: no window is shorter.
    """

    __slots__ = (
        "_calls", "_climb_s", "_climbing_s", "_climbs", "_crossed_calls", "_doubts", "_floor",
        "_floor_calls", "_floor_s", "_long_s", "_raised_s", "_since_s", "_step", "held",
        "shortest_s",
    )  # fmt: skip

    def __init__(self, window: Window, limit: float, *, share: float, now_s: float) -> None:
        self.held = False
        self.shortest_s = 1.0
        self._long_s = 0.0
        self._since_s = now_s
        self._doubts = 0
        self._climbs = 0
        self._climbing_s: float | None = None
        self._step = 0.0
        self._floor = limit
        self._floor_s = now_s
        self._floor_calls = 0
        self._raised_s = -math.inf
        self._calls = 0
        self._crossed_calls = -CALLS_BETWEEN_CROSSINGS
        super().__init__(window, limit, share=share)
        self._climb_s = now_s + min(
            self._apart_s(CALLS_BEFORE_FIRST_CLIMB), FIRST_CLIMB_S + window.window_s
        )

    def passed(self, sent_s: float, now_s: float, latency_s: float) -> bool:
        """Take note that a call was let through; return whether another limit is believed now."""
        self._calls += 1
        if self._since_s == -math.inf:  # remembered: it begins with the first answer
            self._since_s = now_s
            self._climb_s = now_s + self._apart_s(CALLS_BEFORE_FIRST_CLIMB)
        if now_s - self._since_s > WINDOWS_TO_HOLD * self.window.window_s:
            self.held, self._doubts = True, 0
        return super().passed(sent_s, now_s, latency_s)

    def refused(self, sent_s: float, now_s: float, *, again: int) -> bool:
        """Take note of a refusal; return whether what is believed explains it.

        Where one call a window is too much, the window is longer than it was taken to be.
        """
        if again >= SILENCE and self._long_s:
            self._lengthen()
        if again and self.full <= 1.0 and self._trying_s is None and self._climbing_s is None:
            self.window.window_s = min(LONGEST_S, 2 * self.window.window_s)
            self._use(1.0)
            return True
        return super().refused(sent_s, now_s, again=again)

    def counted_one_less(self) -> None:
        """One of the calls that the limit was guessed from was refused as well."""
        self._believe(self.limit - 1)

    def climb_at_once(self, now_s: float) -> None:
        """More was let through than was believed: find out how much."""
        self._climb_s = now_s

    def _passed_at_full(self, sent_s: float, now_s: float, latency_s: float) -> bool:  # noqa: ARG002  # the told limit's needs it
        if self._climbing_s is None:
            quiet = not self.window.crowded or self._calls - self._crossed_calls > QUIET_CALLS
            if quiet and now_s >= self._climb_s and self._is_used(now_s):
                if now_s - self._raised_s < math.inf and not self._is_fresh(now_s):
                    self._climbs, self._raised_s = 0, -math.inf  # the latest raise was right
                self._floor, self._floor_s, self._floor_calls = self.limit, now_s, self._calls
                self._climb(max(1.0, 0.02 * self.limit), now_s)
            return False
        over_s = self._climbing_s + self.window.window_s + 2 * latency_s
        if now_s < over_s or not self._is_used(now_s):
            return False
        self._raised_s = now_s
        self._believe(self.limit + self._step)
        self._climb(2 * self._step, now_s)
        return True

    def _climb(self, step: float, now_s: float) -> None:
        """Let a little more into one window than is believed to be allowed."""
        self._climbing_s, self._step = now_s, step
        self.window.allowed = self.limit + step

    def _refused_at_full(
        self,
        count: float,
        sent_s: float,
        now_s: float,
        *,
        again: int,  # as above
    ) -> bool:
        if self._climbing_s is not None:
            self._fall(count, now_s)
            return True
        if self._is_fresh(now_s) and not self.window.crowded:
            self._undo_raise(now_s)
        elif self.is_contested(now_s) and not self.window.crowded:
            self._give_way(min(self._contested, count), now_s)
        elif self.window.crowded or (self._is_near(count) and not again):
            self._cross(sent_s)
        elif self.held:
            return self._doubt(count, now_s)
        else:
            return False
        return True

    def _doubt(self, count: float, now_s: float) -> bool:
        """Somebody else uses part of it, as it seems; more than once or twice, and it is wrong."""
        self._doubts += 1
        self._since_s = now_s
        self._give_way(count, now_s)
        return self._doubts <= DOUBTS

    def _is_fresh(self, now_s: float) -> bool:
        """Whether the latest raise may still live on what a bucket had saved."""
        return now_s - self._raised_s < SAVED_S + self.window.window_s

    def _undo_raise(self, now_s: float) -> None:
        """Go back to before the latest raise: a bucket had saved that much, or others are back."""
        at_floor = self._floor * (now_s - self._floor_s) / self.window.window_s
        saved = self._calls - self._floor_calls - at_floor <= MOST_SAVED * self._floor
        self._raised_s = -math.inf
        if saved:
            self._believe(self._floor)
        else:
            self._give_way(self._floor * self._share, now_s)

    def _cross(self, sent_s: float) -> None:
        """Calls crossed, or the estimate is a little too high."""
        often = self._calls - self._crossed_calls < CALLS_BETWEEN_CROSSINGS
        self._crossed_calls = self._calls
        lower = self.limit - max(1.0, 0.02 * self.limit)
        if self.window.crowded and self.window.is_stretched:
            passed = self.window.passed_at(sent_s)
            self._believe(max(0.6 * self.limit, min(lower, passed)))
        elif often and not self.window.crowded:
            if self.limit <= 1.0:
                self.window.window_s = min(LONGEST_S, 1.25 * self.window.window_s)
            self._believe(lower)
        else:
            self.window.crossed()

    def _fall(self, count: float, now_s: float) -> None:
        """More was tried and refused: what was let through is the limit."""
        self._climbing_s = None
        proven = count if self.limit < count < self.limit + self._step else self.limit
        if proven > self.limit:
            self._raised_s = now_s
        self._believe(proven)
        self._climbs += 1
        calls = CALLS_BETWEEN_CLIMBS[min(self._climbs, len(CALLS_BETWEEN_CLIMBS)) - 1]
        self._climb_s = now_s + self._apart_s(calls)
        if self.held:
            self._shorten()

    def _shorten(self) -> None:
        """Look at a shorter window, at the same rate: where calls go evenly, it tells more, sooner.

        The long one was needed to wait until what had gone in a burst was forgotten.
        """
        window_s = max(self.shortest_s, self.window.window_s * CALLS_TO_LOOK_AT / self.limit)
        if window_s < self.window.window_s <= LONGEST_TO_SHORTEN_S:
            self._long_s = self.window.window_s
            self._change_window(window_s)

    def _lengthen(self) -> None:
        """Go back to the long window for good: silence that lasts says that it is a fixed one."""
        self.shortest_s = self._long_s
        self._change_window(self._long_s)
        self._long_s = 0.0

    def _change_window(self, window_s: float) -> None:
        limit = self.limit * window_s / self.window.window_s
        self.window.window_s = window_s
        self._believe(limit)

    def _fail(self, now_s: float) -> None:
        super()._fail(now_s)
        slight = self.level >= SLIGHTLY * self.full
        if self._tries >= (FAILURES_BELIEVED_SLIGHT if slight else FAILURES_BELIEVED):
            self._tries = 0
            self._believe(self.level / self._share)
            self._climb_s = now_s + self._apart_s(CALLS_BETWEEN_CLIMBS[-1])

    def _believe(self, limit: float) -> None:
        self._climbing_s = None
        super()._believe(limit)
        if self._share >= 1.0:  # an estimate need not be a whole number
            self.full = self.limit
            self._use(self.full)

    def _use(self, level: float) -> None:
        self._climbing_s = None
        super()._use(level)

    def _apart_s(self, calls: int) -> float:
        """Seconds in which so many calls go, or a few windows if that is longer."""
        window_s = self.window.window_s
        return max(WINDOWS_TO_HOLD * window_s, calls * window_s / self.full)
