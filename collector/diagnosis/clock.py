"""The clock: its zone, and whether it is kept right. Signatures need it right to 15 minutes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

_SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")
_TIMEX_BYTES: Final = 1024
"""More than Linux's `struct timex` has."""
_UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC."""
_ADVICE: Final = (
    "compare it with another clock (date -u); signed requests are refused if it is 15 minutes off"
)
_OLDEST_YEAR: Final = 2026
"""This program was written then: no clock that is right shows an earlier one."""


def zone(around: Around) -> Iterator[Item]:
    """Yield the time and its zone."""
    now = datetime.now(UTC).astimezone()
    offset = now.strftime("%z")
    named = around.environ.get("TZ")
    text = f"{now.tzname()} (UTC{offset[:3]}:{offset[3:]})"
    if named:
        text += f", TZ={named}"
    yield Item("time zone", f"{text}; times in runs are UTC")
    utc = datetime.now(UTC)
    text = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    if utc.year < _OLDEST_YEAR:
        yield Item("time", text, Verdict.PROBLEM, f"set the clock; {_ADVICE}")
    else:
        yield Item("time", text)


def synchronised(_: Around) -> Iterator[Item]:
    """Yield whether the clock is kept right, where the system says so at once."""
    found = _kept_right()
    if found is None:
        yield Item("clock synchronised", "not known here", Verdict.NOTE, _ADVICE)
    elif found:
        yield Item("clock synchronised", "yes")
    else:
        advice = f"start a time service (timedatectl set-ntp true); {_ADVICE}"
        yield Item("clock synchronised", "no", Verdict.NOTE, advice)


def _kept_right() -> bool | None:
    if not sys.platform.startswith("linux"):
        return None
    if _SYNCHRONISED.exists():
        return True
    import ctypes  # noqa: PLC0415  # only here

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    told = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: nothing is set
    if adjtimex(told) < 0:
        return None
    before_status = 5 * ctypes.sizeof(ctypes.c_long)  # modes with its padding, and four longs
    status = ctypes.c_int.from_buffer(told, before_status).value
    return not status & _UNSYNCHRONISED
