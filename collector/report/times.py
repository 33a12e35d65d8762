"""Times as journals write them, and lengths of time in words."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def unix_s(at: str) -> float | None:
    """Return the Unix seconds of a time that a journal wrote; None if it is none, or is missing."""
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()


def seconds_between(since: str, until: str) -> float | None:
    """Return the seconds between two times; None where a clock was set back, or one is no time."""
    try:
        elapsed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    except (ValueError, TypeError):  # TypeError: only one of them knows its zone
        return None
    seconds = round(elapsed.total_seconds(), 1)
    return seconds if seconds >= 0 else None


def written(now: datetime) -> str:
    """Return a time as a journal writes it."""
    utc = now.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def lasting(seconds: float) -> str:
    """Return a length of time in its two largest units, as text: `2 h 5 min`."""
    left = max(0, round(seconds))
    for place, (unit_s, unit) in enumerate(_UNITS[:-1]):
        if left >= unit_s:
            number, rest = divmod(left, unit_s)
            smaller_s, smaller = _UNITS[place + 1]
            small = rest // smaller_s
            return f"{number} {unit} {small} {smaller}" if small else f"{number} {unit}"
    return f"{left} s"
