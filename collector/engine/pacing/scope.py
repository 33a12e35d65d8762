"""The pace of one scope: what is known of its limit, and what is waited for."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

from collector.engine.pacing.estimated_limit import EstimatedLimit
from collector.engine.pacing.findings import WORTH_TELLING_S, Asked, Disbelieved, Finding, Learned
from collector.engine.pacing.sliding_window import Ceiling, Window
from collector.engine.pacing.slow_start import SlowStart
from collector.engine.pacing.told_limit import ToldLimit
from collector.model.answers import Scope  # noqa: TC001  # named in the dataclasses below

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.pacing.latency import Latency
    from collector.model.answers import LimitTold
    from collector.model.prior import PriorLimit

LONGEST_RETRY_AFTER_S = 900.0
INSTEAD_OF_RETRY_AFTER_S = 60.0
"""What is waited where a service asks for longer than can be meant."""
FASTEST = 10_000.0
"""Calls a second; whoever states more states no limit."""
LONGEST_WINDOW_S = 86_400.0
SHORTEST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0
ROOM_BEFORE_A_TEST = 0.25
"""A guess is tested when this part of its window is free, so that its answer is no near thing."""
SHORT_BURST = 0.35
"""After a burst no longer than this part of the window, it is tested when all of it is: a fixed
window that began in the middle of the burst has ended by then."""
IGNORED_S = 60.0
"""How long headers are ignored that refusals have refuted more than once; longer each time."""
WORTH_REPORTING = 0.02
"""By how much what is believed must change to be told: by this part."""
TOGETHER_S = 0.05
"""Calls of a burst leave within so long, and arrive so where the way is even."""
REFUTED = "refuted"
"""The source of a limit that is no longer held to be true of a scope."""


class ScopePace:
    """What is known of one scope, and when its next call may leave.

    Attributes:
        in_doubt: a refusal has not been explained; the next call goes alone, to find out more.
        exports_next: in doubt, another call than an export has just been let through.
        bound: whether it could hold up a call when that was last looked at.
        lesson_s: when a refusal was last news.
        others_seen: the service lately counted calls that were not ours.
    """

    __slots__ = (
        "_blocked_until_s", "_ceiling", "_guessed_s", "_ignored_until_s", "_known_s", "_latency",
        "_pauses", "_refuted", "_reported", "_source", "_start", "_steering", "_testing",
        "_window", "bound", "exports_next", "in_doubt", "lesson_s", "others_seen", "scope", "share",
    )  # fmt: skip

    def __init__(self, scope: Scope, share: float, latency: Latency) -> None:
        self.scope = scope
        self.share = share
        self.bound = False
        self.in_doubt = False
        self.others_seen = False
        self._testing = False
        self._latency = latency
        self._ceiling: Ceiling | None = None
        self._window: Window | None = None
        self._steering: ToldLimit | EstimatedLimit | None = None
        self._source = ""
        self._start: SlowStart | None = None
        self._blocked_until_s = -math.inf
        self.lesson_s = -math.inf
        self._pauses = 0
        self._refuted = 0
        self._known_s = -math.inf
        self._guessed_s = -math.inf
        self._reported = 0.0
        self._ignored_until_s = -math.inf

    @property
    def binds(self) -> bool:
        """Whether this scope may hold up a call."""
        held = self._blocked_until_s > -math.inf
        known = self._window is not None or self._ceiling is not None
        return held or known or self._start is not None

    @property
    def has_window(self) -> bool:
        """Whether a limit of this scope is known, told or not."""
        return self._window is not None

    @property
    def is_told_by_refusal(self) -> bool:
        """Whether a refusal stated the limit: then one that states none is about another scope."""
        return isinstance(self._steering, ToldLimit) and self._source == "words"

    @property
    def has_estimate(self) -> bool:
        """Whether a limit is taken to be there that nobody stated."""
        return isinstance(self._steering, EstimatedLimit)

    @property
    def gap_s(self) -> float:
        """Seconds between calls that go evenly; 0 where no limit is known."""
        gap_s = 0.0
        if self._window is not None:
            gap_s = self._window.window_s / self._window.allowed
        if self._ceiling is not None:
            gap_s = max(gap_s, self._ceiling.gap_s)
        return gap_s

    @property
    def estimated_window_s(self) -> float:
        """The window that is taken to be there; 0 where none is, or where it was stated."""
        return self._window.window_s if self.has_estimate and self._window is not None else 0.0

    @property
    def estimated_limit(self) -> float:
        """How many calls a window are taken to be allowed; 0 where that was not guessed."""
        return self._steering.limit if isinstance(self._steering, EstimatedLimit) else 0.0

    @property
    def is_held(self) -> bool:
        """Whether there is an estimate that has held for a while."""
        return isinstance(self._steering, EstimatedLimit) and self._steering.held

    def is_contested(self, now_s: float) -> bool:
        """Whether others lately used part of the limit."""
        return self._steering is not None and self._steering.is_contested(now_s)

    def is_near(self, sent_s: float, wait_s: float) -> bool:
        """Whether a refusal of a call that left at `sent_s` is no surprise.

        `wait_s`: how long the service wants to be left alone; a shorter window does not explain it.
        """
        steering = self._steering
        if steering is None or steering.window.window_s < wait_s:
            return False
        return steering.is_near(sent_s) and (self._pauses == 0 or not self.is_held)

    # What leaves

    def next_at(self) -> float:
        """Return when this scope allows its next call; infinite: when an answer has come."""
        at_s = self._blocked_until_s
        if self._window is not None and (fits_s := self._window.next_at()) > at_s:
            at_s = fits_s
            if isinstance(self._steering, ToldLimit) and self._steering.probes:
                # After the answers to all before it, so that its own is known.
                at_s = min(at_s, self._window.last_s + 2 * self._latency.mean_s)
        if self._ceiling is not None:
            at_s = max(at_s, self._ceiling.next_at())
        if self._testing or (self._start is not None and not self._start.allows_one_more):
            return math.inf
        return at_s

    def sent(self, now_s: float) -> None:
        """Count a call that leaves now."""
        if self._window is not None:
            self._window.sent(now_s)
            if isinstance(self._steering, ToldLimit) and self._steering.probes:
                self._steering.probe_left(now_s)
        if self._ceiling is not None:
            self._ceiling.sent(now_s)
        if self._start is not None:
            self._start.sent()
        self._testing = self.in_doubt

    # What was answered

    def passed(self, sent_s: float, now_s: float) -> Finding | None:
        """Take note that a call sent at `sent_s` was let through."""
        if self._start is not None:
            self._start.passed(self._latency.mean_s)
            if self._start.over:
                self._start = None
        if sent_s >= self.lesson_s:
            self._pauses = 0
            self.in_doubt = self._testing = False
        steering = self._steering
        if steering is None:
            return None
        if not steering.passed(sent_s, now_s, self._latency.mean_s):
            if self._source != "remembered" or not self.is_held:
                return None
            # What an earlier run has learned holds: it counts as learned in this one.
        elif isinstance(steering, ToldLimit):
            window = steering.window
            window.paced = True
            steering = self._steering = EstimatedLimit(
                window, steering.limit + 1, share=self.share, now_s=now_s
            )
            steering.probe_at_once(now_s)
        self._source = "estimated"
        self._reported = steering.limit / steering.window.window_s
        return Learned(self.scope, steering.limit, steering.window.window_s, "estimated")

    def changed(self) -> Learned | None:
        """Return what is believed of the limit, where refusals have changed that since."""
        steering = self._steering
        if not isinstance(steering, EstimatedLimit):
            return None
        believed = steering.limit / steering.window.window_s
        if abs(believed - self._reported) <= WORTH_REPORTING * self._reported:
            return None
        self._reported = believed
        return Learned(self.scope, steering.limit, steering.window.window_s, "estimated")

    def answered(self, sent_s: float) -> None:
        """Take note that a call is no longer under way, and was not let through."""
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
        if self._window is not None:
            self._window.forget(sent_s)

    def is_lesson(self, sent_s: float, now_s: float) -> bool:
        """Whether a refusal is news: its call left after the last one was heard of."""
        if sent_s < self.lesson_s:
            return False
        self.lesson_s = now_s
        return True

    def refused(self, sent_s: float, now_s: float, *, wait_s: float = 0.0) -> bool:
        """Take note of a refusal; return whether what is known of this scope explains it.

        `wait_s`: how long the service wants to be left alone; a shorter window does not explain it.
        """
        if self._steering is None or self._steering.window.window_s < wait_s:
            return False
        explained = self._steering.refused(sent_s, now_s, again=self._pauses)
        self.others_seen = self.others_seen or not explained
        return explained

    def refused_too(self, sent_s: float) -> None:
        """Take note of a refusal that is no news; where calls cross anyway, each one counts.

        So does one that had left together with the call whose refusal a limit was guessed from: it
        was counted as let through.
        """
        if self._window is not None and self._window.jitter_dominated and sent_s >= self._known_s:
            self._window.reordered()
        together = 0.0 <= self._guessed_s - sent_s <= TOGETHER_S
        together = together and self._latency.jitter_s <= TOGETHER_S
        if together and isinstance(self._steering, EstimatedLimit):
            self._steering.counted_one_less()

    def pause(self, now_s: float, *, explained: bool) -> None:
        """Wait after refusals that nothing came between, ever longer; never for ever."""
        self._pauses += 1
        self.in_doubt = not explained
        self.exports_next = False
        if self._pauses > 1:
            pause_s = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2.0 ** min(self._pauses - 2, 16))
            self._blocked_until_s = max(self._blocked_until_s, now_s + pause_s)
        else:
            self._blocked_until_s = max(self._blocked_until_s, now_s)

    def wait_as_asked(self, retry_after_s: float, now_s: float) -> list[Finding]:
        """Obey a Retry-After, if it can be meant."""
        if 0.0 <= retry_after_s <= LONGEST_RETRY_AFTER_S:
            self._blocked_until_s = max(self._blocked_until_s, now_s + retry_after_s)
            if retry_after_s < WORTH_TELLING_S:
                return []
            return [Asked(self.scope, now_s + retry_after_s)]
        instead_s = INSTEAD_OF_RETRY_AFTER_S if retry_after_s > LONGEST_RETRY_AFTER_S else 0.0
        self._blocked_until_s = max(self._blocked_until_s, now_s + instead_s)
        message = f"Retry-After of {retry_after_s:g} s is taken as {instead_s:g} s"
        return [Disbelieved(self.scope, "wait", message)]

    # What is known

    def limit_to(self, requests_per_second: float) -> None:
        """Obey a limit that a person wrote."""
        limit = max(1, math.floor(requests_per_second))
        self._ceiling = Ceiling(limit, limit / requests_per_second)

    def start_slowly(self) -> None:
        """Send few calls at once at first, since nothing is known."""
        if self._start is None:
            self._start = SlowStart()

    def end_start(self) -> None:
        """Something is known now: about this scope, or one that its calls pass as well."""
        self._start = None

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
        believable = told.limit >= 1 and 0 < told.window_s <= LONGEST_WINDOW_S
        if not believable or told.limit > FASTEST * max(1.0, told.window_s):
            message = f"a limit of {told.limit} calls in {told.window_s:g} s is not believed"
            return Disbelieved(self.scope, "limit", message)
        window, steering = self._window, self._steering
        if window is not None and steering is not None:
            same = (steering.limit, window.window_s) == (told.limit, told.window_s)
            if same and isinstance(steering, ToldLimit):
                if now_s - sent_s <= self._latency.too_long_s:  # else it is of long ago
                    self._heed_others(steering, told, sent_s, refused=refused)
                return None
            faster = told.limit / told.window_s > steering.limit / window.window_s
            if refused and not faster and self._source == "headers":
                self._ignored_until_s = now_s + IGNORED_S * (2.0**self._refuted - 1)
                self._refuted = min(self._refuted + 1, 10)
            if not refused and faster and now_s < self._ignored_until_s:
                return Disbelieved(
                    self.scope,
                    "headers",
                    f"headers that state {told.limit} calls in {told.window_s:g} s contradict "
                    "the refusals, and are not believed",
                )
        lowered = steering is not None and told.limit < steering.limit
        self._take(told.limit, told.window_s, sent, now_s, paced=False, told=True)
        self._source = "words" if refused else "headers"
        if refused and isinstance(self._steering, ToldLimit):
            self._steering.doubt(lowered=lowered)
        return Learned(self.scope, told.limit, told.window_s, "told")

    def _heed_others(
        self, steering: ToldLimit, told: LimitTold, sent_s: float, *, refused: bool
    ) -> None:
        """Make use of how many calls the service says are left in the window."""
        if told.remaining is None or refused:
            return
        others = told.limit - told.remaining - steering.window.count_at(sent_s)
        self.others_seen = others > 1
        if self.others_seen:
            steering.others_use(others)
        else:
            steering.use_all()

    def estimate(
        self,
        limit: float,
        window_s: float,
        sent: Sequence[float],
        now_s: float,
        *,
        refused_s: float = -math.inf,
    ) -> None:
        """Go by a guess, and wait until testing it decides something.

        If headers had stated something else, the refusals have refuted them. `refused_s`: when the
        call left whose refusal is the reason; those that had left by then were counted.
        """
        self._guessed_s = refused_s
        if self._source == "headers":
            self._refuted = min(self._refuted + 1, 10)
            self._ignored_until_s = now_s + IGNORED_S * 2.0**self._refuted
        self._take(limit, window_s, sent, now_s, paced=True, told=False)
        self._source = "estimated"
        since = bisect.bisect_right(sent, now_s - window_s)
        counted = sent[since:]
        if counted:
            burst = counted[-1] - counted[0] < SHORT_BURST * window_s
            free = len(counted) - 1 if burst else int(ROOM_BEFORE_A_TEST * len(counted))
            self._blocked_until_s = max(self._blocked_until_s, counted[free] + window_s)

    def remember(self, known: PriorLimit) -> None:
        """Begin with what an earlier run has learned."""
        paced = known.source != "told"
        self._take(known.limit, known.window_s, (), -math.inf, paced=paced, told=False)
        self._source = "remembered"

    def drop_estimate(self) -> None:
        """Another explanation is gone by now."""
        if self.has_estimate:
            self._window = self._steering = None

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
        self._window = window
        self._known_s = now_s
        self._reported = limit / window_s
        self._steering = (
            ToldLimit(window, limit, share=self.share)
            if told
            else EstimatedLimit(window, limit, share=self.share, now_s=now_s)
        )
