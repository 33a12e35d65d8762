"""Whether two kinds of call share a limit: after a refusal, a call of another kind goes alone.

A limit on exports, or on exports that run at once, refuses exports at any rate of the account. So
a refused export is followed by a status. If that is let through, and an export right after it is
refused, and the same happens again, the two are not under the same limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.model.answers import Call, Scope

if TYPE_CHECKING:
    from collections import deque

    from collector.engine.pacing.inference import Refusal
    from collector.engine.pacing.scope import ScopePace
    from collector.engine.pacing.tracks import Track

CLOSE_S = 0.05
"""Two calls so close together, one let through and one refused, are hardly under the same limit:
ten calls a second leave farther apart."""
CONFIRMATIONS = 2
"""So many times in a row, and they are not: once may be a token that has just come free."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A refusal that may be about one kind of call alone: the next test tells."""

    track: Track
    refusal: Refusal
    refusals: deque[Refusal]
    candidates: list[ScopePace]


class KindTests:
    """The tests of each scope that has refused a call for no known reason."""

    def __init__(self) -> None:
        self._passed: dict[Scope, tuple[Call, float]] = {}
        self._suspects: dict[Scope, Suspect] = {}
        self._confirmations: dict[Scope, int] = {}
        self._to_confirm: set[Scope] = set()
        self._inconclusive: set[Scope] = set()

    def is_to_be_confirmed(self, pace: ScopePace) -> bool:
        """Whether another test of the same kind is wanted."""
        return pace.scope in self._to_confirm

    def suspects(self, scope: Scope, suspect: Suspect, *, worth_a_test: bool) -> bool:
        """Whether the next call, of another kind, is to tell if the two share a limit at all.

        Args:
            scope: the one that is blamed for the refusal.
            suspect: the refusal.
            worth_a_test: whether it is a surprise, and there is another kind to test it with.
        """
        untested = self._suspects.pop(scope, None) is None and scope not in self._inconclusive
        self._to_confirm.discard(scope)
        preceded = self._is_preceded(scope, suspect.track, suspect.refusal.sent_s)
        if preceded or (worth_a_test and untested):
            self._suspects[scope] = suspect
            return True
        self._confirmations.pop(scope, None)
        self._inconclusive.discard(scope)
        return False

    def _is_preceded(self, scope: Scope, track: Track, sent_s: float) -> bool:
        """Whether another kind of call was let through just before one that was refused."""
        call, passed_s = self._passed.pop(scope, (track.call, -math.inf))
        return call is not track.call and sent_s - passed_s < _close_s(track)

    def passed(self, track: Track, pace: ScopePace, sent_s: float) -> Suspect | None:
        """Record a call that went alone and was let through.

        Returns:
            What has been shown to be about its own kind of call alone; None if nothing was.
        """
        scope = pace.scope
        pace.exports_next = track.call is not Call.START_EXPORT
        self._passed[scope] = track.call, sent_s
        suspect = self._suspects.pop(scope, None)
        if track.call is Call.START_EXPORT:
            self._to_confirm.discard(scope)
        if suspect is None or suspect.track.call is track.call:
            return None
        if sent_s - suspect.refusal.sent_s > _close_s(track):
            self._inconclusive.add(scope)  # it came too late to tell anything
            return None
        self._confirmations[scope] = self._confirmations.get(scope, 0) + 1
        if self._confirmations[scope] < CONFIRMATIONS:
            self._to_confirm.add(scope)
            return None
        del self._confirmations[scope]
        return suspect


def _close_s(track: Track) -> float:
    """Return the longest time between two calls of which one waited for the other's answer."""
    gap_s = max((pace.gap_s for pace in track.binding), default=0.0)
    return CLOSE_S + 2 * track.latency.mean_s + min(1.0, gap_s)
