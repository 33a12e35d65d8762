"""Whose limit refused a call that was not told why.

A refusal near what a scope is believed to allow needs no explanation. Any other is looked into. The
next call goes alone, and is one of another kind if there is one: `kind_test.py` says whether the
two share a limit. What is left is up to `inference.py`, and `ownership.py` says which scopes it may
be about.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.engine.pacing.concurrency import ExportsLimit
from collector.engine.pacing.doubts import Doubts
from collector.engine.pacing.findings import Finding, Learned, LearnedExports
from collector.engine.pacing.inference import (
    REFUSALS_KEPT,
    ROUNDED_UP_S,
    ExportsGuess,
    Guess,
    Refusal,
    infer,
)
from collector.engine.pacing.kind_test import KindTests, Suspect
from collector.engine.pacing.pauses import LONGEST_RETRY_AFTER_S
from collector.engine.pacing.scope import REFUTED, ScopePace
from collector.model.answers import Call, Problem, Scope, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.pacing.ownership import Ownership
    from collector.engine.pacing.tracks import Track, Tracks


class Attribution:
    """Finds out what refused a call that was not told why, and goes by it.

    Args:
        tracks: all of them.
        owners: which scopes a refusal may be about.

    Attributes:
        doubts: scopes that have refused a call for no known reason.
    """

    def __init__(self, tracks: Tracks, owners: Ownership) -> None:
        self._tracks = tracks
        self._owners = owners
        self._kinds = KindTests()
        self._refusals: dict[Scope, deque[Refusal]] = {}
        self.doubts = Doubts()

    # What was refused

    def record(self, track: Track, problem: Problem, sent_s: float) -> None:
        """Record a refusal, also where it is no news: whose it is may tell something."""
        if problem.throttled_by is None:
            self._owners.record(track, Refusal(sent_s, frozenset(track.scopes), None, alone=False))

    def blamed(self, track: Track, problem: Problem) -> ScopePace:
        """Return the pace that a refusal holds up: the named one, or who is taken for the owner."""
        if problem.throttled_by is not None:
            return track.of(problem.throttled_by)
        return self._owners.owner(track)

    def refused(
        self,
        track: Track,
        problem: Problem,
        sent_s: float,
        now_s: float,
        *,
        running: int,
        news: list[Finding],
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
        if starts and track.exports is not None and track.exports.refused(running):
            return True
        candidates = self._candidates(track, problem)
        wait_s = problem.retry_after_s or 0.0
        if not 0.0 <= wait_s <= LONGEST_RETRY_AFTER_S:
            wait_s = 0.0
        refusal = Refusal(
            sent_s, frozenset(track.scopes), running if starts else None, alone=False, wait_s=wait_s
        )
        if problem.throttled_by is None and (
            self._widens(track, refusal, news, now_s)
            or self._narrows(track, refusal, candidates, news, now_s)
        ):
            return False
        least_s = wait_s - ROUNDED_UP_S
        estimated = [pace for pace in candidates if pace.belief.is_estimate]
        near = next((pace for pace in estimated if pace.is_near(sent_s, least_s)), None)
        long = [pace for pace in estimated if pace.belief.estimated_window_s >= least_s]
        held = next((pace for pace in long if pace.belief.is_held), None)
        if near is None and held is not None:
            near = held if held.belief.is_contested(now_s) or not refusal.exports else None
        if near is not None:
            return near.refused(sent_s, now_s, wait_s=least_s)
        if self._is_to_be_tested(track, problem, refusal, candidates):
            return False
        if held is None or not held.refused(sent_s, now_s, wait_s=least_s):
            refusals = self._refusals_of(track, problem)
            news += self._conclude(track, refusals, refusal, candidates, sent_s, now_s)
        return False  # where others use it, as it seems, the next call tells

    # Whether it is about one kind of call

    def _is_to_be_tested(
        self, track: Track, problem: Problem, refusal: Refusal, candidates: list[ScopePace]
    ) -> bool:
        """Whether the next call, of another kind, is to tell if the two share a limit at all."""
        least_s = refusal.wait_s - ROUNDED_UP_S
        surprising = bool(refusal.exports) and any(
            pace.belief.is_estimate and pace.belief.estimated_window_s >= least_s
            for pace in candidates
        )
        testable = surprising and any(
            one.sent
            for one in self._tracks.of(self._owners.widest(track).scope)
            if one.call is not track.call
        )
        suspect = Suspect(track, refusal, self._refusals_of(track, problem), candidates)
        scope = self.blamed(track, problem).scope
        return self._kinds.suspects(scope, suspect, worth_a_test=testable)

    def is_to_be_confirmed(self, pace: ScopePace) -> bool:
        """Whether another test of the same kind is wanted."""
        return self._kinds.is_to_be_confirmed(pace)

    def test_passed(
        self, track: Track, pace: ScopePace, sent_s: float, now_s: float
    ) -> list[Finding]:
        """Conclude what follows where a call that went alone was let through."""
        suspect = self._kinds.passed(track, pace, sent_s)
        if suspect is None:
            return []
        suspect.refusals.clear()  # they may have had another reason
        refusal = replace(suspect.refusal, alone=True)
        news = self._conclude(
            suspect.track, suspect.refusals, refusal, suspect.candidates, sent_s, now_s
        )
        self._tracks.rebind(suspect.track.paces)
        return news

    # Whether it is about a wider or a narrower scope

    def look_at_trials(self, track: Track, sent_s: float, now_s: float) -> list[Finding]:
        """A call was let through: see what that says of scopes that are on trial."""
        news: list[Finding] = []
        refusal = Refusal(sent_s, frozenset(track.scopes), None, alone=False)
        if self._widens(track, refusal, news, now_s, refused=False):
            self._tracks.rebind(track.paces)
        return news

    def _widens(
        self,
        track: Track,
        refusal: Refusal,
        news: list[Finding],
        now_s: float,
        *,
        refused: bool = True,
    ) -> bool:
        """Whether an answer shows that the wide scope had been right."""
        failed = self._owners.fails_trial(track, refusal.sent_s, now_s, refused=refused)
        if failed is None:
            return False
        pace, trial = failed
        self._owners.ruled_out.discard((pace.scope, trial.window_s))
        guess = Guess(pace.scope, round(trial.limit), trial.window_s)
        news += self._adopt(track, guess, refusal, self._owners.nested(track), now_s)
        return True

    def _narrows(
        self,
        track: Track,
        refusal: Refusal,
        candidates: list[ScopePace],
        news: list[Finding],
        now_s: float,
    ) -> bool:
        """Whether refusals that the wide scope explains point at a narrower one all the same."""
        pace = self._owners.owner(track)
        guess = self._owners.like_others(track, refusal)
        if guess is None:
            if not pace.belief.is_estimate:
                return False
            other = self._owners.pointed_at(track, pace, now_s)
            if other is None:
                return False
            window_s = pace.belief.estimated_window_s
            calls = self._tracks.sent_of(other.scope, refusal.sent_s - window_s)
            count = bisect.bisect_right(calls, refusal.sent_s)
            guess = Guess(other.scope, max(1, count), window_s)
        self._rule_out_wider(guess, candidates)
        self._owners.ruled_out.discard((guess.scope, guess.window_s))
        news += self._adopt(track, guess, refusal, candidates, now_s)
        return True

    # What explains it

    def _conclude(
        self,
        track: Track,
        refusals: deque[Refusal],
        refusal: Refusal,
        candidates: list[ScopePace],
        answered_s: float,
        now_s: float,
    ) -> list[Finding]:
        """Go by the guess that explains the latest refusals, or at least the last.

        What left after `answered_s` may not have been answered yet, and says nothing.
        """
        refusals.append(refusal)
        narrowest = track.of(ScopeKind.PROJECT).scope
        lately = set(list(refusals)[-REFUSALS_KEPT:])
        telling = deque(one for one in refusals if one in lately or narrowest in one.scopes)
        guess = self._guess(track, telling, candidates, answered_s)
        shortest_s = max(pace.belief.estimated_window_s for pace in candidates)
        while guess is None and len(telling) > 1:
            refusals.remove(telling.popleft())  # what explained the oldest holds no longer
            self._owners.ruled_out.clear()
            guess = self._guess(track, telling, candidates, answered_s, shortest_s)
        if guess is None:  # nothing of ours was let through: somebody else uses it all
            return []
        if isinstance(guess, ExportsGuess):
            return self._adopt_exports(track, guess, candidates)
        guess = self._owners.tried_first(track, guess, refusal, now_s)
        self._rule_out_wider(guess, candidates)
        return self._adopt(track, guess, refusal, candidates, now_s)

    def _candidates(self, track: Track, problem: Problem) -> list[ScopePace]:
        """Return whose limit a refusal may be about: the named one, or whoever has told of none."""
        if problem.throttled_by is not None:
            return [track.of(problem.throttled_by)]
        paces = list(dict.fromkeys((*self._owners.nested(track), track.of(ScopeKind.API))))
        return [pace for pace in paces if not pace.belief.is_told_by_refusal] or paces[:1]

    def _refusals_of(self, track: Track, problem: Problem) -> deque[Refusal]:
        """Return where refusals of a scope are kept: as many for each project that shares it."""
        scope = self._owners.widest(track).scope
        if problem.throttled_by is not None:
            scope = track.of(problem.throttled_by).scope
        if scope not in self._refusals:
            projects = {one.of(ScopeKind.PROJECT).scope for one in self._tracks.of(scope)}
            self._refusals[scope] = deque(maxlen=REFUSALS_KEPT * len(projects))
        return self._refusals[scope]

    def _guess(
        self,
        track: Track,
        refusals: Iterable[Refusal],
        candidates: list[ScopePace],
        answered_s: float,
        shortest_s: float = 0.0,
    ) -> Guess | ExportsGuess | None:
        return infer(
            list(refusals),
            [pace.scope for pace in candidates],
            calls_of=functools.cache(lambda scope: _until(self._tracks.sent_of(scope), answered_s)),
            exports_of=track.of(ScopeKind.PROJECT).scope,
            most_exports=track.most_running,
            shortest_s=shortest_s,
            ruled_out=self._owners.ruled_out,
        )

    def _rule_out_wider(self, guess: Guess, candidates: Iterable[ScopePace]) -> None:
        """Think no more of scopes that are wider than the guess's, in windows of that length."""
        for wide in itertools.takewhile(lambda one: one.scope != guess.scope, candidates):
            self._owners.ruled_out.add((wide.scope, guess.window_s))

    # Going by it

    def _adopt(
        self,
        track: Track,
        guess: Guess,
        refusal: Refusal,
        candidates: list[ScopePace],
        now_s: float,
    ) -> list[Finding]:
        """Go by a guess, in place of the one before."""
        news = _drop([*candidates, *self._owners.displaced(guess.scope)], but=guess.scope)
        self._owners.start_others(track, guess.scope.kind)
        for one in self._tracks.of(track.of(ScopeKind.PROJECT).scope):
            if one.exports is not None and not one.exports.is_proven:
                one.exports = None
        self._owners.found(track, guess, refusal, now_s)
        pace = self._tracks.paces[guess.scope]
        pace.lesson_s = max(pace.lesson_s, now_s)
        sent = self._tracks.sent_of(guess.scope)
        pace.estimate(guess.limit, guess.window_s, sent, now_s, refused_s=refusal.sent_s)
        return [*news, Learned(guess.scope, guess.limit, guess.window_s, "estimated")]

    def _adopt_exports(
        self, track: Track, guess: ExportsGuess, candidates: Iterable[ScopePace]
    ) -> list[Finding]:
        """Go by a limit on exports that run at once, in place of estimates that have not held."""
        news = _drop([pace for pace in candidates if not pace.belief.is_held], but=guess.scope)
        self._owners.start_others(track, guess.scope.kind)
        for one in self._tracks.of(guess.scope):
            if one.call is Call.START_EXPORT:
                one.exports = ExportsLimit(guess.limit)
        return [*news, LearnedExports(guess.scope, guess.limit)]


def _drop(displaced: list[ScopePace], *, but: Scope) -> list[Finding]:
    """Give up estimates; return what is refuted by that."""
    news: list[Finding] = [
        Learned(pace.scope, pace.belief.estimated_limit, pace.belief.estimated_window_s, REFUTED)
        for pace in displaced
        if pace.belief.is_estimate and pace.scope != but
    ]
    for pace in displaced:
        pace.belief.drop_estimate()
    return news


def _until(times: list[float], until_s: float) -> list[float]:
    """Return those of times in order that are not later."""
    return times[: bisect.bisect_right(times, until_s)]
