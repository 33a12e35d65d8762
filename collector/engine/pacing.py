"""Who may send when: the limits of every scope, told or found out, and the back-off from a 429.

A limit that the service states (N calls in a window of T) is obeyed as a sliding window over our
own calls, which is safe whatever kind of window the service keeps. Until something is stated, calls
go evenly at a rate that doubles every half second; a 429 without a statement halves the rate of its
scope, and it recovers slowly.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.answers import LimitTold, Problem, Scope, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_RATE = 16.0
"""Calls a second of an account about whose limits nothing is known yet."""
DOUBLING_S = 0.5
SLACK_S = 0.02
"""How much of a pause in sending is made up for where calls go evenly."""
RATE_AT_WHICH_NOTHING_BINDS = 20_000.0
LEAST_RATE = 1 / 60
FAST_RECOVERY_S = 5.0
FAST_RECOVERY_TO = 0.9
SLOW_RECOVERY_A_SECOND = 0.02
LONGEST_RETRY_AFTER_S = 900.0
LARGEST_LIMIT = 1_000_000
LONGEST_WINDOW_S = 86_400.0
SHORTEST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What is newly held to be true of a scope: `limit` calls in `window_s`."""

    scope: Scope
    limit: float
    window_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Disbelieved:
    """Something the service said of a scope that cannot be meant so."""

    scope: Scope
    message: str


News = Learned | Disbelieved


class Window:
    """At most `limit` calls in any `window_s` seconds."""

    __slots__ = ("_sent", "limit", "window_s")

    def __init__(self, limit: int, window_s: float, sent: Iterable[float] = ()) -> None:
        self.limit = limit
        self.window_s = window_s
        self._sent: deque[float] = deque(sent, maxlen=limit)

    def next_at(self, grace_s: float) -> float:
        """Return when the next call fits, for calls that arrive up to `grace_s` apart."""
        if len(self._sent) < self.limit:
            return -math.inf
        return self._sent[0] + self.window_s + grace_s

    def sent(self, now_s: float) -> None:
        """Count a call."""
        self._sent.append(now_s)


class ScopePace:
    """The pace of one scope."""

    __slots__ = (
        "_blocked_until_s", "_ceiling", "_cut_s", "_estimate", "_paced_s", "_pauses", "_recent",
        "_slow_start_s", "scope", "share", "window",
    )  # fmt: skip

    def __init__(self, scope: Scope, share: float) -> None:
        self.scope = scope
        self.share = share
        self.window: Window | None = None
        self._ceiling: Window | None = None
        self._blocked_until_s = -math.inf
        self._slow_start_s: float | None = None
        self._estimate: float | None = None
        self._cut_s = -math.inf
        self._pauses = 0
        self._paced_s = -math.inf
        self._recent: deque[float] = deque(maxlen=4096)

    def limit_to(self, requests_per_second: float) -> None:
        """Obey a limit that a person wrote."""
        limit = max(1, math.floor(requests_per_second))
        self._ceiling = Window(limit, limit / requests_per_second)

    def start_slowly(self, now_s: float) -> None:
        """Send few calls at first, since nothing is known."""
        if self._slow_start_s is None:
            self._slow_start_s = now_s

    def stop_starting_slowly(self) -> None:
        """Something is known now: about this scope, or one that its calls pass as well."""
        self._slow_start_s = math.inf

    @property
    def is_starting(self) -> bool:
        """Whether nothing is known of this scope and its calls go slowly for it."""
        return self._slow_start_s is not None and self._slow_start_s < math.inf

    def rate(self, now_s: float) -> float:
        """Return calls a second that are thought to be allowed; infinite where nothing binds."""
        if self._estimate is not None:
            since = max(0.0, now_s - self._cut_s)
            fast = min(1.0, 0.5 + (FAST_RECOVERY_TO - 0.5) * since / FAST_RECOVERY_S)
            if fast > FAST_RECOVERY_TO:
                fast = FAST_RECOVERY_TO + SLOW_RECOVERY_A_SECOND * (since - FAST_RECOVERY_S)
            return max(LEAST_RATE, self._estimate * fast)
        if self._slow_start_s is not None and self._slow_start_s < math.inf:
            doublings = (now_s - self._slow_start_s) / DOUBLING_S
            rate: float = FIRST_RATE * 2.0 ** min(doublings, 32.0)
            if rate < RATE_AT_WHICH_NOTHING_BINDS:
                return rate
        return math.inf

    def next_at(self, now_s: float, grace_s: float) -> float:
        """Return when this scope allows its next call; any time up to `now_s` means now."""
        at_s = self._blocked_until_s
        for window in (self.window, self._ceiling):
            if window is not None:
                # Our own ceiling is kept where calls leave, the service's where they arrive.
                late_s = grace_s if window is self.window else 0.0
                at_s = max(at_s, window.next_at(min(late_s, window.window_s / 4)))
        rate = self.rate(now_s)
        if rate < math.inf:
            at_s = max(at_s, self._paced_s + 1 / rate)
        return at_s

    def sent(self, now_s: float) -> None:
        """Count a call that leaves now."""
        rate = self.rate(now_s)
        if rate < math.inf:
            # From when it was due, not from when it left: else what a late turn lost stays lost.
            due_s = self._paced_s + 1 / rate
            self._paced_s = due_s if due_s > now_s - SLACK_S else now_s
        self._recent.append(now_s)
        if self.window is not None:
            self.window.sent(now_s)
        if self._ceiling is not None:
            self._ceiling.sent(now_s)

    def passed(self, sent_s: float) -> None:
        """Take note that a call sent at `sent_s` was let through."""
        if sent_s > self._cut_s:
            self._pauses = 0

    def told(self, told: LimitTold) -> News | None:
        """Obey a statement, if it can be meant so; return what is new about it."""
        if not (1 <= told.limit <= LARGEST_LIMIT and 0 < told.window_s <= LONGEST_WINDOW_S):
            return Disbelieved(
                self.scope, f"a limit of {told.limit} calls in {told.window_s:g} s is not believed"
            )
        limit = max(1, math.floor(self.share * told.limit))
        known = self.window
        if known is not None and known.limit == limit and known.window_s == told.window_s:
            return None
        self.stop_starting_slowly()
        self._estimate = None
        self.window = Window(limit, told.window_s, self._recent)
        return Learned(self.scope, told.limit, told.window_s, "told")

    def throttled(
        self, retry_after_s: float | None, sent_s: float, now_s: float, *, told: bool
    ) -> list[News]:
        """Back off from a 429; `told`: it stated the limit. Return what is new."""
        news: list[News] = []
        if retry_after_s is not None:
            news += self._wait_as_asked(retry_after_s, now_s)
        if sent_s <= self._cut_s:
            return news  # it left before we knew: one burst is one lesson
        self._cut_s = now_s
        if not told:
            news.append(self._cut_rate(sent_s, now_s))
        self._pause(now_s)
        return news

    def _wait_as_asked(self, retry_after_s: float, now_s: float) -> list[News]:
        believed = min(max(0.0, retry_after_s), LONGEST_RETRY_AFTER_S)
        self._blocked_until_s = max(self._blocked_until_s, now_s + believed)
        if believed == retry_after_s:
            return []
        message = f"Retry-After of {retry_after_s:g} s is taken as {believed:g} s"
        return [Disbelieved(self.scope, message)]

    def _cut_rate(self, refused_s: float, now_s: float) -> Learned:
        """Halve the rate at which calls left when the one that was refused did."""
        self.stop_starting_slowly()
        seen = sum(1 for sent_s in self._recent if refused_s - 1.0 < sent_s <= refused_s)
        self._estimate = max(LEAST_RATE, min(float(seen), self.rate(now_s)))
        return Learned(self.scope, self._estimate / 2, 1.0, "estimated")

    def _pause(self, now_s: float) -> None:
        longest = LONGEST_PAUSE_S if self.window is None else self.window.window_s
        pause_s = min(longest, SHORTEST_PAUSE_S * 2.0 ** min(self._pauses, 16))
        self._pauses += 1
        self._blocked_until_s = max(self._blocked_until_s, now_s + pause_s)


