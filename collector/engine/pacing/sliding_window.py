"""A sliding window over our own calls: at most so many leave in any stretch of time.

That is safe whatever kind of window the service keeps: no fixed one, and no bucket, admits less.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.pacing.latency import Latency

SLACK_S = 0.02
"""How much of a pause in sending is made up for where calls are paced."""
LEAST_MARGIN_S = 0.001
GROWTH, SHRINKING = 1.5, 0.9999
"""Of the margin, with each refusal that nothing else explains, and with each call let through: the
two balance at one such refusal in ln 1.5 / 0.0001 = 4,000 calls."""
REFUSED = 0.015
"""The part of calls that the margin is steered for where calls are jitter-dominated: half of the
3 % that may be refused there, since finding the limit costs as well. From 0.012 to 0.02 the
makespan is the same within 1 %."""
GAIN = 0.08
"""By how much one refusal widens the margin there: a tenfold margin takes thirty of them."""
FIRST_FACTOR = 0.2
"""The margin's factor to begin with there: to widen it costs a few refusals, to narrow it from too
wide costs a thousand calls."""
_KEPT_BESIDE = 64


class Ceiling:
    """At most `limit` calls in any `window_s` seconds, as they leave: what a person wrote."""

    __slots__ = ("_sent", "window_s")

    def __init__(self, limit: int, window_s: float) -> None:
        self.window_s = window_s
        self._sent: deque[float] = deque(maxlen=limit)

    @property
    def gap_s(self) -> float:
        """Seconds between paced calls."""
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

    Calls do not travel equally fast, so a little is added to the window: the *jitter margin*. It
    begins with the jitter of round trips, grows with every refusal that nothing else explains, and
    shrinks again slowly. Where calls are *jitter-dominated*, overtaking each other by more than the
    gap between them, a margin that excluded every refusal would cost more than the refusals do:
    there it is steered so that few are refused.

    Attributes:
        window_s: its length, in seconds.
        paced: calls go one after the other, instead of as many as fit at once.
    """

    __slots__ = (
        "_allowed", "_count", "_factor", "_latency", "_log", "_paced_s", "_was_dominated", "paced",
        "window_s",
    )  # fmt: skip

    def __init__(
        self,
        allowed: float,
        window_s: float,
        sent: Iterable[float],
        *,
        paced: bool,
        latency: Latency,
    ) -> None:
        self.window_s = window_s
        self.paced = paced
        self._latency = latency
        self._log: deque[float] = deque(sent)
        self._paced_s = self._log[-1] if self._log else -math.inf
        self._allowed = 1.0
        self._count = 1
        self.allowed = allowed
        self._factor = 1.0
        self._was_dominated = False

    @property
    def allowed(self) -> float:
        """How many calls may arrive in a window; at least one."""
        return self._allowed

    @allowed.setter
    def allowed(self, allowed: float) -> None:
        self._allowed = max(1.0, allowed)
        self._count = math.ceil(self._allowed - 0.001) if self.paced else int(self._allowed + 0.001)

    @property
    def last_s(self) -> float:
        """When the latest call left."""
        return self._log[-1] if self._log else -math.inf

    @property
    def jitter_dominated(self) -> bool:
        """Whether calls overtake each other by more than the gap between them."""
        return self._latency.jitter_s * self._allowed > self.window_s and self._latency.is_known

    @property
    def is_stretched(self) -> bool:
        """Whether the margin is as large as it gets."""
        return self.margin_s >= self.window_s

    @property
    def margin_s(self) -> float:
        """What is added to the window: at most as much again."""
        return min(self._factor * self._latency.jitter_s + LEAST_MARGIN_S, self.window_s)

    def next_at(self) -> float:
        """Return when the next call fits."""
        log, count = self._log, self._count
        if not self.paced and len(log) < count:
            return -math.inf
        spaced_s = self.window_s + self.margin_s
        at_s = log[-count] + spaced_s if len(log) >= count else -math.inf
        if self.paced or self.jitter_dominated:
            return max(at_s, self._paced_s + spaced_s / self._allowed)
        return at_s

    def sent(self, now_s: float) -> None:
        """Count a call."""
        log = self._log
        log.append(now_s)
        if len(log) > 2 * self._count + _KEPT_BESIDE:
            log.popleft()
        # From when it was due, not from when it left: else what a late turn lost stays lost.
        due_s = self._paced_s + (self.window_s + self.margin_s) / self._allowed
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

    def count_at(self, at_s: float) -> int:
        """Return how many calls had left in the window that ended at `at_s`."""
        count, since_s = 0, at_s - self.window_s
        for sent_s in reversed(self._log):
            if sent_s <= since_s:
                break
            count += sent_s <= at_s
        return count

    def passed(self) -> None:
        """Narrow the margin a little: a call was let through."""
        if self.jitter_dominated:
            if not self._was_dominated:
                self._was_dominated, self._factor = True, FIRST_FACTOR
            self._factor = max(0.02, self._factor * (1.0 - GAIN * REFUSED))
        elif self._factor > 1.0:
            self._factor *= SHRINKING

    def reordered(self) -> None:
        """Widen the margin: a call was refused since calls were reordered on their way."""
        self._factor = min(64.0, self._factor * (1 + GAIN if self.jitter_dominated else GROWTH))
