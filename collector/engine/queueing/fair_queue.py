"""Whose turn it is, among the calls that may leave now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.queueing.lanes import Lane

TURNS_FOR_EXPORTS = 7
"""While exports wait, one turn in eight goes to downloads and statuses that are due."""


class FairQueue:
    """Shares turns out among projects, and within each among the kinds of call.

    Among projects by weighted fair queueing: each call moves its project's time on by one over the
    project's weight, and the project goes next whose time is least. A project that had nothing to
    send does not make up for it later.

    Args:
        weights: of the projects, by number.
    """

    __slots__ = ("_exports", "_now", "_steps", "_times")

    def __init__(self, weights: Sequence[float]) -> None:
        self._steps = [1 / weight for weight in weights]
        self._times = [0.0] * len(self._steps)
        self._exports = [0] * len(self._steps)
        self._now = 0.0

    def time(self, project: int) -> float:
        """Return a project's time: of those that wait, the one goes next whose time is least."""
        return max(self._times[project], self._now - self._steps[project])

    def next(self, lanes: Sequence[Lane], *, due_first: bool) -> Lane:
        """Return the lane whose turn it is, and count that turn.

        Args:
            lanes: those of one project with a call that is due and may leave; at least one.
            due_first: downloads and statuses go before all exports.
        """
        lane = lanes[0] if len(lanes) == 1 else self._kind(lanes, due_first)
        self._now = self.time(lane.project)
        self._times[lane.project] = self._now + self._steps[lane.project]
        return lane

    def _kind(self, lanes: Sequence[Lane], due_first: bool) -> Lane:
        """Choose among one project's lanes."""
        exports = next((lane for lane in lanes if lane.call is Call.START_EXPORT), None)
        others = [lane for lane in lanes if lane is not exports]
        if exports is None:
            return max(others, key=lambda lane: lane.call is Call.FETCH_ARCHIVE)
        if not others:
            return exports
        limited = exports.exports.ceiling < math.inf or exports.track.exports is not None
        turns = 1 if limited else TURNS_FOR_EXPORTS
        project = exports.project
        if not due_first and self._exports[project] < turns:
            self._exports[project] += 1
            return exports
        self._exports[project] = 0
        return max(others, key=lambda lane: lane.call is Call.FETCH_ARCHIVE)
