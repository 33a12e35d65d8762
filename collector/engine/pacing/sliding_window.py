"""Counting calls against a limit: at most so many in any window of time.

Our own calls are counted as a sliding window, which is safe whatever kind of window the service
keeps: no fixed one, and no bucket, admits less.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.pacing.latency import Latency

SLACK_S = 0.02
"""How much of a pause in sending is made up for where calls go evenly."""
LEAST_GRACE_S = 0.001
LARGEST_GRACE = 1.0
"""At most this part of a window is waited on top of it."""
NOTICEABLE_GRACE = 0.05
"""A grace of less than this part of a window costs less than refusals do."""
TOLERATED = 0.026
TOLERATED_OF_ESTIMATE = 0.017
"""The part of calls that may be refused where they cannot be kept apart on their way; less where
the limit is an estimate, which has cost refusals and will again."""
SPENDING, SAVING = 0.035, 0.012
"""The part that the grace is steered for, while fewer were refused than may be, and while more."""
_KEPT_BESIDE = 64
_GAIN = 0.08
_FIRST_FACTOR_CROWDED = 0.2


class Ceiling:
    """At most `limit` calls in any `window_s` seconds, as they leave: what a person wrote."""

    __slots__ = ("_sent", "window_s")

    def __init__(self, limit: int, window_s: float) -> None:
        self.window_s = window_s
        self._sent: deque[float] = deque(maxlen=limit)

    @property
    def gap_s(self) -> float:
        """Seconds between calls that go evenly."""
        return self.window_s / (self._sent.maxlen or 1)

    def next_at(self) -> float:
        """Return when the next call fits."""
        if len(self._sent) < (self._sent.maxlen or 0):
            return -math.inf
        return self._sent[0] + self.window_s

    def sent(self, now_s: float) -> None:
        """Count a call."""
        self._sent.append(now_s)


class Window:
    """Calls of ours in the last `window_s` seconds, as they arrive at the service.

    Calls do not travel equally fast, so a little is added to the window: the *grace*. It begins
    with how uneven round trips are, grows with every refusal that nothing else explains, and
    shrinks again slowly. Where calls overtake each other by more than the gap between them, a
    grace that excluded every refusal would cost more than the refusals do: there it is steered
    so that few are refused.

    Attributes:
        window_s: its length, in seconds.
        even: calls go one after the other, instead of as many as fit at once.
    """

    __slots__ = (
        "_allowed", "_count", "_factor", "_latency", "_log", "_paced_s", "_passed", "_refused",
        "_tolerated", "_was_crowded", "even", "window_s",
    )  # fmt: skip

    def __init__(
        self,
        allowed: float,
        window_s: float,
        sent: Iterable[float],
        *,
        even: bool,
        told: bool,
        latency: Latency,
    ) -> None:
        self.window_s = window_s
        self.even = even
        self._latency = latency
        self._tolerated = TOLERATED if told else TOLERATED_OF_ESTIMATE
        self._passed = self._refused = 0
        self._log: deque[float] = deque(sent)
        self._paced_s = self._log[-1] if self._log else -math.inf
        self._allowed = 1.0
        self._count = 1
        self.allowed = allowed
        self._factor = 1.0
        self._was_crowded = False

    @property
    def allowed(self) -> float:
        """How many calls may arrive in a window; at least one."""
        return self._allowed

    @allowed.setter
    def allowed(self, allowed: float) -> None:
        self._allowed = max(1.0, allowed)
        self._count = math.ceil(self._allowed - 0.001) if self.even else int(self._allowed + 0.001)

    @property
    def last_s(self) -> float:
        """When the latest call left."""
        return self._log[-1] if self._log else -math.inf

    @property
    def crowded(self) -> bool:
        """Whether calls overtake each other by so much that keeping them apart costs too much."""
        least_s = max(NOTICEABLE_GRACE, 1 / self._allowed) * self.window_s
        return self._latency.uneven_s > least_s and self._latency.is_known

    @property
    def is_stretched(self) -> bool:
        """Whether the grace is as large as it gets."""
        return self.grace_s >= LARGEST_GRACE * self.window_s

    @property
    def grace_s(self) -> float:
        """What is added to the window."""
        grace_s = self._factor * self._latency.uneven_s + LEAST_GRACE_S
        return min(grace_s, LARGEST_GRACE * self.window_s)

    def next_at(self) -> float:
        """Return when the next call fits."""
        log, count = self._log, self._count
        if not self.even and len(log) < count:
            return -math.inf
        spaced_s = self.window_s + self.grace_s
        at_s = log[-count] + spaced_s if len(log) >= count else -math.inf
        if self.even or self.crowded:
            return max(at_s, self._paced_s + spaced_s / self._allowed)
        return at_s

    def sent(self, now_s: float) -> None:
        """Count a call."""
        log = self._log
        log.append(now_s)
        if len(log) > 2 * self._count + _KEPT_BESIDE:
            log.popleft()
        # From when it was due, not from when it left: else what a late turn lost stays lost.
        due_s = self._paced_s + (self.window_s + self.grace_s) / self._allowed
        self._paced_s = due_s if due_s > now_s - SLACK_S else now_s

    def forget(self, sent_s: float) -> None:
        """Take back a call that the service did not count."""
        if self._log and self._log[-1] == sent_s:
            self._log.pop()
            return
        try:
            self._log.remove(sent_s)
        except ValueError:
            return

    def passed_at(self, at_s: float) -> float:
        """Return how many calls a window were let through lately, of those that left by `at_s`.

        Over some round trips: calls that cross on so long a way blur what happened in one window.
        """
        span_s = max(self.window_s, 3 * self._latency.mean_s)
        return self._count_since(at_s - span_s, at_s) * self.window_s / span_s

    def count_at(self, at_s: float) -> int:
        """Return how many calls had left in the window that ended at `at_s`."""
        return self._count_since(at_s - self.window_s, at_s)

    def _count_since(self, since_s: float, at_s: float) -> int:
        count = 0
        for sent_s in reversed(self._log):
            if sent_s <= since_s:
                break
            count += sent_s <= at_s
        return count

    def passed(self) -> None:
        """Take note of a call that was let through: a little less grace may do."""
        if self.crowded:
            if not self._was_crowded:
                self._was_crowded, self._factor = True, _FIRST_FACTOR_CROWDED
            self._passed += 1
            part = SPENDING if self._refused < self._tolerated * self._passed else SAVING
            self._factor = max(0.02, self._factor * (1.0 - _GAIN * part))
        elif self._factor > 1.0:
            self._factor *= 0.9999

    def crossed(self) -> None:
        """Take note of a call that was refused since calls crossed on their way: more grace."""
        self._refused += 1
        self._factor = min(64.0, self._factor * (1 + _GAIN if self.crowded else 1.5))
