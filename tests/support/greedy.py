"""A pacer driven by hand, in virtual time: by senders that send whatever they are allowed to."""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from benchmarks.pacing.gateway import Gateway, Limit, Quota
from collector.engine.pacing.pacer import Pacer
from collector.model.answers import (
    NO_METADATA,
    Call,
    LimitTold,
    Problem,
    ProblemKind,
    ResponseMetadata,
    Scope,
    ScopeKind,
)
from collector.model.prior import Prior
from tests.support.simulation import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from collector.engine.pacing.findings import Finding
    from collector.engine.pacing.tracks import Track

POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE
USER = Scope(ScopeKind.USER, "acme")
MOST_UNDER_WAY = 64

Answer = ResponseMetadata | Problem | None
"""Let through, refused, or lost."""


def scopes(call: Call, project: str = "p0", account: str = "acme") -> tuple[Scope, ...]:
    """Return the scopes that a call passes."""
    return (
        Scope(ScopeKind.API, f"e {call}"),
        Scope(ScopeKind.USER, account),
        Scope(ScopeKind.PROJECT, project),
        Scope(ScopeKind.ENDPOINT, "e"),
    )


def most_in_any(window_s: float, times: Sequence[float], since_s: float = -math.inf) -> int:
    """Return how many of `times` the fullest window holds that begins at `since_s` or later."""
    times = sorted(at_s for at_s in times if at_s >= since_s)
    return max(
        (
            bisect.bisect_left(times, at_s + window_s - 1e-6) - number
            for number, at_s in enumerate(times)
        ),
        default=0,
    )


class Left(NamedTuple):
    """A call that left."""

    at_s: float
    track: Track
    asked: bool
    running: int


@dataclass(repr=False)
class Greedy:
    """Sends every kind of call in turn, as soon as it may leave; a call is answered in its time.

    Attributes:
        answer: to a call that arrives; `asked`: it asked for the limits.
        calls: the kinds that there is something to do for.
        export_s: how long an export runs that was started.
        exports_running: how many the service lets run at once in a project.
        left: every call, in order; `refused`: those among them that were.
        waited_s: the longest that was waited with nothing under way.
    """

    answer: Callable[[Track, float, bool], Answer]
    calls: Sequence[Call] = (POST,)
    known: Prior = field(default_factory=Prior)
    share: float = 1.0
    latency_s: float = 0.02
    projects: Sequence[str] = ("p0",)
    requests_per_second: float | None = None
    export_s: float = 0.0
    exports_running: float = math.inf
    now_s: float = 0.0
    left: list[Left] = field(default_factory=list)
    refused: list[Left] = field(default_factory=list)
    news: list[Finding] = field(default_factory=list)
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.known)
        self.tracks = [
            self.pacer.track(call, scopes(call, project), share=self.share)
            for project in self.projects
            for call in Call
        ]
        for track in self.tracks if self.requests_per_second is not None else ():
            self.pacer.limit(track, self.requests_per_second or 0.0)
        self.pacer.start_slowly(self.tracks)
        self._senders = [track for track in self.tracks if track.call in self.calls]
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = itertools.count()
        self._turn = 0
        self._under_way = 0
        self._exporting: Counter[int] = Counter()

    def run(self, until_s: float, most: float = math.inf) -> Self:
        """Send until a time, or until `most` calls have left in all."""
        while self.now_s < until_s and len(self.left) < most:
            while self._may_send and len(self.left) < most and self._send():
                pass
            self._wait(until_s)
        return self

    def of(self, *calls: Call, project: str | None = None) -> list[float]:
        """Return when calls left, of some kinds or all, of one project or all."""
        return [
            left.at_s
            for left in self.left
            if (not calls or left.track.call in calls)
            and project in (None, left.track.of(ScopeKind.PROJECT).scope.name)
        ]

    def let_through(self) -> list[float]:
        """Return when those calls left that were not refused."""
        refused = {id(left) for left in self.refused}
        return [left.at_s for left in self.left if id(left) not in refused]

    @property
    def _may_send(self) -> bool:
        return self._under_way < MOST_UNDER_WAY

    def _send(self) -> bool:
        for number in range(len(self._senders)):
            track = self._senders[(self._turn + number) % len(self._senders)]
            if self.pacer.next_at(track) <= self.now_s:
                self._turn = (self._turn + number + 1) % len(self._senders)
                left = Left(self.now_s, track, self.pacer.asks(track, self.now_s), track.running)
                self.left.append(left)
                self.pacer.sent(track, self.now_s)
                track.running += track.call is POST
                self._under_way += 1
                self._at(self.now_s + self.latency_s / 2, self._arrive, left)
                return True
        return False

    def _wait(self, until_s: float) -> None:
        next_s = min(self.pacer.next_at(track) for track in self._senders)
        if not self._agenda:
            assert next_s < math.inf, "nothing is under way, and nothing may ever leave"
            self.waited_s = max(self.waited_s, next_s - self.now_s)
        if not self._may_send or next_s <= self.now_s:
            next_s = math.inf
        next_s = min(next_s, self._agenda[0][0] if self._agenda else math.inf)
        self.now_s = min(until_s, max(self.now_s, next_s))
        while self._agenda and self._agenda[0][0] <= self.now_s:
            _, _, what, about = heapq.heappop(self._agenda)
            what(*about)

    def _at(self, at_s: float, what: Callable[..., None], *about: object) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._order), what, about))

    def _arrive(self, left: Left) -> None:
        track = left.track
        if track.call is POST and self._exporting[id(track)] >= self.exports_running:
            answer: Answer = throttled()
        else:
            answer = self.answer(track, self.now_s, left.asked)
        if track.call is POST and isinstance(answer, ResponseMetadata):
            self._exporting[id(track)] += 1
        self._at(self.now_s + self.latency_s / 2, self._hear, left, answer)

    def _hear(self, left: Left, answer: Answer) -> None:
        pacer, track, now_s = self.pacer, left.track, self.now_s
        self._under_way -= 1
        if track.call is POST and isinstance(answer, ResponseMetadata):
            self._at(now_s + self.export_s, self._export_ended, track)
        else:
            track.running -= track.call is POST
        if answer is None:
            pacer.lost(track, left.at_s)
        elif isinstance(answer, Problem):
            self.refused.append(left)
            self.news += pacer.throttled(track, answer, left.at_s, now_s, running=left.running)
        else:
            self.news += pacer.passed(track, answer.limits, left.at_s, now_s, running=left.running)

    def _export_ended(self, track: Track) -> None:
        track.running -= 1
        self._exporting[id(track)] -= 1


