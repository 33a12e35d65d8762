"""Who may send when: a call leaves when every scope that it passes allows it.

A limit belongs to whoever shares it. What is known of one comes from the service's words and
headers, from its Retry-After, or from refusals that tell nothing; `inference.py` reads those,
`windows.py` counts, `steering.py` decides how much is used, and here it all comes together.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from collector.engine.answers import Call, LimitTold, Problem, Scope, ScopeKind
from collector.engine.exports_limit import ExportsLimit
from collector.engine.inference import ROUNDED_UP_S, Guess, Refusal, infer
from collector.engine.latency import Latency
from collector.engine.scope_pace import (
    LONGEST_RETRY_AFTER_S,
    Disbelieved,
    Learned,
    News,
    ScopePace,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.engine.known import Known

__all__ = ["Disbelieved", "Learned", "News", "Pacer", "Track"]

ASK_AGAIN_S = 60.0
"""How often a service that tells its limits is asked for them anew."""
ASK_ON_S = 20.0
"""How long every call asks, after something contradicted what was told."""
REFUSALS_KEPT = 8
CLOSE_S = 0.05
"""Two calls so close together, one let through and one refused, are hardly under the same limit."""
CONFIRMATIONS = 2
"""So many times in a row, and they are not."""
_LOG = 16_384


@dataclass(slots=True, eq=False)
class Common:
    """What all calls of one kind pass whose scopes are the same, but for their projects'.

    Attributes:
        binding: the paces among them that may hold a call up.
    """

    call: Call
    paces: tuple[ScopePace, ...]
    binding: tuple[ScopePace, ...] = ()


@dataclass(slots=True)
class Track:
    """The calls of one kind for one project: all of them pass the same scopes.

    Attributes:
        sent: when those that were not refused left, in order.
        common: what other projects' calls pass as well.
        binding: the paces among its scopes' that may hold a call up.
        own: those among them that are the project's.
        asks_s: from when on a call asks the service for its limits.
        running: exports that are thought to run in the project.
        most_running: the most that ran when one more was let through.
        exports: the limit on those, where one was found out.
    """

    call: Call
    scopes: tuple[Scope, ...]
    paces: tuple[ScopePace, ...]
    latency: Latency
    sent: deque[float]
    common: Common
    binding: tuple[ScopePace, ...] = ()
    own: tuple[ScopePace, ...] = ()
    asks_s: float = -math.inf
    running: int = 0
    most_running: int = 0
    exports: ExportsLimit | None = None

    @property
    def tests_others(self) -> bool:
        """Whether the next call tests what was refused, and had better be none of the same kind."""
        return any(pace.in_doubt and not pace.exports_next for pace in self.binding)

    def of(self, kind: ScopeKind) -> ScopePace:
        """Return the pace of its scope of that kind; where it has none, of its first."""
        return next((pace for pace in self.paces if pace.scope.kind is kind), self.paces[0])


@dataclass(frozen=True, slots=True)
class Suspect:
    """A refusal that may be about one kind of call alone: the next test tells."""

    track: Track
    refusal: Refusal
    candidates: list[ScopePace]


class Pacer:
    """The paces of all scopes."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._paces: dict[Scope, ScopePace] = {}
        self._tracks: dict[Scope, list[Track]] = {}
        self._commons: dict[tuple[Call, tuple[Scope, ...]], Common] = {}
        self._latencies: dict[Scope, Latency] = {}
        self._refusals: dict[Scope, deque[Refusal]] = {}
        self._tests: dict[Scope, tuple[Call, float]] = {}
        self._suspects: dict[Scope, Suspect] = {}
        self._confirmations: dict[Scope, int] = {}
        self._doubts: list[ScopePace] = []
        self._next_s: dict[ScopePace, float] = {}
        """What paces said last, until something is sent or answered."""

    # What is known before anything is sent

    def track(self, call: Call, scopes: tuple[Scope, ...], *, share: float) -> Track:
        """Return the track of calls that pass `scopes`; at most `share` of a limit is used.

        Where projects of different shares pass the same scope, the smallest holds.
        """
        latency = self._latencies.setdefault(scopes[-1], Latency())
        for scope in scopes:
            pace = self._paces.get(scope)
            if pace is None:
                pace = self._paces[scope] = ScopePace(scope, share, latency)
                self._remember(pace)
            pace.share = min(pace.share, share)
        paces = tuple(self._paces[scope] for scope in scopes)
        track = Track(call, scopes, paces, latency, deque(maxlen=_LOG), self._common(call, paces))
        for scope in scopes:
            self._tracks.setdefault(scope, []).append(track)
        for known in self._known.exports if call is Call.START_EXPORT else ():
            if known.scope in scopes:
                track.exports = ExportsLimit(known.limit, -math.inf)
        for pace in paces:
            pace.bound = pace.binds
        self._bind(track)
        return track

    def _common(self, call: Call, paces: tuple[ScopePace, ...]) -> Common:
        shared = tuple(pace for pace in paces if pace.scope.kind is not ScopeKind.PROJECT)
        key = call, tuple(pace.scope for pace in shared)
        if key not in self._commons:
            self._commons[key] = Common(call, shared)
        return self._commons[key]

    def _remember(self, pace: ScopePace) -> None:
        for known in self._known.limits:
            if known.scope == pace.scope:
                pace.remember(known)

    def limit(self, track: Track, requests_per_second: float) -> None:
        """Obey a ceiling that a person wrote for the project of `track`."""
        pace = track.of(ScopeKind.PROJECT)
        pace.limit_to(requests_per_second)
        self._refresh((pace,))

    def start_slowly(self, tracks: Iterable[Track]) -> None:
        """Send few calls at once at first, on accounts of whose limits nothing is known."""
        for track in tracks:
            pace = track.of(ScopeKind.USER)
            if not any(one.has_window for one in track.paces):
                pace.start_slowly()
                self._refresh((pace,))

    # What leaves

    def next_at(self, track: Track) -> float:
        """Return when a call may leave; any time that is past means now, infinity on an answer."""
        return max(self.common_at(track.common), self.own_at(track))

    def common_at(self, common: Common) -> float:
        """Return when the scopes that projects share let a call leave."""
        at_s, known = -math.inf, self._next_s
        for pace in common.binding:
            pace_s = known.get(pace)
            if pace_s is None:
                pace_s = known[pace] = pace.next_at()
            at_s = max(at_s, pace_s)
        return at_s

    def own_at(self, track: Track) -> float:
        """Return when the limits of its project let a call leave."""
        at_s = -math.inf
        for pace in track.own:
            if (pace_s := pace.next_at()) > at_s:
                at_s = pace_s
        if track.exports is not None:
            at_s = max(at_s, track.exports.allows_at(track.running))
        return at_s

    @property
    def has_doubts(self) -> bool:
        """Whether there is a refusal that the next call is to explain."""
        if self._doubts:
            self._doubts = [pace for pace in self._doubts if pace.in_doubt]
        return bool(self._doubts)

    def sent(self, track: Track, now_s: float) -> None:
        """Count a call that leaves now."""
        track.sent.append(now_s)
        for pace in track.binding:
            pace.sent(now_s)
            self._next_s.pop(pace, None)
        if track.exports is not None:
            track.exports.sent(track.running)

    def gap_s(self, track: Track) -> float:
        """Return the seconds between calls that go evenly, at the tightest limit."""
        return max((pace.gap_s for pace in track.binding), default=0.0)

    def rate(self, scope: Scope) -> float:
        """Return the calls a second that a scope is believed to allow us; infinite: no limit."""
        gap_s = self._paces[scope].gap_s
        return 1 / gap_s if gap_s else math.inf

    def asks(self, track: Track, now_s: float) -> bool:
        """Whether a call that leaves now should ask the service for its limits."""
        return now_s >= track.asks_s

    # What was answered

    def lost(self, track: Track, sent_s: float) -> None:
        """Take note of a call that was not answered: it may have been counted."""
        self._next_s.clear()
        for pace in track.binding:
            pace.answered(sent_s)

    def never_sent(self, track: Track, sent_s: float) -> None:
        """Take back a call that never left."""
        self._forget(track, sent_s)
        self.lost(track, sent_s)

    def passed(
        self,
        track: Track,
        limits: tuple[LimitTold, ...],
        sent_s: float,
        now_s: float,
        *,
        running: int = 0,
    ) -> Sequence[News]:
        """Take note of an answer that was no 429, and of the limits it stated.

        `running`: exports of the project that ran when the call left, where it started one more.
        """
        self._next_s.clear()
        track.latency.heard(now_s - sent_s)
        news: list[News] = []
        for pace in track.binding:
            if pace.in_doubt and sent_s >= pace.lesson_s:
                news += self._test_passed(track, pace, sent_s, now_s)
            if (said := pace.passed(sent_s, now_s)) is not None:
                news.append(said)
            if pace.scope in self._confirmations:
                pace.in_doubt = True  # once more
                self._note_doubt(pace)
        if track.call is Call.START_EXPORT:
            news += self._export_started(track, running)
        if track.asks_s <= sent_s or limits:
            news += self._heard(track, limits, sent_s, now_s)
        return news

    def throttled(
        self, track: Track, problem: Problem, sent_s: float, now_s: float, *, running: int = 0
    ) -> list[News]:
        """Take note of a 429: back off, and learn from it what can be learned."""
        self._next_s.clear()
        track.latency.heard(now_s - sent_s)
        self._forget(track, sent_s)
        for pace in track.binding:
            pace.answered(sent_s)
        news: list[News] = []
        told = self._told(track, problem.heard.limits, sent_s, now_s, news, refused=True)
        by = problem.throttled_by
        blamed = track.of(by or ScopeKind.USER)
        if problem.retry_after_s is not None:
            news += blamed.wait_as_asked(problem.retry_after_s, now_s)
        if not blamed.is_lesson(sent_s, now_s):
            blamed.refused_too(sent_s)
            return news  # it left before the last one was heard: one burst is one lesson
        if by is not ScopeKind.API:  # which says nothing of the account
            self._end_starts(track)
        if by is not None and by in told:
            explained = blamed.refused(sent_s, now_s)
        else:
            explained = self._learn(track, problem, sent_s, now_s, running, news)
        if not explained:
            for one in self._tracks[blamed.scope]:
                one.asks_s = -math.inf
        blamed.pause(now_s, explained=explained)
        self._note_doubt(blamed)
        self._refresh(track.paces)
        return news

    # Limits that are stated

    def _heard(
        self, track: Track, limits: tuple[LimitTold, ...], sent_s: float, now_s: float
    ) -> list[News]:
        """A call that asked was answered: ask again later, if there is somebody to ask."""
        news: list[News] = []
        before = track.asks_s
        if not limits:
            track.asks_s = math.inf if before == -math.inf else now_s + ASK_AGAIN_S
            return news
        if sent_s >= before:
            track.asks_s = now_s + ASK_AGAIN_S
        kinds = self._told(track, limits, sent_s, now_s, news, refused=False)
        for kind in kinds:
            pace = track.of(kind)
            if pace.others_seen:
                track.asks_s = min(track.asks_s, sent_s)
        if kinds:
            self._end_starts(track)
            self._refresh(track.paces)
        return news

    def _told(
        self,
        track: Track,
        limits: tuple[LimitTold, ...],
        sent_s: float,
        now_s: float,
        news: list[News],
        *,
        refused: bool,
    ) -> set[ScopeKind]:
        """Obey statements; return the kinds of scope whose statement is believed."""
        believed = set()
        for told in limits:
            pace = track.of(told.kind)
            said = pace.told(told, self._sent_of(pace.scope), sent_s, now_s, refused=refused)
            if said is not None:
                news.append(said)
            if not isinstance(said, Disbelieved):
                believed.add(told.kind)
        return believed

    # Limits that are found out

    def _learn(
        self,
        track: Track,
        problem: Problem,
        sent_s: float,
        now_s: float,
        running: int,
        news: list[News],
    ) -> bool:
        """Find out what refused a call that was not told why; return whether that was known."""
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
        held = next((pace for pace in candidates if pace.is_held), None)
        if held is not None and (held.is_contested(now_s) or not (starts and running)):
            return held.refused(sent_s, now_s, wait_s=least_s)
        if self._is_preceded(track, blamed.scope, sent_s):
            # Perhaps another limit than the one they share: the next call, of another kind, tells.
            self._suspects[blamed.scope] = Suspect(track, refusal, candidates)
            return False
        self._suspects.pop(blamed.scope, None)
        self._confirmations.pop(blamed.scope, None)
        if held is not None and held.refused(sent_s, now_s, wait_s=least_s):
            return False  # others use it, as it seems; the next call tells
        news += self._conclude(track, refusals, refusal, candidates, now_s)
        return False

    def _is_preceded(self, track: Track, scope: Scope, sent_s: float) -> bool:
        """Whether another kind of call was let through just before one that was refused."""
        call, passed_s = self._tests.pop(scope, (track.call, -math.inf))
        return call is not track.call and sent_s - passed_s < self._close_s(track)

    def _close_s(self, track: Track) -> float:
        """Return the longest time between two calls of which one waited for the other's answer."""
        return CLOSE_S + 2 * track.latency.mean_s + min(1.0, self.gap_s(track))

    def _test_passed(
        self, track: Track, pace: ScopePace, sent_s: float, now_s: float
    ) -> list[News]:
        """A call that went alone was let through: remember it, for what is refused next."""
        pace.exports_next = track.call is not Call.START_EXPORT
        self._tests[pace.scope] = track.call, sent_s
        suspect = self._suspects.pop(pace.scope, None)
        if track.call is Call.START_EXPORT:
            self._confirmations.pop(pace.scope, None)
        if suspect is None or suspect.track.call is track.call:
            return []
        if sent_s - suspect.refusal.sent_s > self._close_s(track):
            return []
        self._confirmations[pace.scope] = self._confirmations.get(pace.scope, 0) + 1
        if self._confirmations[pace.scope] < CONFIRMATIONS:
            return []
        refusal = replace(suspect.refusal, alone=True)
        refusals = self._refusals[suspect.track.of(ScopeKind.USER).scope]
        refusals.clear()  # they may have had another reason
        del self._confirmations[pace.scope]
        news = self._conclude(suspect.track, refusals, refusal, suspect.candidates, now_s)
        self._refresh(suspect.track.paces)
        return news

    def _conclude(
        self,
        track: Track,
        refusals: deque[Refusal],
        refusal: Refusal,
        candidates: list[ScopePace],
        now_s: float,
    ) -> list[News]:
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
        return [pace for pace in paces if not pace.is_told] or paces[:1]

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
            calls_of=self._sent_of,
            exports_of=track.of(ScopeKind.PROJECT).scope,
            most_exports=track.most_running,
            shortest_s=shortest_s,
        )

    def _take_up(
        self, track: Track, guess: Guess, candidates: list[ScopePace], now_s: float
    ) -> list[News]:
        """Go by a guess, in place of the one before."""
        for pace in candidates:
            if guess.window_s or not pace.is_held:
                pace.drop_estimate()
        if not guess.window_s:
            starts = [one for one in self._tracks[guess.scope] if one.call is Call.START_EXPORT]
            for one in starts:
                one.exports = ExportsLimit(guess.limit, now_s)
            return [Learned(guess.scope, guess.limit, 0.0, "estimated")]
        for one in self._tracks[track.of(ScopeKind.PROJECT).scope]:
            if one.exports is not None and not one.exports.is_proven:
                one.exports = None
        pace = self._paces[guess.scope]
        pace.estimate(guess.limit, guess.window_s, self._sent_of(guess.scope), now_s)
        return [Learned(guess.scope, guess.limit, guess.window_s, "estimated")]

    def _export_started(self, track: Track, running: int) -> list[News]:
        track.most_running = max(track.most_running, running)
        if track.exports is not None and track.exports.started(running):
            scope = track.of(ScopeKind.PROJECT).scope
            return [Learned(scope, track.exports.limit, 0.0, "estimated")]
        return []

    # Bookkeeping

    def _note_doubt(self, pace: ScopePace) -> None:
        if pace.in_doubt and pace not in self._doubts:
            self._doubts.append(pace)

    def _end_starts(self, track: Track) -> None:
        for pace in track.paces:
            pace.end_start()

    def _forget(self, track: Track, sent_s: float) -> None:
        """Take back a call that the service did not count."""
        if sent_s in track.sent:
            track.sent.remove(sent_s)
        for pace in track.binding:
            pace.forget(sent_s)

    def _sent_of(self, scope: Scope) -> list[float]:
        """Return when the calls of a scope left that were not refused, in order."""
        return list(heapq.merge(*(track.sent for track in self._tracks[scope])))

    def _refresh(self, paces: Iterable[ScopePace]) -> None:
        """Look anew which scopes may hold up which calls."""
        self._next_s.clear()
        for pace in paces:
            if pace.binds != pace.bound:
                pace.bound = pace.binds
                for track in self._tracks[pace.scope]:
                    self._bind(track)

    def _bind(self, track: Track) -> None:
        common = track.common
        track.binding = tuple(pace for pace in track.paces if pace.binds)
        common.binding = tuple(pace for pace in common.paces if pace.binds)
        track.own = tuple(pace for pace in track.binding if pace not in common.binding)
