"""How a run ends early: nothing new leaves, and what is on its way gets a moment."""

from __future__ import annotations

import math

from collector.model.ceilings import POSTS_ANSWERED_WITHIN_S

POSTS_LATE_S, DOWNLOADS_LATE_S = 1.5, 1.0
"""How long a deadline is overrun, at most, for the sake of what is on its way."""


class Ending:
    """Whether a run is to end, why, and how long it still waits for.

    Args:
        grace_s: for downloads that are in flight when it is stopped.
        deadline_s: which is waited for no longer, whatever the grace.

    Attributes:
        reason: why, as in `RunEnded`; None while it is not to end.
    """

    __slots__ = ("_deadline_s", "_downloads_s", "_grace_s", "_posts_s", "reason")

    def __init__(self, grace_s: float, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self.reason: str | None = None
        self._grace_s = grace_s
        self._posts_s = self._downloads_s = math.inf

    def stop(self, reason: str) -> None:
        """Let it end; the first reason stays."""
        self.reason = self.reason or reason

    def is_over(self, now_s: float, *, posts: bool, downloads: bool) -> bool:
        """Whether a run that was stopped waits for nothing any more.

        Args:
            now_s: now; what is waited for is waited for from the first call on.
            posts: some are unanswered, or their answers are not recorded.
            downloads: some are in flight.
        """
        if self._posts_s == math.inf:
            last_s = max(now_s, self._deadline_s)
            self._posts_s = min(now_s + POSTS_ANSWERED_WITHIN_S, last_s + POSTS_LATE_S)
            self._downloads_s = min(now_s + self._grace_s, last_s + DOWNLOADS_LATE_S)
        if posts and now_s < self._posts_s:
            return False
        return not downloads or now_s >= self._downloads_s

    def wakes_s(self, now_s: float) -> float:
        """Return when `is_over` is worth asking next, where nothing is answered before."""
        return min(
            (at_s for at_s in (self._posts_s, self._downloads_s) if at_s > now_s), default=now_s
        )
