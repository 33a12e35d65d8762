"""The services' clocks, as far as signatures need them: a signature's time must be the service's.

The gateway refuses a signature whose time is more than 15 minutes from its own. Where this
machine's clock is off, signatures follow the service's, which its answers tell.
"""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.providers.http.times import TRUNCATED_S, date_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.providers.http.replies import Reply

FOLLOWED_FROM_S: Final = 60.0
"""Clocks that differ by less are taken for the same: signatures have 15 minutes."""
LOOKED_AT_EVERY_S: Final = 60.0
ACCEPTED_WITHIN_S: Final = 960.0
"""A service that has accepted a signature has no clock that is further from the signature's: 15
minutes, and one for the answer."""

# Gateway manual: `signature expired, signature time:20230527T000431Z,server time:20230527T020608Z`.
_SERVER_TIME: Final = re.compile(r"server time\s*[:=]\s*(\d{8}T\d{6})Z", re.ASCII | re.IGNORECASE)
_log = logging.getLogger(__name__)


class ServiceClock:
    """The clock of one service.

    Args:
        name: the service's, for a person.
        wall_s: this machine's clock, in Unix seconds.

    Attributes:
        ahead_s: how far it is ahead of this machine's; 0 where the two are as good as one.
    """

    def __init__(self, name: str, wall_s: Callable[[], float] = time.time) -> None:
        self.ahead_s = 0.0
        self._name = name
        self._wall_s = wall_s
        self._next_look_s = float("-inf")
        self._told = False

    def now_s(self) -> float:
        """Return the service's time in Unix seconds."""
        return self._wall_s() + self.ahead_s

    def look(
        self,
        reply: Reply,
        words: str = "",
        *,
        closely: bool = False,
        accepted_s: float | None = None,
    ) -> None:
        """Learn from an answer what time it is there.

        Args:
            reply: the answer.
            words: of a refusal, which may name the time.
            closely: look also where another answer was looked at a moment ago.
            accepted_s: how far ahead a signature's time was that the answer accepts. A `Date` that
                is far from it is another clock's: a proxy's, or that of a page that was kept.
        """
        here_s = self._wall_s()
        if not closely and abs(here_s - self._next_look_s) < LOOKED_AT_EVERY_S:
            return
        there_s = _time_in(words)
        if there_s is None:
            there_s = date_s(reply.headers)
        if there_s is None:
            return
        self._next_look_s = here_s
        ahead_s = there_s + TRUNCATED_S - here_s
        if accepted_s is not None and abs(ahead_s - accepted_s) > ACCEPTED_WITHIN_S:
            return
        if abs(ahead_s - self.ahead_s) > FOLLOWED_FROM_S:
            self._follow(ahead_s)

    def _follow(self, ahead_s: float) -> None:
        is_off = abs(ahead_s) > FOLLOWED_FROM_S
        self.ahead_s = ahead_s if is_off else 0.0
        if is_off and not self._told:
            self._told = True
            which = "behind" if ahead_s > 0 else "ahead of"
            _log.warning(
                f"this machine's clock is {abs(ahead_s):.0f} s {which} that of {self._name}; "
                "signatures follow the service's clock; set this machine's clock by NTP"
            )


def _time_in(words: str) -> float | None:
    found = _SERVER_TIME.search(words)
    if found is None:
        return None
    try:
        return datetime.strptime(f"{found[1]}+0000", "%Y%m%dT%H%M%S%z").astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
