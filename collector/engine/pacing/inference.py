"""Infers a limit from refusals that state none: whose it is, how many calls, in what window.

Every call that was let through says "fewer than N were counted", every one that was refused "N
were". So a guess of who shares a limit and how long its window is has a bound from either side,
and is dropped when the two contradict each other. Of the guesses that are left the one with the
shortest window is taken, since it is the one that is tested soonest.

A limit on exports that run at once is one more guess. It refuses exports alone, at any rate: so
after a refusal a status is asked first. Where that passes and an export is refused still, no limit
is meant that the two share.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.model.answers import ScopeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from collector.model.answers import Scope

FEWEST: Mapping[float, int] = {1.0: 1, 10.0: 5, 60.0: 15}
"""Windows that are thought of, and the fewest calls that are a limit there. A long window explains
any refusal where hardly any call was made; then it is better to wait a little, ever longer. So it
is for limits by the hour: they cost one refusal a minute, and a wrong guess would cost an hour."""
WINDOWS_S = tuple(FEWEST)
REFUSALS_KEPT = 8
"""So many of a scope's refusals, the latest, are looked at; with 4 or 16 nothing changes."""
ROUNDED_UP_S = 1.0
"""A wait is told in whole seconds."""
TOLERANCE = 0.15
"""Counts are of calls that leave, and those that arrive differ by so much."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused without a reason.

    Attributes:
        sent_s: when it left.
        scopes: those it passed.
        exports: how many exports ran in its project, if it was to start one more; else None.
        alone: other kinds of call were let through just before and just after.
        wait_s: how long to wait, if the refusal said so; no window is much shorter.
    """

    sent_s: float
    scopes: frozenset[Scope]
    exports: int | None
    alone: bool
    wait_s: float = 0.0

    def of(self, kind: ScopeKind) -> Scope:
        """Return the scope of a kind that it passed."""
        return next(scope for scope in self.scopes if scope.kind is kind)


@dataclass(frozen=True, slots=True)
class Guess:
    """An explanation: `limit` calls in `window_s`."""

    scope: Scope
    limit: int
    window_s: float


@dataclass(frozen=True, slots=True)
class ExportsGuess:
    """Another explanation: `limit` exports that run at once."""

    scope: Scope
    limit: int


def infer(
    refusals: Sequence[Refusal],
    candidates: Sequence[Scope],
    *,
    calls_of: Callable[[Scope], list[float]],
    exports_of: Scope,
    most_exports: int,
    shortest_s: float = 0.0,
    ruled_out: Collection[tuple[Scope, float]] = (),
) -> Guess | ExportsGuess | None:
    """Return the first guess that no answer contradicts; None if there is none.

    Args:
        refusals: the latest ones; the last is the one to be explained.
        candidates: scopes that may share the limit, the widest first.
        calls_of: when calls of a scope left that were let through, in order.
        exports_of: whose exports are counted.
        most_exports: the most exports that ran when one more was let through.
        shortest_s: no shorter window is thought of; those were ruled out before.
        ruled_out: scopes and windows that are not thought of either.
    """
    alone = any(refusal.alone for refusal in refusals)
    by_call = [scope for scope in candidates if scope.kind is ScopeKind.API]
    scopes = by_call if alone and by_call else candidates
    least_s = max(shortest_s, max(refusal.wait_s for refusal in refusals) - ROUNDED_UP_S)
    windows_s = [window_s for window_s in WINDOWS_S if window_s >= least_s]
    if alone:
        exports = _exports(refusals, exports_of)
        if exports is not None and most_exports <= exports.limit:
            return exports
    nested = [scope for scope in scopes if scope not in by_call]
    guesses = itertools.chain(
        ((scope, window_s) for window_s in windows_s for scope in nested),
        ((scope, window_s) for scope in by_call for window_s in windows_s),
    )
    for scope, window_s in guesses:
        if scope in scopes and (scope, window_s) not in ruled_out:
            guess = _each(refusals, scope, calls_of, window_s)
            if guess is not None:
                return guess
    return None


def _exports(refusals: Sequence[Refusal], scope: Scope) -> ExportsGuess | None:
    counts = [refusal.exports for refusal in refusals if scope in refusal.scopes]
    known = [count for count in counts if count is not None]
    if len(known) < len(refusals) or min(known) < 1:
        return None
    return ExportsGuess(scope, min(known))


def _each(
    refusals: Sequence[Refusal],
    scope: Scope,
    calls_of: Callable[[Scope], list[float]],
    window_s: float,
) -> Guess | None:
    """Return the guess that each scope of a kind has a limit of its own, if it can be."""
    if scope.kind is ScopeKind.API:
        return explained(refusals, scope, calls_of(scope), window_s)
    by_scope: dict[Scope, list[Refusal]] = {}
    for refusal in refusals:
        by_scope.setdefault(refusal.of(scope.kind), []).append(refusal)
    found = {
        one: explained(own[-REFUSALS_KEPT:], one, calls_of(one), window_s)
        for one, own in by_scope.items()
    }
    return found.get(scope) if all(found.values()) else None


def explained(
    refusals: Sequence[Refusal], scope: Scope, calls: list[float], window_s: float
) -> Guess | None:
    """Return the guess that the window has this length, if it can be."""
    if not all(scope in refusal.scopes for refusal in refusals):
        return None
    refused_s = [refusal.sent_s for refusal in refusals]
    since_s = min(refused_s) - window_s
    limit = min(_count(calls, at_s - window_s, at_s) for at_s in refused_s)
    most = max(
        (
            number - bisect.bisect_right(calls, sent_s - window_s)
            for number, sent_s in enumerate(calls)
            if sent_s > since_s
        ),
        default=0,
    )
    if limit < FEWEST[window_s] or most > _at_most(limit):
        return None
    return Guess(scope, limit, window_s)


def _count(calls: list[float], after_s: float, until_s: float) -> int:
    return bisect.bisect_right(calls, until_s) - bisect.bisect_right(calls, after_s)


def _at_most(limit: int) -> float:
    """Return how many calls may seem to have been let through where `limit` are."""
    return limit * (1 + TOLERANCE) + 1