class Gate:
    """Answers as a gateway does that keeps `limits`, and tells of them what its shape says.

    Attributes:
        shape: bare, retry_after, named, words or headers, as in `benchmarks.pacing.service`.
        refuses_all: whether everything is refused at a time, whatever the limits.
    """

    def __init__(
        self,
        *limits: Limit,
        shape: str = "bare",
        refuses_all: Callable[[Track, float], bool] = lambda _track, _at_s: False,
    ) -> None:
        self._gateway = Gateway(
            limits, exports_running=None, scopes=lambda project, call: scopes(call, f"p{project}"),
            seed=1,
        )  # fmt: skip
        self.shape = shape
        self.refuses_all = refuses_all

    def __call__(self, track: Track, at_s: float, asked: bool) -> Answer:
        """Return the answer to a call that arrives."""
        project = int(track.of(ScopeKind.PROJECT).scope.name[1:] or 0)
        blocked_by = self._gateway.blocks(project, track.call, at_s)
        if self.refuses_all(track, at_s):
            return throttled()
        if isinstance(blocked_by, Quota):
            return self._refusal(blocked_by, at_s)
        self._gateway.take(project, track.call, at_s, 0.0)
        if self.shape != "headers" or not asked:
            return NO_METADATA
        quotas = self._gateway.quotas(project, track.call)
        return ResponseMetadata(tuple(self._told(quota, at_s) for quota in quotas))

    def _refusal(self, quota: Quota, at_s: float) -> Problem:
        match self.shape:
            case "words":
                return throttled(told(quota.limit, quota.spec.window_s, quota.spec.kind),
                                 throttled_by=quota.spec.kind)  # fmt: skip
            case "headers":
                return throttled(
                    ResponseMetadata((self._told(quota, at_s),)), throttled_by=quota.spec.kind
                )
            case "retry_after":
                return throttled(retry_after_s=math.ceil(quota.free_at(at_s) - at_s))
            case "named":
                return throttled(throttled_by=quota.spec.kind)
            case _:
                return throttled()

    def _told(self, quota: Quota, at_s: float) -> LimitTold:
        return LimitTold(quota.spec.kind, quota.limit, quota.spec.window_s, quota.remaining(at_s))


def told(
    limit: int,
    window_s: float = 1.0,
    kind: ScopeKind = ScopeKind.USER,
    remaining: int | None = None,
) -> ResponseMetadata:
    """Return what an answer tells that states a limit."""
    return ResponseMetadata((LimitTold(kind, limit, window_s, remaining),))


def throttled(metadata: ResponseMetadata = NO_METADATA, **facts: object) -> Problem:
    """Return a 429."""
    return problem(ProblemKind.THROTTLED, metadata=metadata, **facts)


def rate(times: Iterable[float], since_s: float, until_s: float) -> float:
    """Return how many of `times` lie in a stretch, a second."""
    return sum(since_s <= at_s < until_s for at_s in times) / (until_s - since_s)
