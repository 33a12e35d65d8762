"""Gives up servers whose calls are not worth making: their credential is refused, or forbidden."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.engine.outcomes.hints import hint_of, worded
from collector.model.answers import Call
from collector.model.lifecycle import calls_from, wanted

if TYPE_CHECKING:
    from collector.engine.admission.credential_health import Stop
    from collector.engine.admission.permissions import Bar
    from collector.engine.outcomes.observations import Observations
    from collector.engine.queueing.layout import Layout
    from collector.engine.queueing.placement import Placement
    from collector.model.answers import Problem
    from collector.model.state import ServerRow


class GivingUp:
    """Gives up the servers of credentials that are refused, and of projects that are barred.

    Args:
        layout: the lanes, and what was found out about all of them.
        placement: where their servers wait.
        observations: told of each.
    """

    __slots__ = ("_layout", "_observations", "_placement")

    def __init__(self, layout: Layout, placement: Placement, observations: Observations) -> None:
        self._layout = layout
        self._placement = placement
        self._observations = observations

    def take(self, now_s: float) -> bool:
        """Take out of the lanes what waits for a call in vain; return whether that is news."""
        verdicts, bars = self._layout.verdicts, self._layout.bars
        for secret in list(verdicts.doubted):
            secret.look()
        if verdicts.released:
            for project in verdicts.released:
                self._placement.release(project)
            verdicts.released.clear()
        if verdicts.sign_ins:
            for sign_in in verdicts.sign_ins:
                self._observations.sign_in(sign_in, now_s)
            verdicts.sign_ins.clear()
        if not verdicts.stops and not bars:
            return False
        for stop in verdicts.stops:
            self._stop(stop, now_s)
        for bar in bars:
            self._bar(bar, now_s)
        verdicts.stops.clear()
        bars.clear()
        return True

    def _stop(self, stop: Stop, now_s: float) -> None:
        problem = worded(stop)
        servers = 0
        for project in stop.projects:
            project.refused = problem
            servers += project.servers
            for call in Call:
                self._placement.give_up_waiting(project.project, call)
        self._observations.credential_stopped(stop, problem, servers, now_s)

    def _bar(self, bar: Bar, now_s: float) -> None:
        problem = bar.problem
        problem = replace(problem, hint=problem.hint or hint_of(bar.call, problem.kind))
        servers = 0
        for call in Call:
            if bar.call in calls_from(call):
                servers += self._placement.give_up_waiting(bar.permissions.project, call)
        self._observations.permission_missing(bar, problem, servers, now_s)

    def why(self, row: ServerRow) -> tuple[Problem, Call]:
        """Return why a server is given up, and the call that it cannot make."""
        call = wanted(row) or Call.START_EXPORT
        refused = self._layout.admissions[row.project].refused
        if refused is not None:
            return refused, call
        permission = self._layout.lanes[row.project, call].permission
        assert permission.barred is not None  # noqa: S101  # the only other way to be given up
        return permission.barred, permission.barred_call
