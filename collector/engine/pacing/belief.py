"""What is believed of one scope's limit: a statement, an estimate, or nothing yet."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

from collector.engine.pacing.estimated_limit import EstimatedLimit
from collector.engine.pacing.findings import Disbelieved, Finding, Learned
from collector.engine.pacing.sliding_window import Window
from collector.engine.pacing.statements import HeaderTrust, can_be_meant
from collector.engine.pacing.told_limit import ToldLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.pacing.latency import Latency
    from collector.model.answers import LimitTold, Scope
    from collector.model.prior import PriorLimit

ROOM_BEFORE_A_TEST = 0.25
"""A guess is tested when this part of its window is free, so that its answer is no near thing."""
SHORT_BURST = 0.35
"""After a burst no longer than this part of the window, it is tested when all of it is: a fixed
window that began in the middle of the burst has ended by then."""
WORTH_REPORTING = 0.02
"""By how much what is believed must change to be reported: by this part."""
TOGETHER_S = 0.05
"""Calls of a burst leave within so long, and arrive so where there is less jitter."""


class Belief:
    """The limit of one scope, as far as it is known.

    Attributes:
        share: the part of it that is used.
        window: counts our calls against it; None while nothing is believed.
        use: how much of it is used; None likewise.
        others_seen: the service lately counted calls that were not ours.
    """

    __slots__ = (
        "_guessed_s", "_headers", "_known_s", "_latency", "_reported", "_scope", "_source",
        "others_seen", "share", "use", "window",
    )  # fmt: skip

    def __init__(self, scope: Scope, share: float, latency: Latency) -> None:
        self._scope = scope
        self._latency = latency
        self._headers = HeaderTrust()
        self._source = ""
        self._known_s = -math.inf
        self._guessed_s = -math.inf
        self._reported = 0.0
        self.share = share
        self.window: Window | None = None
        self.use: ToldLimit | EstimatedLimit | None = None
        self.others_seen = False

    @property
    def is_told_by_refusal(self) -> bool:
        """Whether a refusal stated the limit: then one that states none is about another scope."""
        return isinstance(self.use, ToldLimit) and self._source == "words"

    @property
    def is_estimate(self) -> bool:
        """Whether a limit is taken to be there that nobody stated."""
        return isinstance(self.use, EstimatedLimit)

    @property
    def estimated_window_s(self) -> float:
        """The window that is taken to be there; 0 where none is, or where it was stated."""
        return self.use.window.window_s if isinstance(self.use, EstimatedLimit) else 0.0

    @property
    def estimated_limit(self) -> float:
        """How many calls a window are taken to be allowed; 0 where that was not guessed."""
        return self.use.limit if isinstance(self.use, EstimatedLimit) else 0.0

    @property
    def is_held(self) -> bool:
        """Whether there is an estimate that has held for a while."""
        return isinstance(self.use, EstimatedLimit) and self.use.held

    def is_contested(self, now_s: float) -> bool:
        """Whether others lately used part of the limit."""
        return self.use is not None and self.use.is_contested(now_s)

    # What was answered

    def passed(self, sent_s: float, now_s: float) -> Finding | None:
        """Learn from a call sent at `sent_s` that was let through."""
        use = self.use
        if use is None:
            return None
        if not use.passed(sent_s, now_s, self._latency.mean_s):
            if self._source != "remembered" or not self.is_held:
                return None
            # What an earlier run has learned holds: it counts as learned in this one.
        elif isinstance(use, ToldLimit):
            use.window.paced = True
            use = self.use = EstimatedLimit(
                use.window, use.limit + 1, share=self.share, now_s=now_s
            )
            use.probe_at_once(now_s)
        self._source = "estimated"
        self._reported = use.limit / use.window.window_s
        return Learned(self._scope, use.limit, use.window.window_s, "estimated")

    def refused(self, sent_s: float, now_s: float, *, again: int, wait_s: float) -> bool:
        """Learn from a refusal; return whether what is believed explains it.

        `again`, `wait_s`: as for `Utilization.refused` and `ScopePace.refused`.
        """
        if self.use is None or self.use.window.window_s < wait_s:
            return False
        explained = self.use.refused(sent_s, now_s, again=again)
        self.others_seen = self.others_seen or not explained
        return explained

    def refused_too(self, sent_s: float) -> None:
        """Learn from a refusal that is no news; where calls are reordered anyway, each one counts.

        So does one that had left together with the call whose refusal a limit was guessed from: it
        was counted as let through.
        """
        if self.window is not None and self.window.jitter_dominated and sent_s >= self._known_s:
            self.window.reordered()
        together = 0.0 <= self._guessed_s - sent_s <= TOGETHER_S
        together = together and self._latency.jitter_s <= TOGETHER_S
        if together and isinstance(self.use, EstimatedLimit):
            self.use.counted_one_less()

    def changed(self) -> Learned | None:
        """Return what is believed of the limit, where refusals have changed that since."""
        use = self.use
        if not isinstance(use, EstimatedLimit):
            return None
        believed = use.limit / use.window.window_s
        if abs(believed - self._reported) <= WORTH_REPORTING * self._reported:
            return None
        self._reported = believed
        return Learned(self._scope, use.limit, use.window.window_s, "estimated")

    # What is believed from now on

    def told(
        self,
        told: LimitTold,
        sent: Sequence[float],
        sent_s: float,
        now_s: float,
        *,
        refused: bool,
    ) -> Finding | None:
        """Obey a statement, if it can be meant so; return what is new about it.

        Args:
            told: the statement.
            sent: when calls of this scope left, in order.
            sent_s: when the call left whose answer states it.
            now_s: now.
            refused: whether that answer was a refusal; a header's word counts for less.
        """
        if not can_be_meant(told):
            message = f"a limit of {told.limit} calls in {told.window_s:g} s is not believed"
            return Disbelieved(self._scope, "limit", message)
        window, use = self.window, self.use
        if window is not None and use is not None:
            same = (use.limit, window.window_s) == (told.limit, told.window_s)
            if same and isinstance(use, ToldLimit):
                if now_s - sent_s <= self._latency.too_long_s:  # else it is of long ago
                    self._heed_others(use, told, sent_s, refused=refused)
                return None
            faster = told.limit / told.window_s > use.limit / window.window_s
            if refused and not faster and self._source == "headers":
                self._headers.contradicted(now_s)
            if not refused and faster and self._headers.is_lost(now_s):
                return Disbelieved(
                    self._scope,
                    "headers",
                    f"headers that state {told.limit} calls in {told.window_s:g} s contradict "
                    "the refusals, and are not believed",
                )
        lowered = use is not None and told.limit < use.limit
        self._take(told.limit, told.window_s, sent, now_s, paced=False, told=True)
        self._source = "words" if refused else "headers"
        if refused and isinstance(self.use, ToldLimit):
            self.use.doubt(lowered=lowered)
        return Learned(self._scope, told.limit, told.window_s, "told")

    def _heed_others(
        self, use: ToldLimit, told: LimitTold, sent_s: float, *, refused: bool
    ) -> None:
        """Make use of how many calls the service says are left in the window."""
        if told.remaining is None or refused:
            return
        others = told.limit - told.remaining - use.window.count_at(sent_s)
        self.others_seen = others > 1
        if self.others_seen:
            use.others_use(others)
        else:
            use.use_all()

    def estimate(
        self,
        limit: float,
        window_s: float,
        sent: Sequence[float],
        now_s: float,
        *,
        refused_s: float = -math.inf,
    ) -> float:
        """Go by a guess; return until when to wait, so that testing it decides something.

        If headers had stated something else, the refusals have refuted them. `refused_s`: when the
        call left whose refusal is the reason; those that had left by then were counted.
        """
        self._guessed_s = refused_s
        if self._source == "headers":
            self._headers.refuted(now_s)
        self._take(limit, window_s, sent, now_s, paced=True, told=False)
        self._source = "estimated"
        since = bisect.bisect_right(sent, now_s - window_s)
        counted = sent[since:]
        if not counted:
            return -math.inf
        burst = counted[-1] - counted[0] < SHORT_BURST * window_s
        free = len(counted) - 1 if burst else int(ROOM_BEFORE_A_TEST * len(counted))
        return counted[free] + window_s

    def remember(self, known: PriorLimit) -> None:
        """Begin with what an earlier run has learned."""
        paced = known.source != "told"
        self._take(known.limit, known.window_s, (), -math.inf, paced=paced, told=False)
        self._source = "remembered"

    def drop_estimate(self) -> None:
        """Another explanation is gone by now."""
        if self.is_estimate:
            self.window = self.use = None

    def _take(
        self,
        limit: float,
        window_s: float,
        sent: Sequence[float],
        now_s: float,
        *,
        paced: bool,
        told: bool,
    ) -> None:
        kept = sent[-2 * math.ceil(limit) - 64 :]
        window = Window(limit, window_s, kept, paced=paced, latency=self._latency)
        self.window = window
        self._known_s = now_s
        self._reported = limit / window_s
        self.use = (
            ToldLimit(window, limit, share=self.share)
            if told
            else EstimatedLimit(window, limit, share=self.share, now_s=now_s)
        )
