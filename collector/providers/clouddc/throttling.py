"""What the gateway tells about limits: in a 429's words, and in debug headers.

API reference, gateway manual: a 429 says `The throttling threshold has been reached: policy user
over ratelimit,limit:10,time:1 second`; with `X-Apig-Mode: debug` in the request an answer carries,
for each policy, `X-Apig-RateLimit-api|user|app|ip|api-allenv: remain:9,limit:10,time:10 second`.

What can be read is passed on, a limit of 0 too: whether it can be meant is for the engine to judge,
which says so where it cannot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from multidict import istr

from collector.model.answers import LimitTold, ScopeKind
from collector.providers.http.times import NUMBER, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICE_THROTTLES: Final = "iMetal.0005"
"""The service's own code for too many requests: it says neither whose limit it is nor how many."""

LONGEST_WINDOW_S: Final = 86_400.0

# The default for all environments together is a limit on one API like the others of that name.
_POLICIES: Final[Mapping[str, ScopeKind]] = {
    "api": ScopeKind.API,
    "api-allenv": ScopeKind.API,
    "user": ScopeKind.USER,
    "app": ScopeKind.APP,
    "ip": ScopeKind.IP,
}
_HEADERS: Final = tuple(
    (istr(f"X-Apig-RateLimit-{policy}"), kind) for policy, kind in _POLICIES.items()
)
_SPELLINGS_S: Final[Mapping[tuple[str, ...], float]] = {
    ("second", "seconds", "sec", "secs", "s"): 1.0,
    ("minute", "minutes", "min", "mins"): 60.0,
    ("hour", "hours", "hr", "hrs", "h"): 3600.0,
    ("day", "days", "d"): 86_400.0,
}
_UNITS_S: Final[Mapping[str, float]] = {
    unit: seconds for units, seconds in _SPELLINGS_S.items() for unit in units
}
_FLAGS: Final = re.IGNORECASE | re.ASCII
_POLICY = re.compile(r"\bpolicy\s*[:=]?\s*(api-allenv|api|user|app|ip)\b", _FLAGS)
_LIMIT = re.compile(rf"\blimit\s*[:=]\s*{NUMBER}\b", _FLAGS)
_TIME = re.compile(rf"\btime\s*[:=]\s*{NUMBER}\s*({'|'.join(_UNITS_S)})\b", _FLAGS)
_REMAIN = re.compile(r"\bremain\s*[:=]\s*(\d+)\b", _FLAGS)


def throttled_by(words: str) -> ScopeKind | None:
    """Return the scope that a 429 names; None for one that names none."""
    policy = _POLICY.search(words)
    return None if policy is None else _POLICIES[policy[1].lower()]


def limits_told(headers: Mapping[str, str], words: str = "") -> tuple[LimitTold, ...]:
    """Return the limits that an answer tells, at most one for each scope.

    Where two policies share a scope, the tighter one binds. One that cannot be meant (a limit of
    0, a window of a thousand years) is told where the scope has no other.

    Args:
        headers: the answer's.
        words: what a 429 says.
    """
    told = [
        limit
        for name, kind in _HEADERS
        if (value := headers.get(name)) is not None
        and (limit := _limit_told(kind, value)) is not None
    ]
    policy = _POLICY.search(words)
    if policy is not None:
        limit = _limit_told(_POLICIES[policy[1].lower()], words)
        if limit is not None:
            told.append(limit)
    return _tightest(told) if told else ()


def _limit_told(kind: ScopeKind, words: str) -> LimitTold | None:
    limit, time, remain = (pattern.search(words) for pattern in (_LIMIT, _TIME, _REMAIN))
    if limit is None or time is None:
        return None
    remaining = None if remain is None else int(bounded(remain[1]))
    window_s = bounded(time[1]) * _UNITS_S[time[2].lower()]
    return LimitTold(kind, int(bounded(limit[1])), window_s, remaining)


def _tightest(told: Iterable[LimitTold]) -> tuple[LimitTold, ...]:
    by_kind: dict[ScopeKind, LimitTold] = {}
    for one in told:
        other = by_kind.get(one.kind)
        if other is None or _slowness(one) > _slowness(other):
            by_kind[one.kind] = one
    return tuple(by_kind.values())


def _slowness(told: LimitTold) -> float:
    """Return the seconds a call may take up; below 0 for what cannot be meant."""
    can_be_meant = told.limit >= 1 and 0 < told.window_s <= LONGEST_WINDOW_S
    return told.window_s / told.limit if can_be_meant else -1.0
