"""Whose limit refused a call that was not told why.

A refusal near what a scope is believed to allow needs no explanation. Any other is looked into. The
next call goes alone, and is one of another kind, if there is one: where a status is let through and
an export is refused right after it, and that again, no limit is meant that the two share. What is
left is up to `inference.py`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from collector.engine.answers import Call, Problem, Scope, ScopeKind
from collector.engine.exports_limit import ExportsLimit
from collector.engine.inference import ROUNDED_UP_S, Guess, Refusal, infer
from collector.engine.scope_pace import LONGEST_RETRY_AFTER_S, Learned, ScopePace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.tracks import Track, Tracks

REFUSALS_KEPT = 8
CLOSE_S = 0.05
"""Two calls so close together, one let through and one refused, are hardly under the same limit."""
CONFIRMATIONS = 2
"""So many times in a row, and they are not."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A refusal that may be about one kind of call alone: the next test tells."""

    track: Track
    refusal: Refusal
    candidates: list[ScopePace]


class Blame:
    """Finds out what refused a call that was not told why, and goes by it.

    Args:
        tracks: all of them.
    """

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._refusals: dict[Scope, deque[Refusal]] = {}
        self._tests: dict[Scope, tuple[Call, float]] = {}
        self._suspects: dict[Scope, Suspect] = {}
        self._confirmations: dict[Scope, int] = {}
        self._to_confirm: set[Scope] = set()
        self._inconclusive: set[Scope] = set()
        self._doubts: list[ScopePace] = []

    @property
    def has_doubts(self) -> bool:
        """Whether there is a refusal that the next call is to explain."""
        if self._doubts:
            self._doubts = [pace for pace in self._doubts if pace.in_doubt]
        return bool(self._doubts)

    def note_doubt(self, pace: ScopePace) -> None:
        """Take note that a scope has refused a call, and perhaps nobody knows why."""
        if pace.in_doubt and pace not in self._doubts:
            self._doubts.append(pace)

    def is_to_be_confirmed(self, pace: ScopePace) -> bool:
        """Whether another test of the same kind is wanted."""
        return pace.scope in self._to_confirm

    def refused(
        self,
        track: Track,
        problem: Problem,
        sent_s: float,
        now_s: float,
        *,
        running: int,
        news: list[Learned],
    ) -> bool:
        """Look into a refusal; return whether what is known explains it.

        Args:
            track: of the call that was refused.
            problem: the refusal.
            sent_s: when the call left.
            now_s: now.
            running: exports of the project that ran then, where it was to start one more.
            news: what is learned is added to it.
        """
        starts = track.call is Call.START_EXPORT
        if starts and track.exports is not None and track.exports.refused(running, now_s):
            return True
        user = track.of(ScopeKind.USER)
        refusals = self._refusals.setdefault(user.scope, deque(maxlen=REFUSALS_KEPT))
        candidates = self._candidates(track, problem)
        wait_s = problem.retry_after_s or 0.0
        if not 0.0 <= wait_s <= LONGEST_RETRY_AFTER_S:
            wait_s = 0.0
        least_s = wait_s - ROUNDED_UP_S
        for pace in candidates:
            if pace.has_estimate and pace.is_near(sent_s, least_s):
                return pace.refused(sent_s, now_s, wait_s=least_s)
        refusal = Refusal(
            sent_s, frozenset(track.scopes), running if starts else None, alone=False, wait_s=wait_s
        )
        blamed = track.of(problem.throttled_by or ScopeKind.USER)
        held = next(
            (pace for pace in candidates if pace.is_held and pace.estimated_window_s >= least_s),
            None,
        )
        if held is not None and (held.is_contested(now_s) or not (starts and running)):
            return held.refused(sent_s, now_s, wait_s=least_s)
        untested = self._suspects.pop(blamed.scope, None) is None
        untested = untested and blamed.scope not in self._inconclusive
        surprising = bool(starts and running) and any(
            pace.has_estimate and pace.estimated_window_s >= least_s for pace in candidates
        )
        testable = any(
            one.sent for one in self._tracks.of(user.scope) if one.call is not track.call
        )
        self._to_confirm.discard(blamed.scope)
        if self._is_preceded(track, blamed.scope, sent_s) or (surprising and untested and testable):
            # Perhaps another limit than the one they share: the next call, of another kind, tells.
            self._suspects[blamed.scope] = Suspect(track, refusal, candidates)
            return False
        self._confirmations.pop(blamed.scope, None)
        self._inconclusive.discard(blamed.scope)
        if held is not None and held.refused(sent_s, now_s, wait_s=least_s):
            return False  # others use it, as it seems; the next call tells
        news += self._conclude(track, refusals, refusal, candidates, now_s)
        return False

    def _is_preceded(self, track: Track, scope: Scope, sent_s: float) -> bool:
        """Whether another kind of call was let through just before one that was refused."""
        call, passed_s = self._tests.pop(scope, (track.call, -math.inf))
        return call is not track.call and sent_s - passed_s < _close_s(track)

    def test_passed(
        self, track: Track, pace: ScopePace, sent_s: float, now_s: float
    ) -> list[Learned]:
        """A call that went alone was let through: remember it, for what is refused next."""
        pace.exports_next = track.call is not Call.START_EXPORT
        self._tests[pace.scope] = track.call, sent_s
        suspect = self._suspects.pop(pace.scope, None)
        if track.call is Call.START_EXPORT:
            self._to_confirm.discard(pace.scope)
        if suspect is None or suspect.track.call is track.call:
            return []
        if sent_s - suspect.refusal.sent_s > _close_s(track):
            self._inconclusive.add(pace.scope)  # it came too late to tell anything
            return []
        self._confirmations[pace.scope] = self._confirmations.get(pace.scope, 0) + 1
        if self._confirmations[pace.scope] < CONFIRMATIONS:
            self._to_confirm.add(pace.scope)
            return []
        refusal = replace(suspect.refusal, alone=True)
        refusals = self._refusals[suspect.track.of(ScopeKind.USER).scope]
        refusals.clear()  # they may have had another reason
        del self._confirmations[pace.scope]
        news = self._conclude(suspect.track, refusals, refusal, suspect.candidates, now_s)
        self._tracks.look_anew(suspect.track.paces)
        return news

    def _conclude(
        self,
        track: Track,
        refusals: deque[Refusal],
        refusal: Refusal,
        candidates: list[ScopePace],
        now_s: float,
    ) -> list[Learned]:
        """Go by the guess that explains the latest refusals, or at least the last."""
        refusals.append(refusal)
        guess = self._guess(track, refusals, candidates)
        shortest_s = max(pace.estimated_window_s for pace in candidates)
        while guess is None and len(refusals) > 1:
            refusals.popleft()  # what explained the oldest holds no longer
            guess = self._guess(track, refusals, candidates, shortest_s)
        if guess is None:  # nothing of ours was let through: somebody else uses it all
            return []
        return self._take_up(track, guess, candidates, now_s)

    def _candidates(self, track: Track, problem: Problem) -> list[ScopePace]:
        """Return whose limit a refusal may be about: the named one, or whoever has told of none."""
        if problem.throttled_by is not None:
            return [track.of(problem.throttled_by)]
        kinds = (ScopeKind.USER, ScopeKind.API, ScopeKind.PROJECT)
        paces = list(dict.fromkeys(track.of(kind) for kind in kinds))
        return [pace for pace in paces if not pace.is_told_by_refusal] or paces[:1]

    def _guess(
        self,
        track: Track,
        refusals: Iterable[Refusal],
        candidates: list[ScopePace],
        shortest_s: float = 0.0,
    ) -> Guess | None:
        return infer(
            list(refusals),
            [pace.scope for pace in candidates],
            calls_of=self._tracks.sent_of,
            exports_of=track.of(ScopeKind.PROJECT).scope,
            most_exports=track.most_running,
            shortest_s=shortest_s,
        )

    def _take_up(
        self, track: Track, guess: Guess, candidates: list[ScopePace], now_s: float
    ) -> list[Learned]:
        """Go by a guess, in place of the one before."""
        for pace in candidates:
            if guess.window_s or not pace.is_held:
                pace.drop_estimate()
        if not guess.window_s:
            starts = [one for one in self._tracks.of(guess.scope) if one.call is Call.START_EXPORT]
            for one in starts:
                one.exports = ExportsLimit(guess.limit, now_s)
            return [Learned(guess.scope, guess.limit, 0.0, "estimated")]
        for one in self._tracks.of(track.of(ScopeKind.PROJECT).scope):
            if one.exports is not None and not one.exports.is_proven:
                one.exports = None
        pace = self._tracks.paces[guess.scope]
        pace.estimate(guess.limit, guess.window_s, self._tracks.sent_of(guess.scope), now_s)
        return [Learned(guess.scope, guess.limit, guess.window_s, "estimated")]


def _close_s(track: Track) -> float:
    """Return the longest time between two calls of which one waited for the other's answer."""
    gap_s = max((pace.gap_s for pace in track.binding), default=0.0)
    return CLOSE_S + 2 * track.latency.mean_s + min(1.0, gap_s)
