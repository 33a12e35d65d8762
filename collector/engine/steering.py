"""How much of a limit is used: all of our share, less what others take, and now and then a try.

What a scope allows is never known for good. Others may use part of it, and it may be changed. So
the *level* at which a window is filled is steered. A refusal that comes too early lowers it to what
was let through; then a little more is tried from time to time, and all of our share is used again
when that is let through. What is above the limit is another matter: a limit that was told is never
exceeded, but for single calls where it may have been told long ago; an estimate is raised as long
as more is let through.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.windows import Window

NEAR = 0.85
"""A refusal with this part of the level under way is put down to calls that crossed."""
WINDOWS_BETWEEN_TRIES = 4
TRY_AFTER_S = 3.0
TRIES_BEFORE_DOUBLING = 4
TRIES_WHEN_EXPECTED = 3
LONGEST_STAY_S = 15.0
LONGEST_BETWEEN_TRIES_S = 30.0
CONTESTED_FOR_S = 120.0
"""So long after others used part of a limit, they are expected to come back."""
PROBE_AFTER_CALLS = 4000
"""A limit that was stated by a refusal alone is exceeded by one call in so many."""
PROBE_AFTER_LOWERING = 100
"""The same, where it was stated to be lower than before: what was lowered may be raised again."""
CALLS_BEFORE_FIRST_CLIMB = 80
FIRST_CLIMB_S = 10.0
"""A new estimate may be far too low, if it was made while others used most of the limit."""
CALLS_BETWEEN_CLIMBS = (80, 80, 250, 250, 500)
"""At an estimate that holds, so many calls go before more is tried: after the first failed try, after
the second and so on, since each may cost a refusal."""
SAVED_S = 10.0
"""A raise that is refused so soon was let through by what a bucket had saved."""
MOST_SAVED = 1.2
"""A bucket saves no more than a window's calls, or hardly more."""
CALLS_BETWEEN_CROSSINGS = 100
"""Calls that cross more often than that do not cross: the estimate is a little too high."""
QUIET_CALLS = 120
"""Where calls cross all the time, more is tried after so many without a refusal."""
CALLS_TO_LOOK_AT = 10
LONGEST_TO_SHORTEN_S = 10.0
LONGEST_S = 3600.0
SLIGHTLY = 0.8
FAILURES_BELIEVED = 8
FAILURES_BELIEVED_SLIGHT = 3
"""After so many failed tries in a row an estimate is lowered to the level; after fewer where that
is nearly as much."""
DOUBTS = 6
"""So many early refusals, one soon after the other, end an estimate that held."""


class Steering:
    """Steers the window of one scope; `ToldLimit` and `EstimatedLimit` say what is done at the top.

    Attributes:
        limit: what the scope is believed to allow in a window, to all who share it.
        level: how many calls of ours are let into a window.
    """

    __slots__ = (
        "_contested", "_contested_s", "_gave_way_s", "_share", "_stay_s", "_tries", "_try_s", "_trying_s", "full", "level",
        "limit", "window",
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

    def refused(self, sent_s: float, now_s: float, *, again: bool) -> bool:
        """Take note of a refusal; return whether what is believed explains it.

        `again`: nothing was let through since the last one, so calls that crossed are no reason.
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

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: bool) -> bool:
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


class ToldLimit(Steering):
    """A limit that the service stated.

    Attributes:
        probes: whether one call over the limit is to leave: to be told of a limit that was raised.
        outdated: such a call was let through: the statement holds no longer.
    """

    __slots__ = ("_probe_apart", "_probe_in", "_probe_s", "outdated", "probes")

    def __init__(self, window: Window, limit: float, *, share: float) -> None:
        self.probes = False
        self.outdated = False
        self._probe_s: float | None = None
        self._probe_apart = self._probe_in = 0
        super().__init__(window, limit, share=share)

    def doubt(self, *, lowered: bool) -> None:
        """A refusal alone stated it: find out, rarely, whether it was raised since."""
        self._probe_apart = PROBE_AFTER_LOWERING if lowered else PROBE_AFTER_CALLS
        self._probe_in = self._probe_apart

    def probe_left(self, now_s: float) -> None:
        """Take note of a call that may be the one over the limit."""
        if self.window.count_at(now_s) > self.full:
            self.probes, self._probe_s = False, now_s

    def _passed_at_full(self, sent_s: float, now_s: float, latency_s: float) -> bool:  # noqa: ARG002  # the estimate's needs them
        if self._probe_s is not None:
            self.outdated = sent_s == self._probe_s
            return self.outdated
        if self._probe_apart:
            self._probe_in -= 1
            self.probes = self.probes or self._probe_in <= 0
        return False

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: bool) -> bool:
        if self._probe_s is not None and sent_s >= self._probe_s:
            self._probe_s = None
            self._probe_apart += self._probe_apart // 2
            self._probe_in = self._probe_apart
            return self._is_near(count)
        if self.window.crowded:
            self.window.crossed()
            return True
        if self.is_contested(now_s):
            self._give_way(min(self._contested, count), now_s)
            return True
        if self._is_near(count) and not again:
            self.window.crossed()
            return True
        self._give_way(count, now_s)
        return False


class EstimatedLimit(Steering):
    """A limit that nobody stated: it is raised as long as more is let through.

    Attributes:
        held: whether it has held for a few windows: then what contradicts it is others' use.
        shortest_s: the service wanted to be left alone for so long: no window is shorter.
    """

    __slots__ = (
        "_calls", "_climb_s", "_climbing_s", "_climbs", "_crossed_calls", "_doubts", "_floor", "_floor_calls", "_floor_s",
        "_raised_s", "_since_s", "_step", "held", "shortest_s",
    )  # fmt: skip

    def __init__(self, window: Window, limit: float, *, share: float, now_s: float) -> None:
        self.held = False
        self.shortest_s = 1.0
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
        if now_s - self._since_s > WINDOWS_BETWEEN_TRIES * self.window.window_s:
            self.held, self._doubts = True, 0
        return super().passed(sent_s, now_s, latency_s)

    def refused(self, sent_s: float, now_s: float, *, again: bool) -> bool:
        """Take note of a refusal; return whether what is believed explains it.

        Where one call a window is too much, the window is longer than it was taken to be.
        """
        if again and self.level <= 1.0 and self._trying_s is None and self._climbing_s is None:
            self.window.window_s = min(LONGEST_S, 2 * self.window.window_s)
            self._use(1.0)
            return True
        return super().refused(sent_s, now_s, again=again)

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
        again: bool,  # noqa: ARG002  # as above
    ) -> bool:
        if self._climbing_s is not None:
            self._fall(count, now_s)
            return True
        if self.window.crowded:
            self._cross(sent_s)
            return True
        if self._is_fresh(now_s):
            self._undo_raise(now_s)
            return True
        if self.is_contested(now_s):
            self._give_way(min(self._contested, count), now_s)
            return True
        if self._is_near(count) and not again:
            self._cross(sent_s)
            return True
        if not self.held:
            return False
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
        """Look at a shorter window, at the same rate: once calls go evenly, it tells as much, sooner.

        The long one was needed to wait until what had gone in a burst was forgotten.
        """
        window_s = max(self.shortest_s, self.window.window_s * CALLS_TO_LOOK_AT / self.limit)
        if window_s < self.window.window_s <= LONGEST_TO_SHORTEN_S:
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
        return max(WINDOWS_BETWEEN_TRIES * window_s, calls * window_s / self.full)
