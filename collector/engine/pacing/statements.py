"""Which limits that a service states are believed.

A statement that cannot be meant is not. Neither is a header that states more than refusals have
shown: it is ignored for a while, twice as long each time that it was refuted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.model.answers import LimitTold

FASTEST = 10_000.0
"""Calls a second; whoever states more states no limit."""
LONGEST_WINDOW_S = 86_400.0
IGNORED_S = 60.0
"""How long headers are ignored that refusals have refuted more than once; longer each time."""


def can_be_meant(told: LimitTold) -> bool:
    """Tell whether there can be such a limit."""
    plausible = told.limit >= 1 and 0 < told.window_s <= LONGEST_WINDOW_S
    return plausible and told.limit <= FASTEST * max(1.0, told.window_s)


class HeaderTrust:
    """Whether the headers of one scope are believed."""

    __slots__ = ("_ignored_until_s", "_refuted")

    def __init__(self) -> None:
        self._refuted = 0
        self._ignored_until_s = -math.inf

    def contradicted(self, now_s: float) -> None:
        """Ignore headers that a refusal has contradicted, from the second time on."""
        self._ignored_until_s = now_s + IGNORED_S * (2.0**self._refuted - 1)
        self._refuted = min(self._refuted + 1, 10)

    def refuted(self, now_s: float) -> None:
        """Ignore headers that refusals have refuted, though none stated the limit."""
        self._refuted = min(self._refuted + 1, 10)
        self._ignored_until_s = now_s + IGNORED_S * 2.0**self._refuted

    def is_lost(self, now_s: float) -> bool:
        """Whether they are ignored now."""
        return now_s < self._ignored_until_s
