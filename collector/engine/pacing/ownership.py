"""Who may own a limit that nobody names: from the widest scope to the narrowest, until one is left.

An address's calls are those of its accounts, and an account's those of its projects. What fits a
wide scope is safe for the narrow ones, so the widest that the refusals allow is taken. It then
holds up whoever shares it, also where the limit is in truth each project's, or one project's
alone. Going by it never contradicts it, so something else has to:

- *Pairs.* A refused call takes no place, so the next one fits. Where projects are refused one right
  after another, each has a limit of its own.
- *Coincidence.* All that are refused are one project's, though others sent as much. That may be
  chance, so it is tried: the others are let go, and the first that is refused says that it was.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.pacing.inference import REFUSALS_KEPT, Guess, explained
from collector.model.answers import Scope, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from collector.engine.pacing.inference import Refusal
    from collector.engine.pacing.scope import ScopePace
    from collector.engine.pacing.tracks import Track, Tracks

NESTED = (ScopeKind.IP, ScopeKind.USER, ScopeKind.APP, ScopeKind.PROJECT)
PAIRED_GAPS = 2.5
PAIRS = 2
"""So many times two scopes were refused one right after the other: a refused call takes no place,
so that the next one fits, if calls are paced as those of a shared limit are."""
COINCIDENCE = 0.4
"""What is less likely by chance is worth a trial; half as likely after each that was in vain."""
FEW = 5
"""A limit of fewer calls is tried at once on others than the first that was refused."""
TOO_MANY = 1.05
"""By this much more than its limit, and two calls, a wide scope lets through when it has none."""


@dataclass(slots=True)
class Trial:
    """Others than `only` are let go, to see whether they are refused as well.

    Attributes:
        limit, window_s: what was believed of the wide scope before.
    """

    only: Scope
    limit: float
    window_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Owners:
    """Scopes of a kind are taken to have a limit each, in a window of some seconds.

    Attributes:
        tried: others were let go and let through, so that it is no limit of all calls together.
    """

    kind: ScopeKind
    window_s: float
    tried: bool


class Ownership:
    """Says which scopes a refusal may be about, the widest first.

    Args:
        tracks: all of them.
    """

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._latest: dict[Scope, deque[Refusal]] = {}
        self._trials: dict[Scope, Trial] = {}
        self._found_s: dict[Scope, float] = {}
        self._vain: dict[Scope, int] = {}
        self._owners: dict[Scope, Owners] = {}
        self.ruled_out: set[tuple[Scope, float]] = set()

    def nested(self, track: Track) -> list[ScopePace]:
        """Return the paces that hold one another, the widest first; of two alike, one.

        Where an address or a credential has the calls of one account, it is the account.
        """
        reach = {
            pace.scope.kind: len(self._tracks.of(pace.scope))
            for pace in track.paces
            if pace.scope.kind in NESTED
        }
        found = []
        for kind in NESTED:
            if kind in (ScopeKind.IP, ScopeKind.APP) and reach.get(kind) in (
                None,
                reach.get(ScopeKind.USER),
                reach.get(ScopeKind.PROJECT),
            ):
                continue
            if kind in reach:
                found.append(track.of(kind))
        return found or [track.paces[0]]

    def widest(self, track: Track) -> ScopePace:
        """Return the pace that holds all others."""
        return self.nested(track)[0]

    def owner(self, track: Track) -> ScopePace:
        """Return the pace that is taken to own a limit that nobody names; else the widest."""
        widest = self.widest(track)
        owners = self._owners.get(widest.scope)
        return widest if owners is None else track.of(owners.kind)

    def like_others(self, track: Track, refusal: Refusal) -> Guess | None:
        """Return the guess that a scope has a limit as others of its kind were found to have."""
        owners = self._owners.get(self.widest(track).scope)
        if owners is None:
            return None
        pace, window_s = track.of(owners.kind), owners.window_s
        if pace is self.widest(track) or pace.has_window:
            return None
        if owners.tried and (by_call := self._by_call(track, pace, window_s)) is not None:
            return by_call
        calls = self._tracks.sent_of(pace.scope, refusal.sent_s - window_s)
        count = bisect.bisect_right(calls, refusal.sent_s)
        return Guess(pace.scope, count, window_s) if count else None

    def _by_call(self, track: Track, pace: ScopePace, window_s: float) -> Guess | None:
        """Return the guess that it is the kind of call, where several were refused of one alone."""
        refusals = list(self._latest.get(self.widest(track).scope, ()))
        scope = track.of(ScopeKind.API).scope
        if any(scope not in one.scopes for one in refusals):
            return None
        if len({one.of(pace.scope.kind) for one in refusals}) < 2:  # noqa: PLR2004  # two are several
            return None
        return explained(refusals, scope, self._tracks.sent_of(scope), window_s)

    def found(self, track: Track, guess: Guess, refusal: Refusal, now_s: float) -> None:
        """Take scopes of a kind for the owners of what nobody names, if it is no kind of call."""
        kind = guess.scope.kind
        scope = self.widest(track).scope
        self._owners.pop(scope, None)
        self._trials.pop(guess.scope, None)
        if kind in NESTED:
            tried = any(pace.scope in self._trials for pace in self.nested(track))
            self._owners[scope] = Owners(kind, guess.window_s, tried=tried)
            self._found_s[scope] = now_s
            self._latest[scope] = deque((refusal,), maxlen=REFUSALS_KEPT)

    def displaced(self, scope: Scope) -> list[ScopePace]:
        """Return the paces whose guesses one about a scope replaces: those that it holds."""
        kinds = NESTED[NESTED.index(scope.kind) + 1 :] if scope.kind in NESTED else NESTED
        tracks = self._tracks.of(scope)
        paces = (pace for track in tracks for pace in track.paces if pace.scope.kind in kinds)
        return list(dict.fromkeys(paces))

    def end_starts(self, track: Track, pace: ScopePace) -> None:
        """Something is known now of a scope: what it holds need not start slowly for that."""
        reach = len(self._tracks.of(pace.scope))
        for one in track.paces:
            if len(self._tracks.of(one.scope)) <= reach:
                one.end_start()

    def start_others(self, track: Track, kind: ScopeKind) -> None:
        """Let each of those start slowly that shared a start, where each has a limit of its own.

        On trial they start together: the first that is refused ends it.
        """
        widest = self.widest(track)
        if kind not in NESTED or kind is widest.scope.kind:
            return
        on_trial = [pace for pace in self.nested(track) if pace.scope in self._trials]
        for pace in on_trial:
            trial = self._trials[pace.scope]
            pace.start_slowly(faster_than=trial.limit / trial.window_s)
            self._tracks.rebind((pace,))
        if on_trial:
            return
        self.end_starts(track, widest)
        for other in self._tracks.of(widest.scope):
            pace = other.of(kind)
            if pace is not track.of(kind) and not any(one.has_window for one in other.paces):
                pace.start_slowly()
                self._tracks.rebind((pace,))

    # What contradicts a wide scope that explains whatever comes

    def record(self, track: Track, refusal: Refusal) -> None:
        """Record a refusal that nobody named."""
        scope = self.widest(track).scope
        if refusal.sent_s < self._found_s.get(scope, -math.inf):
            return
        self._latest.setdefault(scope, deque(maxlen=REFUSALS_KEPT)).append(refusal)

    def pointed_at(self, track: Track, pace: ScopePace, now_s: float) -> ScopePace | None:
        """Return another pace that refusals point at, though `pace` explains them as well.

        Args:
            track: of the call that was refused.
            pace: what is taken for the owner.
            now_s: now.
        """
        nested, reach = self.nested(track), len(self._tracks.of(pace.scope))
        refusals = list(self._latest.get(nested[0].scope, ()))
        own = [refusal for refusal in refusals if pace.scope in refusal.scopes]
        narrower = [one for one in nested if len(self._tracks.of(one.scope)) < reach]
        if not own:
            return None
        window_s = pace.belief.estimated_window_s
        for one in narrower:
            if _pairs(own, one.scope.kind, PAIRED_GAPS * pace.gap_s) >= PAIRS:
                return one
            apart_s = 2 * track.latency.mean_s
            if self._is_no_coincidence(own, pace.scope, one.scope, window_s, apart_s):
                self._try(
                    pace.scope, one.scope, pace.belief.estimated_limit, window_s, now_s + apart_s
                )
                return one
        return None

    def tried_first(self, track: Track, guess: Guess, refusal: Refusal, now_s: float) -> Guess:
        """Return the guess to begin with: a narrow one on trial, where so few calls say little."""
        narrow, reach = self.nested(track)[-1], len(self._tracks.of(guess.scope))
        wide = guess.scope.kind in NESTED and reach > len(self._tracks.of(narrow.scope))
        if not wide or guess.limit >= FEW or guess.scope in self._vain:
            return guess
        calls = self._tracks.sent_of(narrow.scope, refusal.sent_s - guess.window_s)
        count = bisect.bisect_right(calls, refusal.sent_s)
        if not count:
            return guess
        until_s = now_s + 2 * track.latency.mean_s
        self._try(guess.scope, narrow.scope, guess.limit, guess.window_s, until_s)
        return Guess(narrow.scope, count, guess.window_s)

    def _try(self, wide: Scope, narrow: Scope, limit: float, window_s: float, now_s: float) -> None:
        """Begin to let others go than a narrow scope."""
        self._trials[wide] = Trial(narrow, limit, window_s, now_s + window_s)

    def _is_no_coincidence(
        self,
        refusals: Collection[Refusal],
        wide: Scope,
        narrow: Scope,
        window_s: float,
        apart_s: float,
    ) -> bool:
        """Whether chance hardly picks the same narrow scope for all that were refused.

        Those that left less than `apart_s` apart are one: nothing was heard between them.
        """
        if any(narrow not in refusal.scopes for refusal in refusals):
            return False
        chance, before_s = 1.0, -math.inf
        since_s = min(one.sent_s for one in refusals) - window_s
        of_all, of_narrow = (self._tracks.sent_of(scope, since_s) for scope in (wide, narrow))
        for refusal in refusals:
            if refusal.sent_s - before_s > apart_s:
                part = (1 + _count(of_narrow, refusal.sent_s, window_s)) / (
                    1 + _count(of_all, refusal.sent_s, window_s)
                )
                chance *= part if before_s > -math.inf else 1.0
                before_s = refusal.sent_s
        return chance < COINCIDENCE * 0.5 ** self._vain.get(wide, 0)

    @property
    def on_trial(self) -> bool:
        """Whether scopes are let go that may share a limit after all."""
        return bool(self._trials)

    def fails_trial(
        self, track: Track, sent_s: float, now_s: float, *, refused: bool
    ) -> tuple[ScopePace, Trial] | None:
        """Return the wide pace that has been right after all, and what was believed of it.

        Args:
            track: of a call that was answered.
            sent_s: when it left.
            now_s: now.
            refused: whether it was refused.
        """
        for pace in self.nested(track):
            trial = self._trials.get(pace.scope)
            if trial is None:
                continue
            calls = self._tracks.sent_of(pace.scope, sent_s - trial.window_s)
            many = bisect.bisect_right(calls, sent_s) > TOO_MANY * trial.limit + 2
            if many and not refused:
                del self._trials[pace.scope]  # more was let through than it could have been
            elif (refused and trial.only not in track.scopes) or now_s > trial.until_s:
                del self._trials[pace.scope]
                self._vain[pace.scope] = self._vain.get(pace.scope, 0) + 1
                return pace, trial
        return None


def _count(calls: list[float], at_s: float, window_s: float) -> int:
    """Return how many of calls in order had left in the window that ended at a time."""
    return bisect.bisect_right(calls, at_s) - bisect.bisect_right(calls, at_s - window_s)


def _pairs(refusals: Iterable[Refusal], kind: ScopeKind, within_s: float) -> int:
    """Return how many refusals came right after one of another scope of that kind."""
    return sum(
        later.sent_s - sooner.sent_s <= within_s and later.of(kind) != sooner.of(kind)
        for sooner, later in itertools.pairwise(refusals)
    )