class Pacer:
    """The paces of all scopes: a call may leave when every scope it passes allows it."""

    def __init__(self) -> None:
        self._paces: dict[Scope, ScopePace] = {}
        self._shares: dict[Scope, float] = {}
        self._latency_s = 0.05

    def use(self, scopes: tuple[Scope, ...], *, share: float) -> None:
        """Make scopes known: at most `share` of what each is found to allow will be used."""
        for scope in scopes:
            self._shares[scope] = min(share, self._shares.get(scope, 1.0))
            self._pace(scope).share = self._shares[scope]

    def limit(self, scopes: tuple[Scope, ...], requests_per_second: float) -> None:
        """Obey a ceiling that a person wrote for the project among `scopes`."""
        self._of(scopes, ScopeKind.PROJECT).limit_to(requests_per_second)

    def next_at(self, scopes: tuple[Scope, ...], now_s: float) -> float:
        """Return when a call that passes `scopes` may leave; any time up to `now_s` means now."""
        grace_s = 2 * self._latency_s
        return max(self._pace(scope).next_at(now_s, grace_s) for scope in scopes)

    def sent(self, scopes: tuple[Scope, ...], now_s: float) -> None:
        """Count a call that leaves now."""
        for scope in scopes:
            pace = self._pace(scope)
            if scope.kind is ScopeKind.USER:
                pace.start_slowly(now_s)
            pace.sent(now_s)

    def passed(
        self,
        scopes: tuple[Scope, ...],
        limits: tuple[LimitTold, ...],
        sent_s: float,
        now_s: float,
    ) -> list[News]:
        """Take note of an answer that was no 429, and of the limits it stated."""
        self._latency_s += 0.1 * (min(now_s - sent_s, 1.0) - self._latency_s)
        for scope in scopes:
            self._pace(scope).passed(sent_s)
        return self._told(scopes, limits) if limits else []

    def throttled(
        self, scopes: tuple[Scope, ...], problem: Problem, sent_s: float, now_s: float
    ) -> list[News]:
        """Back off where a 429 came from: the scope it named, else the account as a whole."""
        by = problem.throttled_by or ScopeKind.USER
        news = self._told(scopes, problem.heard.limits)
        told = any(limit.kind is by for limit in problem.heard.limits)
        news += self._of(scopes, by).throttled(problem.retry_after_s, sent_s, now_s, told=told)
        return news

    def _told(self, scopes: tuple[Scope, ...], limits: tuple[LimitTold, ...]) -> list[News]:
        news = [said for told in limits if (said := self._of(scopes, told.kind).told(told))]
        if any(isinstance(said, Learned) for said in news):
            self._end_slow_start(scopes)
        return news

    def _end_slow_start(self, scopes: tuple[Scope, ...]) -> None:
        for scope in scopes:
            if (pace := self._pace(scope)).is_starting:
                pace.stop_starting_slowly()

    def _of(self, scopes: tuple[Scope, ...], kind: ScopeKind) -> ScopePace:
        for scope in scopes:
            if scope.kind is kind:
                return self._pace(scope)
        return self._pace(scopes[0])

    def _pace(self, scope: Scope) -> ScopePace:
        pace = self._paces.get(scope)
        if pace is None:
            pace = self._paces[scope] = ScopePace(scope, self._shares.get(scope, 1.0))
        return pace
