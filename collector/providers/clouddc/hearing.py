"""What answers tell beside their content: limits, and how far apart the clocks are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from collector.model.answers import NO_METADATA, ResponseMetadata
from collector.providers.clouddc.throttling import DATE, http_date_s, limits_told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLOCK_EVERY_S: Final = 60.0
"""How often an endpoint's clock is looked at: two clocks do not drift apart faster."""

TRUNCATED_S: Final = 0.5
"""What an HTTP date, which names the second that began, lacks on average."""


class Hearing:
    """Listens to one endpoint.

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

    def heard(self, headers: Mapping[str, str], words: str = "") -> ResponseMetadata:
        """Return what an answer tells.

        Args:
            headers: its headers.
            words: of a refusal, for a person.
        """
        limits = limits_told(headers, words)
        offset_s = self._clock_offset_s(headers)
        if offset_s is None and not limits:
            return NO_METADATA
        return ResponseMetadata(limits, offset_s)

    def _clock_offset_s(self, headers: Mapping[str, str]) -> float | None:
        now_s = self._steady_s()
        if now_s < self._next_look_s:
            return None
        date_s = http_date_s(headers.get(DATE, ""))
        if date_s is None:
            return None
        self._next_look_s = now_s + CLOCK_EVERY_S
        return self._wall_s() - (date_s + TRUNCATED_S)
