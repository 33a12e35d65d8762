"""Whether all that is left can be brought home by the deadline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.answers import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.answers import Scope
    from collector.engine.durations import Durations
    from collector.engine.lanes import Lane
    from collector.engine.pacing import Pacer

LOOKS_APART_S = 1.0
WORTH_STARTING = 0.2
CALLS_LEFT = {Call.START_EXPORT: 3, Call.ASK_STATUS: 2, Call.FETCH_ARCHIVE: 1}
"""Calls that a server still needs, by the one it waits for."""


class Deadline:
    """A deadline is *tight* where a known limit does not let all remaining calls through by then.

    Then every call for what can be home soon goes before the start of one more export, and none is
    started any more that is unlikely to be home.

    Args:
        deadline_s: on the engine's clock; infinite where there is none.
        lanes: all of the run's.
        pacer: knows the limits.
        durations: of exports, by project.

    Attributes:
        tight: as it was when last looked at.
        withheld: projects in which an export that is started now would hardly be home in time.
    """

    __slots__ = (
        "_deadline_s", "_durations", "_lanes", "_look_s", "_pacer", "tight", "withheld",
    )  # fmt: skip

    def __init__(
        self,
        deadline_s: float,
        lanes: Sequence[Lane],
        pacer: Pacer,
        durations: Sequence[Durations],
    ) -> None:
        self._deadline_s = deadline_s
        self._lanes = lanes
        self._pacer = pacer
        self._look_s = -math.inf
        self._durations = durations
        self.tight = False
        self.withheld: frozenset[int] = frozenset()

    def is_tight(self, now_s: float) -> bool:
        """Whether not everything can be home in time."""
        if self._deadline_s == math.inf:
            return False
        if now_s >= self._look_s:
            self._look_s = now_s + LOOKS_APART_S
            left_s = self._deadline_s - now_s
            self.tight = self._is_tight(left_s)
            self.withheld = frozenset(
                project
                for project, durations in enumerate(self._durations)
                if self.tight and durations.part_within(left_s) < WORTH_STARTING
            )
        return self.tight

    def _is_tight(self, left_s: float) -> bool:
        calls: dict[Scope, int] = {}
        for lane in self._lanes:
            for scope in lane.track.scopes:
                calls[scope] = calls.get(scope, 0) + CALLS_LEFT[lane.call] * len(lane)
        return any(
            needed > self._pacer.rate(scope) * left_s for scope, needed in calls.items() if needed
        )
