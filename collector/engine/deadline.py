"""Whether all that is left can be brought home by the deadline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.answers import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.answers import Scope
    from collector.engine.lanes import Lane
    from collector.engine.pacing import Pacer

LOOKS_APART_S = 1.0
CALLS_LEFT = {Call.START_EXPORT: 3, Call.ASK_STATUS: 2, Call.FETCH_ARCHIVE: 1}
"""Calls that a server still needs, by the one it waits for."""


class Deadline:
    """A deadline is *tight* where a known limit does not let all remaining calls through by then.

    Then every call for what can be home soon goes before the start of one more export.

    Args:
        deadline_s: on the engine's clock; infinite where there is none.
        lanes: all of the run's.
        pacer: knows the limits.
    """

    __slots__ = ("_deadline_s", "_lanes", "_look_s", "_pacer", "_tight")

    def __init__(self, deadline_s: float, lanes: Sequence[Lane], pacer: Pacer) -> None:
        self._deadline_s = deadline_s
        self._lanes = lanes
        self._pacer = pacer
        self._look_s = -math.inf
        self._tight = False

    def is_tight(self, now_s: float) -> bool:
        """Whether not everything can be home in time."""
        if self._deadline_s == math.inf:
            return False
        if now_s >= self._look_s:
            self._look_s = now_s + LOOKS_APART_S
            self._tight = self._is_tight(self._deadline_s - now_s)
        return self._tight

    def _is_tight(self, left_s: float) -> bool:
        calls: dict[Scope, int] = {}
        for lane in self._lanes:
            for scope in lane.track.scopes:
                calls[scope] = calls.get(scope, 0) + CALLS_LEFT[lane.call] * len(lane)
        return any(
            needed > self._pacer.rate(scope) * left_s for scope, needed in calls.items() if needed
        )
