"""Whether all that is left can be brought home by the deadline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.polling.durations import KNOWN_BY_FEW
from collector.model.answers import Call
from collector.model.lifecycle import calls_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.engine.pacing.pacer import Pacer
    from collector.engine.polling.groups import Groups
    from collector.engine.queueing.lanes import Lane
    from collector.model.answers import Scope

LOOKS_APART_S = 0.25
WORTH_STARTING = 0.2
RESERVE = 1.1
"""Calls that are kept for each that is certain to be needed: some statuses are asked for twice."""


class Deadline:
    """A deadline is *tight* where a known limit does not let all remaining calls through by then.

    Then as many exports are started as can be brought home, as soon as may be, and not one more:
    none that is unlikely to be home for want of time, or of calls beside those that others need.

    Args:
        deadline_s: on the engine's clock; infinite where there is none.
        lanes: all of the run's.
        pacer: knows the limits.
        groups: of exports that take equally long.

    Attributes:
        tight: as it was when last looked at.
        withheld: projects in which an export that is started now would hardly be home in time.
    """

    __slots__ = (
        "_deadline_s", "_groups", "_lanes", "_look_s", "_pacer", "tight", "withheld",
    )  # fmt: skip

    def __init__(
        self,
        deadline_s: float,
        lanes: Sequence[Lane],
        pacer: Pacer,
        groups: Groups,
    ) -> None:
        self._deadline_s = deadline_s
        self._lanes = lanes
        self._pacer = pacer
        self._look_s = -math.inf
        self._groups = groups
        self.tight = False
        self.withheld: frozenset[int] = frozenset()

    def look(self, now_s: float) -> bool:
        """Look whether not everything can be home in time, if that was not done a moment ago.

        Returns:
            Whether exports are no longer withheld in a project where they were.
        """
        if self._deadline_s == math.inf:
            return False
        before = self.withheld
        if now_s >= self._look_s:
            self._look_s = now_s + LOOKS_APART_S
            left_s = self._deadline_s - now_s
            starts, rest = self._needed()
            self.tight = any(
                needed + rest[scope] > self._pacer.rate(scope) * left_s
                for scope, needed in starts.items()
                if needed or rest[scope]
            )
            self.withheld = self._withhold(left_s, rest) if self.tight else frozenset()
        return not before <= self.withheld

    def _needed(self) -> tuple[dict[Scope, int], dict[Scope, int]]:
        """Return how many calls limits are to let through: of new exports, and of the others."""
        starts: dict[Scope, int] = {}
        rest: dict[Scope, int] = {}
        for lane in self._lanes:
            waiting = len(lane)
            if not waiting:
                continue
            calls = len(calls_from(lane.call)) * waiting
            starting = lane.call is Call.START_EXPORT
            for pace in lane.track.binding:
                scope = pace.scope
                starts[scope] = starts.get(scope, 0) + calls * starting
                rest[scope] = rest.get(scope, 0) + calls * (not starting)
        return starts, rest

    def _withhold(self, left_s: float, rest: Mapping[Scope, int]) -> frozenset[int]:
        one_more = len(calls_from(Call.START_EXPORT))
        full = {
            scope
            for scope, needed in rest.items()
            if RESERVE * needed + one_more > self._pacer.rate(scope) * left_s
        }
        return frozenset(
            lane.project
            for lane in self._lanes
            if lane.call is Call.START_EXPORT
            and (not full.isdisjoint(lane.track.scopes) or self._is_too_late(lane.project, left_s))
        )

    def _is_too_late(self, project: int, left_s: float) -> bool:
        """Whether exports of a project are known to take longer than is left."""
        return all(
            group.durations.known_from >= KNOWN_BY_FEW
            and group.durations.part_within(left_s) < WORTH_STARTING
            for group in self._groups.of_project(project)
        )
