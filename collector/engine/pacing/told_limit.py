"""A limit that the service stated: exceeded only by single calls, to test whether it was raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.pacing.utilization import Utilization

if TYPE_CHECKING:
    from collector.engine.pacing.sliding_window import Window

PROBE_AFTER_CALLS = 4000
"""A limit that was stated by a refusal alone is exceeded by one call in so many."""
PROBE_AFTER_LOWERING = 100
"""The same, where it was stated to be lower than before: what was lowered may be raised again."""


class ToldLimit(Utilization):
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
        """Recognise the call that is the one over the limit."""
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

    def _refused_at_full(self, count: float, sent_s: float, now_s: float, *, again: int) -> bool:
        if self._probe_s is not None and sent_s >= self._probe_s:
            self._probe_s = None
            self._probe_apart += self._probe_apart // 2
            self._probe_in = self._probe_apart
            return self._is_near(count)
        if self.window.jitter_dominated:
            self.window.reordered()
            return True
        if self.is_contested(now_s):
            self._back_off(min(self._contested, count), now_s)
            return True
        if self._is_near(count) and not again:
            self.window.reordered()
            return True
        self._back_off(count, now_s)
        return False
