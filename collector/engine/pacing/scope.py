"""The pace of one scope: what is known of its limit, and what is waited for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.pacing.belief import Belief
from collector.engine.pacing.pauses import Pauses
from collector.engine.pacing.sliding_window import Ceiling
from collector.engine.pacing.slow_start import SlowStart
from collector.engine.pacing.told_limit import ToldLimit
from collector.model.answers import Scope  # noqa: TC001  # named in the dataclasses below

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.pacing.findings import Finding
    from collector.engine.pacing.latency import Latency

REFUTED = "refuted"
"""The source of a limit that is no longer held to be true of a scope."""


class ScopePace:
    """What is known of one scope, and when its next call may leave.

    Attributes:
        in_doubt: a refusal has not been explained; the next call goes alone, to find out more.
        exports_next: in doubt, another call than an export has just been let through.
        bound: whether it could hold up a call when that was last looked at.
        lesson_s: when a refusal was last news.
        belief: what is believed of its limit.
    """

    __slots__ = (
        "_ceiling", "_latency", "_pauses", "_start", "_testing", "belief", "bound",
        "exports_next", "in_doubt", "lesson_s", "scope",
    )  # fmt: skip

    def __init__(self, scope: Scope, share: float, latency: Latency) -> None:
        self.scope = scope
        self.bound = False
        self.in_doubt = False
        self.belief = Belief(scope, share, latency)
        self._testing = False
        self._latency = latency
        self._ceiling: Ceiling | None = None
        self._start: SlowStart | None = None
        self._pauses = Pauses(scope)
        self.lesson_s = -math.inf

    @property
    def binds(self) -> bool:
        """Whether this scope may hold up a call."""
        held = self._pauses.until_s > -math.inf
        known = self.belief.window is not None or self._ceiling is not None
        return held or known or self._start is not None

    @property
    def has_window(self) -> bool:
        """Whether a limit of this scope is known, told or not."""
        return self.belief.window is not None

    @property
    def gap_s(self) -> float:
        """Seconds between paced calls; 0 where no limit is known."""
        gap_s, window = 0.0, self.belief.window
        if window is not None:
            gap_s = window.window_s / window.allowed
        if self._ceiling is not None:
            gap_s = max(gap_s, self._ceiling.gap_s)
        return gap_s

    def is_near(self, sent_s: float, wait_s: float) -> bool:
        """Whether a refusal of a call that left at `sent_s` is no surprise.

        `wait_s`: how long the service wants to be left alone; a shorter window does not explain it.
        """
        use = self.belief.use
        if use is None or use.window.window_s < wait_s:
            return False
        return use.is_near(sent_s) and (not self._pauses.in_a_row or not self.belief.is_held)

    # What leaves

    def next_at(self) -> float:
        """Return when this scope allows its next call; infinite: when an answer has come."""
        at_s = self._pauses.until_s
        window = self.belief.window
        if window is not None and (fits_s := window.next_at()) > at_s:
            at_s = fits_s
            if isinstance(use := self.belief.use, ToldLimit) and use.probes:
                # After the answers to all before it, so that its own is known.
                at_s = min(at_s, window.last_s + 2 * self._latency.mean_s)
        if self._ceiling is not None:
            at_s = max(at_s, self._ceiling.next_at())
        if self._testing or (self._start is not None and not self._start.allows_one_more):
            return math.inf
        return at_s

    def sent(self, now_s: float) -> None:
        """Count a call that leaves now."""
        if self.belief.window is not None:
            self.belief.window.sent(now_s)
            if isinstance(use := self.belief.use, ToldLimit) and use.probes:
                use.probe_left(now_s)
        if self._ceiling is not None:
            self._ceiling.sent(now_s)
        if self._start is not None:
            self._start.sent()
        self._testing = self.in_doubt

    # What was answered

    def passed(self, sent_s: float, now_s: float) -> Finding | None:
        """Learn from a call sent at `sent_s` that was let through."""
        if self._start is not None:
            self._start.passed(self._latency.mean_s)
            if self._start.over:
                self._start = None
        if sent_s >= self.lesson_s:
            self._pauses.in_a_row = 0
            self.in_doubt = self._testing = False
        return self.belief.passed(sent_s, now_s)

    def answered(self, sent_s: float) -> None:
        """Count a call as no longer under way: it was not let through."""
        if self._start is not None:
            self._start.answered()
        if sent_s >= self.lesson_s:
            self._testing = False

    def hangs(self, sent_s: float) -> None:
        """Let no other call wait for one that hangs."""
        if self._start is not None:
            self._start.hangs()
        if sent_s >= self.lesson_s:
            self._testing = False

    def hung(self) -> None:
        """Count a call that hung as under way again; its answer has come."""
        if self._start is not None:
            self._start.hung()

    def lost(self, sent_s: float) -> None:
        """Record a call that no limit refused, and whose answer was lost."""
        if self._start is not None:
            self._start.passed(self._latency.mean_s)
        if sent_s >= self.lesson_s:
            self._testing = False

    def forget(self, sent_s: float) -> None:
        """Take back a call that the service did not count."""
        if self.belief.window is not None:
            self.belief.window.forget(sent_s)

    def is_lesson(self, sent_s: float, now_s: float) -> bool:
        """Whether a refusal is news: its call left after the last one was heard of."""
        if sent_s < self.lesson_s:
            return False
        self.lesson_s = now_s
        return True

    def refused(self, sent_s: float, now_s: float, *, wait_s: float = 0.0) -> bool:
        """Learn from a refusal; return whether what is believed explains it.

        `wait_s`: how long the service wants to be left alone; a shorter window does not explain it.
        """
        again = self._pauses.in_a_row
        return self.belief.refused(sent_s, now_s, again=again, wait_s=wait_s)

    def pause(self, now_s: float, *, explained: bool) -> None:
        """Wait after refusals that nothing came between, ever longer; never for ever."""
        self.in_doubt = not explained
        self.exports_next = False
        self._pauses.refused(now_s)

    def wait_as_asked(self, retry_after_s: float, now_s: float) -> list[Finding]:
        """Obey a Retry-After, if it can be meant."""
        return self._pauses.wait_as_asked(retry_after_s, now_s)

    # What is known

    def limit_to(self, requests_per_second: float) -> None:
        """Obey a limit that a person wrote."""
        limit = max(1, math.floor(requests_per_second))
        self._ceiling = Ceiling(limit, limit / requests_per_second)

    def start_slowly(self, *, faster_than: float = 0.0) -> None:
        """Send few calls at once at first, since nothing is known.

        Args:
            faster_than: calls a second that were let through before.
        """
        if self._start is None:
            self._start = SlowStart(max(1, round(1.5 * faster_than * self._latency.mean_s)))

    def end_start(self) -> None:
        """Something is known now: about this scope, or one that its calls pass as well."""
        self._start = None

    def estimate(
        self,
        limit: float,
        window_s: float,
        sent: Sequence[float],
        now_s: float,
        *,
        refused_s: float = -math.inf,
    ) -> None:
        """Go by a guess, and wait until testing it decides something; as `Belief.estimate`."""
        self._pauses.wait_until(
            self.belief.estimate(limit, window_s, sent, now_s, refused_s=refused_s)
        )
