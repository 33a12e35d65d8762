"""Gives up servers whose calls are not worth making, since their credential is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.outcomes.hints import worded

if TYPE_CHECKING:
    from collector.engine.admission.credential_health import Verdicts
    from collector.engine.queueing.placement import Placement


class GivingUp:
    """Gives up the servers of credentials that are refused.

    Args:
        verdicts: on all credentials of the run.
        placement: where their servers wait.
    """

    __slots__ = ("_placement", "_verdicts")

    def __init__(self, verdicts: Verdicts, placement: Placement) -> None:
        self._verdicts = verdicts
        self._placement = placement

    def take(self) -> None:
        """Take out of the lanes whatever waits for a call with a credential that is refused."""
        verdicts = self._verdicts
        for secret in list(verdicts.doubted):
            secret.look()
        for stop in verdicts.stops:
            problem = worded(stop)
            for project in stop.projects:
                project.refused = problem
                self._placement.give_up_refused(project)
        verdicts.stops.clear()
