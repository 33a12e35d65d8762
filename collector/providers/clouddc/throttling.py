"""What the gateway tells about limits: in a 429's words, in debug headers, by Retry-After.

API reference, gateway manual: a 429 says `The throttling threshold has been reached: policy user
over ratelimit,limit:10,time:1 second`; with `X-Apig-Mode: debug` in the request an answer carries,
for each policy, `X-Apig-RateLimit-api|user|app|ip|api-allenv: remain:9,limit:10,time:10 second`.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from multidict import istr

from collector.engine.answers import LimitTold, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICE_THROTTLES: Final = "iMetal.0005"
"""The service's own code for too many requests: it counts by project, and says no limit."""

LARGEST_LIMIT: Final = 1_000_000
LONGEST_WINDOW_S: Final = 86_400.0
LONGEST_RETRY_AFTER_DIGITS: Final = 9
RETRY_AFTER: Final = istr("Retry-After")
DATE: Final = istr("Date")

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
_UNITS_S: Final[Mapping[str, float]] = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
}
_POLICY = re.compile(r"\bpolicy\s*:?\s*(api-allenv|api|user|app|ip)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\blimit\s*[:=]\s*(\d{1,9})\b", re.IGNORECASE)
_TIME = re.compile(r"\btime\s*[:=]\s*(\d{1,9})\s*(second|minute|hour|day)s?\b", re.IGNORECASE)
_REMAIN = re.compile(r"\bremain\s*[:=]\s*(\d{1,9})\b", re.IGNORECASE)
_SECONDS = re.compile(rf"\d{{1,{LONGEST_RETRY_AFTER_DIGITS}}}(\.\d{{1,9}})?", re.ASCII)


def throttled_by(code: str | None, words: str) -> ScopeKind | None:
    """Return the scope that a 429 names; None for a bare one."""
    policy = _POLICY.search(words)
    if policy is not None:
        return _POLICIES[policy[1].lower()]
    if code is not None and code.casefold() == SERVICE_THROTTLES.casefold():
        return ScopeKind.PROJECT
    return None


def limits_told(headers: Mapping[str, str], words: str = "") -> tuple[LimitTold, ...]:
    """Return the limits that an answer tells, at most one for each scope.

    Where two policies share a scope, the tighter one binds. What cannot be meant (a limit of 0, a
    window of a thousand years) is left out.

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


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for; None without it, or where it is nonsense.

    RFC 9110: seconds, or a date. A date is read against the answer's own, so that this machine's
    clock does not matter, and one in the past is 0.
    """
    value = headers.get(RETRY_AFTER)
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    until_s, now_s = http_date_s(value), http_date_s(headers.get(DATE, ""))
    if until_s is None or now_s is None:
        return None
    return max(0.0, until_s - now_s)


def http_date_s(value: str) -> float | None:
    """Return an HTTP date in Unix seconds; None where it is none."""
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _limit_told(kind: ScopeKind, words: str) -> LimitTold | None:
    limit, time, remain = (pattern.search(words) for pattern in (_LIMIT, _TIME, _REMAIN))
    if limit is None or time is None:
        return None
    calls = int(limit[1])
    window_s = int(time[1]) * _UNITS_S[time[2].lower()]
    if not (1 <= calls <= LARGEST_LIMIT and 0 < window_s <= LONGEST_WINDOW_S):
        return None
    return LimitTold(kind, calls, window_s, None if remain is None else int(remain[1]))


def _tightest(told: Iterable[LimitTold]) -> tuple[LimitTold, ...]:
    by_kind: dict[ScopeKind, LimitTold] = {}
    for one in told:
        other = by_kind.get(one.kind)
        if other is None or one.limit / one.window_s < other.limit / other.window_s:
            by_kind[one.kind] = one
    return tuple(by_kind.values())
