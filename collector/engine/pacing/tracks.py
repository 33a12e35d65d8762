"""Tracks: the calls of one kind for one project, and the scopes that pace them."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from collector.engine.pacing.concurrency import ExportsLimit
    from collector.engine.pacing.latency import Latency
    from collector.engine.pacing.scope import ScopePace
    from collector.model.answers import Call, Scope, ScopeKind


@dataclass(slots=True)
class Track:
    """The calls of one kind for one project: all of them pass the same scopes.

    Attributes:
        sent: when those that were not refused left, in order.
        binding: the paces among its scopes' that may hold a call up.
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
    binding: tuple[ScopePace, ...] = ()
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


class Tracks:
    """Every track, by the scopes that its calls pass.

    Attributes:
        paces: those of all scopes.
    """

    def __init__(self) -> None:
        self.paces: dict[Scope, ScopePace] = {}
        self._of: dict[Scope, list[Track]] = {}

    def add(self, track: Track) -> None:
        """Make a track known, whose paces are known."""
        for scope in track.scopes:
            self._of.setdefault(scope, []).append(track)
        for pace in track.paces:
            pace.bound = pace.binds
        self._bind(track)

    def of(self, scope: Scope) -> list[Track]:
        """Return the tracks whose calls pass a scope."""
        return self._of[scope]

    def sent_of(self, scope: Scope, since_s: float = -math.inf) -> list[float]:
        """Return when the calls of a scope left after a time that were not refused, in order."""
        return list(heapq.merge(*(_after(track.sent, since_s) for track in self._of[scope])))

    def rebind(self, paces: Iterable[ScopePace]) -> None:
        """Find out which of these may hold up which calls, where that has changed."""
        for pace in paces:
            if pace.binds != pace.bound:
                pace.bound = pace.binds
                for track in self._of[pace.scope]:
                    self._bind(track)

    def _bind(self, track: Track) -> None:
        track.binding = tuple(pace for pace in track.paces if pace.binds)


def _after(times: deque[float], since_s: float) -> deque[float] | list[float]:
    """Return the latest of times in order: few of many, as a rule."""
    if since_s == -math.inf:
        return times
    latest = list(itertools.takewhile(lambda at_s: at_s > since_s, reversed(times)))
    latest.reverse()
    return latest
