"""Who may send when: a call leaves when every scope that it passes allows it.

The package's page says how it works; here it all comes together.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from collector.engine.pacing.attribution import Attribution
from collector.engine.pacing.concurrency import ExportsLimit
from collector.engine.pacing.findings import Disbelieved, Finding, LearnedExports
from collector.engine.pacing.latency import Latency
from collector.engine.pacing.ownership import Ownership
from collector.engine.pacing.scope import ScopePace
from collector.engine.pacing.tracks import Track, Tracks
from collector.model.answers import Call, LimitTold, Problem, Scope, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collector.model.prior import Prior

ASK_AGAIN_S = 60.0
"""How often a service that tells its limits is asked for them anew."""
CALLS_REMEMBERED = 16_384
"""Of each track: a limit that is found out counts calls that left before."""


class Pacer:
    """The paces of all scopes."""

    def __init__(self, known: Prior) -> None:
        self._known = known
        self._tracks = Tracks()
        self._owners = Ownership(self._tracks)
        self._attribution = Attribution(self._tracks, self._owners)
        self._latencies: dict[Scope, Latency] = {}
        self._next_s: dict[ScopePace, float] = {}
        """What paces said last, until something is sent or answered."""

    # What is known before anything is sent

    def track(self, call: Call, scopes: tuple[Scope, ...], *, share: float) -> Track:
        """Return the track of calls that pass `scopes`; at most `share` of a limit is used.

        Where projects of different shares pass the same scope, the smallest holds.
        """
        latency = self._latencies.setdefault(scopes[-1], Latency())
        for scope in scopes:
            pace = self._tracks.paces.get(scope)
            if pace is None:
                pace = self._tracks.paces[scope] = ScopePace(scope, share, latency)
                self._remember(pace)
            pace.belief.share = min(pace.belief.share, share)
        paces = tuple(self._tracks.paces[scope] for scope in scopes)
        track = Track(
            call,
            scopes,
            paces,
            latency,
            deque(maxlen=CALLS_REMEMBERED),
        )
        for known in self._known.exports if call is Call.START_EXPORT else ():
            if known.scope in scopes:
                track.exports = ExportsLimit(known.limit)
        self._tracks.add(track)
        return track

    def _remember(self, pace: ScopePace) -> None:
        for known in self._known.limits:
            if known.scope == pace.scope:
                pace.belief.remember(known)

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
        at_s = max(map(self.pace_at, track.binding), default=-math.inf)
        if track.exports is not None and not track.exports.allows(track.running):
            return math.inf
        return at_s

    def pace_at(self, pace: ScopePace) -> float:
        """Return when a scope lets a call leave."""
        at_s = self._next_s.get(pace)
        if at_s is None:
            at_s = self._next_s[pace] = pace.next_at()
        return at_s

    def reach(self, track: Track) -> Iterator[ScopePace]:
        """Yield the paces that a refusal of a call may change: of all that share one of its."""
        for scope in track.scopes:
            for other in self._tracks.of(scope):
                yield from other.paces

    def tests_others(self, now_s: float) -> bool:
        """Whether a call that may leave now had better be no export: it is to explain a refusal."""
        doubts = self._attribution.doubts
        return doubts.are_few and any(
            not pace.exports_next and self.pace_at(pace) <= now_s for pace in doubts
        )

    def test_at(self) -> float:
        """Return when the next call may leave that is to explain a refusal."""
        doubts = self._attribution.doubts
        if not doubts or not doubts.are_few:
            return math.inf
        return min(map(self.pace_at, doubts))

    @property
    def has_doubts(self) -> bool:
        """Whether there is a refusal that the next call is to explain."""
        return bool(self._attribution.doubts)

    def sent(self, track: Track, now_s: float) -> None:
        """Count a call that leaves now."""
        track.sent.append(now_s)
        for pace in track.binding:
            pace.sent(now_s)
            self._next_s.pop(pace, None)

    def gap_s(self, track: Track) -> float:
        """Return the seconds between paced calls, at the tightest limit."""
        return max((pace.gap_s for pace in track.binding), default=0.0)

    def rate(self, scope: Scope) -> float:
        """Return the calls a second that a scope is believed to allow us; infinite: no limit."""
        gap_s = self._tracks.paces[scope].gap_s
        return 1 / gap_s if gap_s else math.inf

    def asks(self, track: Track, now_s: float) -> bool:
        """Whether a call that leaves now should ask the service for its limits."""
        return now_s >= track.asks_s

    # What was answered

    def lost(self, track: Track, sent_s: float) -> None:
        """Count a call that was not answered: the service may have counted it."""
        self._next_s.clear()
        for pace in track.binding:
            pace.lost(sent_s)

    def hangs(self, track: Track, sent_s: float) -> None:
        """Let no other call wait for the answer to one that hangs."""
        self._next_s.clear()
        track.latency.hangs()
        for pace in track.binding:
            pace.hangs(sent_s)

    def hung(self, track: Track) -> None:
        """Count a call again that hangs, since it is about to be answered."""
        for pace in track.binding:
            pace.hung()

    def never_sent(self, track: Track, sent_s: float) -> None:
        """Take back a call that never left."""
        self._next_s.clear()
        self._forget(track, sent_s)
        for pace in track.binding:
            pace.answered(sent_s)

    def passed(
        self,
        track: Track,
        limits: tuple[LimitTold, ...],
        sent_s: float,
        now_s: float,
        *,
        running: int = 0,
    ) -> Sequence[Finding]:
        """Learn from an answer that was no 429, and from the limits it stated.

        `running`: exports of the project that ran when the call left, where it started one more.
        """
        self._next_s.clear()
        track.latency.heard(now_s - sent_s)
        news: list[Finding] = []
        for pace in track.binding:
            if pace.in_doubt and sent_s >= pace.lesson_s:
                news += self._attribution.test_passed(track, pace, sent_s, now_s)
            if (said := pace.passed(sent_s, now_s)) is not None:
                news.append(said)
            if self._attribution.is_to_be_confirmed(pace):
                pace.in_doubt = True  # once more
                self._attribution.doubts.add(pace)
        if self._owners.on_trial:
            news += self._attribution.look_at_trials(track, sent_s, now_s)
        if track.call is Call.START_EXPORT:
            news += self._export_started(track, running)
        if track.asks_s <= sent_s or limits:
            news += self._heard(track, limits, sent_s, now_s)
        return news

    def throttled(
        self, track: Track, problem: Problem, sent_s: float, now_s: float, *, running: int = 0
    ) -> list[Finding]:
        """Back off after a 429, and learn from it what can be learned."""
        self._next_s.clear()
        track.latency.heard(now_s - sent_s)
        self._forget(track, sent_s)
        for pace in track.binding:
            pace.answered(sent_s)
        news: list[Finding] = []
        exports = track.exports.limit if track.exports is not None else None
        told = self._told(track, problem.metadata.limits, sent_s, now_s, news, refused=True)
        by = problem.throttled_by
        blamed = self._attribution.blamed(track, problem)
        if problem.retry_after_s is not None:
            news += blamed.wait_as_asked(problem.retry_after_s, now_s)
        self._attribution.record(track, problem, sent_s)
        if not blamed.is_lesson(sent_s, now_s):
            blamed.belief.refused_too(sent_s)
            return news  # it left before the last one was heard: one burst is one lesson
        if by is not ScopeKind.API:  # which says nothing of the account
            self._owners.end_starts(track, blamed)
        if by is not None and by in told:
            self._owners.start_others(track, by)
            explained = blamed.refused(sent_s, now_s)
        else:
            learned: list[Finding] = []
            explained = self._attribution.refused(
                track, problem, sent_s, now_s, running=running, news=learned
            )
            news += learned
            if exports is not None and track.exports is not None:
                news += self._exports_changed(track, track.exports, before=exports)
            blamed = self._attribution.blamed(track, problem)
        if not explained:
            for one in self._tracks.of(blamed.scope):
                one.asks_s = -math.inf
        news += [said for pace in track.binding if (said := pace.belief.changed()) is not None]
        blamed.pause(now_s, explained=explained)
        self._attribution.doubts.add(blamed)
        self._refresh(track.paces)
        return news

    # Limits that are stated

    def _heard(
        self, track: Track, limits: tuple[LimitTold, ...], sent_s: float, now_s: float
    ) -> list[Finding]:
        """A call that asked was answered: ask again later, if there is somebody to ask."""
        news: list[Finding] = []
        before = track.asks_s
        if not limits:
            track.asks_s = math.inf if before == -math.inf else now_s + ASK_AGAIN_S
            return news
        if sent_s >= before:
            track.asks_s = now_s + ASK_AGAIN_S
        kinds = self._told(track, limits, sent_s, now_s, news, refused=False)
        for kind in kinds:
            pace = track.of(kind)
            if pace.belief.others_seen:
                track.asks_s = min(track.asks_s, sent_s)
        if kinds:
            for kind in kinds:
                self._owners.end_starts(track, track.of(kind))
                self._owners.start_others(track, kind)
            self._refresh(track.paces)
        return news

    def _told(
        self,
        track: Track,
        limits: tuple[LimitTold, ...],
        sent_s: float,
        now_s: float,
        news: list[Finding],
        *,
        refused: bool,
    ) -> set[ScopeKind]:
        """Obey statements; return the kinds of scope whose statement is believed."""
        believed = set()
        for told in limits:
            pace = track.of(told.kind)
            said = pace.belief.told(
                told, self._tracks.sent_of(pace.scope), sent_s, now_s, refused=refused
            )
            if said is not None:
                news.append(said)
            if not isinstance(said, Disbelieved):
                believed.add(told.kind)
        return believed

    def _exports_changed(
        self, track: Track, exports: ExportsLimit, *, before: int
    ) -> list[Finding]:
        if exports.limit == before:
            return []
        scope = track.of(ScopeKind.PROJECT).scope
        return [LearnedExports(scope, exports.limit)]

    def _export_started(self, track: Track, running: int) -> list[Finding]:
        track.most_running = max(track.most_running, running)
        if track.exports is not None and track.exports.started(running):
            scope = track.of(ScopeKind.PROJECT).scope
            return [LearnedExports(scope, track.exports.limit)]
        return []

    # Bookkeeping

    def _forget(self, track: Track, sent_s: float) -> None:
        """Take back a call that the service did not count."""
        if sent_s in track.sent:
            track.sent.remove(sent_s)
        for pace in track.binding:
            pace.forget(sent_s)

    def _refresh(self, paces: Iterable[ScopePace]) -> None:
        self._next_s.clear()
        self._tracks.rebind(paces)
