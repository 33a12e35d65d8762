"""Times in headers: HTTP dates, and how long Retry-After asks to wait (RFC 9110)."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from multidict import istr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_NUMBER: Final = 1e15
"""A number beyond it is read as this one, so that what is reckoned from it stays finite."""

CLOCK_EVERY_S: Final = 60.0
"""How often an endpoint's clock is looked at: two clocks do not drift apart faster."""

TRUNCATED_S: Final = 0.5
"""What an HTTP date, which names the second that began, lacks on average."""

EARLIEST_DATE_S: Final = 1_704_067_200.0
LATEST_DATE_S: Final = 4_102_444_800.0
"""Dates of answers before 2024 or from 2100 on are no clock's: one that was never set, or a page's
that was kept."""

NUMBER: Final = r"([+-]?\d+(?:\.\d+)?)"
_RETRY_AFTER: Final = istr("Retry-After")
_DATE: Final = istr("Date")
_SECONDS = re.compile(NUMBER, re.ASCII)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks for; None without it, or where it says no time.

    RFC 9110: seconds, or a date. A date is read against the answer's own, so that this machine's
    clock does not matter, and one in the past is 0. Seconds are as they were said, below 0 too:
    whether a time can be meant is for the engine to judge.
    """
    value = headers.get(_RETRY_AFTER)
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return bounded(value)
    until_s, now_s = http_date_s(value), http_date_s(headers.get(_DATE, ""))
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


def date_s(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by the clock of whoever gave it, in Unix seconds.

    None where it does not tell, or its clock cannot be right.
    """
    said_s = http_date_s(headers.get(_DATE, ""))
    return said_s if said_s and EARLIEST_DATE_S <= said_s < LATEST_DATE_S else None


def bounded(text: str) -> float:
    """Return a finite number: what has hundreds of digits is infinite before it is bounded."""
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, float(text)))


class ClockOffset:
    """How far this machine's clock is from one endpoint's, looked at now and then.

    Args:
        wall_s: this machine's clock, in Unix seconds.
        steady_s: a clock that only goes on.
    """

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._steady_s = steady_s
        self._next_look_s = float("-inf")

    def of(self, headers: Mapping[str, str]) -> float | None:
        """Return this machine's clock less that of an answer; None where it was not looked at."""
        now_s = self._steady_s()
        if now_s < self._next_look_s:
            return None
        there_s = date_s(headers)
        if there_s is None:
            return None
        self._next_look_s = now_s + CLOCK_EVERY_S
        return self._wall_s() - (there_s + TRUNCATED_S)
