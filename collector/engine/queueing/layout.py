"""Lays out a run's lanes: a lane for each project and kind of call, and what several share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.circuit_breaker import EndpointBreaker
from collector.engine.admission.credential_health import CredentialHealth
from collector.engine.queueing.lanes import Lane
from collector.engine.queueing.running_exports import RunningExports
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.pacing.pacer import Pacer
    from collector.model.answers import Scope
    from collector.model.ceilings import Ceilings
    from collector.model.state import ProjectRow, RunState


@dataclass(frozen=True, slots=True)
class Layout:
    """All lanes of a run.

    Attributes:
        lanes: by project and call.
        credentials: by the name of the credential.
        breakers: by the endpoint's base URL.
    """

    lanes: dict[tuple[int, Call], Lane] = field(default_factory=dict)
    credentials: dict[str, CredentialHealth] = field(default_factory=dict)
    breakers: dict[str, EndpointBreaker] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        state: RunState,
        pacer: Pacer,
        ceilings: Ceilings,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
    ) -> Layout:
        """Return the lanes of a run's projects.

        Args:
            state: the run.
            pacer: learns which scopes there are.
            ceilings: what a person allows.
            scopes: those that a call for a project passes.
        """
        layout = cls()
        for row in state.projects:
            layout._add(row, pacer, ceilings, scopes)  # its own
        return layout

    def _add(
        self,
        row: ProjectRow,
        pacer: Pacer,
        ceilings: Ceilings,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
    ) -> None:
        credential = self.credentials.setdefault(row.credential, CredentialHealth())
        if row.endpoint not in self.breakers:
            self.breakers[row.endpoint] = _breaker(row.endpoint, ceilings)
        exports = RunningExports(ceiling=ceilings.exports_in_flight.get(row.project, math.inf))
        for call in Call:
            track = pacer.track(call, scopes(row.project, call), share=row.share)
            self.lanes[row.project, call] = Lane(
                len(self.lanes), row.project, track,
                credential=credential, breaker=self.breakers[row.endpoint], exports=exports,
            )  # fmt: skip
        if row.requests_per_second is not None:
            pacer.limit(track, row.requests_per_second)


def _breaker(endpoint: str, ceilings: Ceilings) -> EndpointBreaker:
    """Return one that is patient until the deadline, where there is one."""
    if ceilings.deadline_s == math.inf:
        return EndpointBreaker(endpoint)
    return EndpointBreaker(endpoint, patience_s=math.inf, first_patience_s=math.inf)
