"""Lays out a run's lanes: a lane for each project and kind of call, and what several share."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.credential_health import CredentialHealth
from collector.engine.admission.endpoint_breaker import EndpointBreaker
from collector.engine.admission.question import Outages
from collector.engine.queueing.lanes import Lane
from collector.engine.queueing.running_exports import RunningExports
from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.pacing.pacer import Pacer
    from collector.engine.pacing.tracks import Track
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
        outages: of all endpoints together.
    """

    lanes: dict[tuple[int, Call], Lane] = field(default_factory=dict)
    credentials: dict[str, CredentialHealth] = field(default_factory=dict)
    breakers: dict[str, EndpointBreaker] = field(default_factory=dict)
    outages: Outages = field(default_factory=Outages)

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
        for server in state.servers:
            if not server.phase.ended:
                layout.lanes[server.project, Call.START_EXPORT].breaker.servers += 1
        return layout

    def crowded_tracks(self, state: RunState) -> list[Track]:
        """Return the tracks of calls whose account several servers share.

        A server has one call in flight at a time, so one alone need not be told to start slowly.
        """
        accounts = {
            project: self.lanes[project, Call.START_EXPORT].track.of(ScopeKind.USER)
            for project in range(len(state.projects))
        }
        servers = Counter(accounts[row.project] for row in state.servers)
        tracks = [lane.track for lane in self.lanes.values()]
        return [track for track in tracks if servers[track.of(ScopeKind.USER)] > 1]

    def _add(
        self,
        row: ProjectRow,
        pacer: Pacer,
        ceilings: Ceilings,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
    ) -> None:
        credential = self.credentials.setdefault(row.credential, CredentialHealth())
        if row.endpoint not in self.breakers:
            self.breakers[row.endpoint] = self._breaker(row.endpoint, ceilings)
        exports = RunningExports(ceiling=ceilings.exports_in_flight.get(row.project, math.inf))
        for call in Call:
            track = pacer.track(call, scopes(row.project, call), share=row.share)
            self.lanes[row.project, call] = Lane(
                len(self.lanes), row.project, track,
                credential=credential, breaker=self.breakers[row.endpoint], exports=exports,
            )  # fmt: skip
        lanes = [self.lanes[row.project, call] for call in Call]
        for lane in lanes:
            lane.others = tuple(other for other in lanes if other is not lane)
        if row.requests_per_second is not None:
            pacer.limit(track, row.requests_per_second)

    def _breaker(self, endpoint: str, ceilings: Ceilings) -> EndpointBreaker:
        """Return one that is patient until the deadline, where there is one."""
        if ceilings.deadline_s == math.inf:
            return EndpointBreaker(endpoint, outages=self.outages)
        return EndpointBreaker(
            endpoint, outages=self.outages, patience_s=math.inf, first_patience_s=math.inf
        )
