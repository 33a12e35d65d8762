"""Lays out a run's lanes: a lane for each project and kind of call, and what several share."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from collector.engine.admission.credential_health import CredentialHealth, Verdicts
from collector.engine.admission.endpoint_breaker import EndpointBreaker
from collector.engine.admission.permissions import Bar, ProjectPermissions
from collector.engine.admission.project_admission import ProjectAdmission
from collector.engine.admission.question import Outages
from collector.engine.admission.sign_in import TAKES_S, SignIn
from collector.engine.queueing.lanes import Lane
from collector.engine.queueing.running_exports import RunningExports
from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.engine.pacing.pacer import Pacer
    from collector.engine.pacing.tracks import Track
    from collector.model.answers import Scope
    from collector.model.ceilings import Ceilings
    from collector.model.events import PermissionDoubted
    from collector.model.state import ProjectRow, RunState


@dataclass(frozen=True, slots=True)
class Layout:
    """All lanes of a run.

    Attributes:
        lanes: by project and call.
        admissions: by project.
        permissions: by project.
        bars: calls that projects turn out to be forbidden.
        sign_ins: by the name of the credential.
        breakers: by the endpoint's base URL.
        outages: of all endpoints together.
        verdicts: on all credentials.
    """

    lanes: dict[tuple[int, Call], Lane] = field(default_factory=dict)
    admissions: list[ProjectAdmission] = field(default_factory=list)
    permissions: list[ProjectPermissions] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    sign_ins: dict[str, SignIn] = field(default_factory=dict)
    breakers: dict[str, EndpointBreaker] = field(default_factory=dict)
    outages: Outages = field(default_factory=Outages)
    verdicts: Verdicts = field(default_factory=Verdicts)

    @classmethod
    def of(
        cls,
        state: RunState,
        pacer: Pacer,
        ceilings: Ceilings,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
        own_secret: Callable[[int], bool],
    ) -> Layout:
        """Return the lanes of a run's projects.

        Args:
            state: the run.
            pacer: learns which scopes there are.
            ceilings: what a person allows.
            scopes: those that a call for a project passes.
            own_secret: whether a project has a secret of its own, and shares no other's.
        """
        layout = cls()
        for row in state.projects:
            layout._admit(row, ceilings, own=own_secret(row.project))  # its own
            layout._add(row, pacer, ceilings, scopes)
        for server in state.servers:
            if not server.phase.ended:
                layout.lanes[server.project, Call.START_EXPORT].breaker.servers += 1
                layout.admissions[server.project].servers += 1
        pacer.start_slowly(layout._crowded_tracks(state))
        for doubted in state.doubts.values():
            layout.doubt(doubted)
        return layout

    def doubt(self, doubted: PermissionDoubted) -> None:
        """Let one server of a project find out whether a call is allowed."""
        self.permissions[doubted.project].doubt(Call(doubted.call))

    def _crowded_tracks(self, state: RunState) -> list[Track]:
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

    def _admit(self, row: ProjectRow, ceilings: Ceilings, *, own: bool) -> None:
        """Add what says whether a project's calls are let in."""
        if row.endpoint not in self.breakers:
            self.breakers[row.endpoint] = self._breaker(row.endpoint, ceilings)
        sign_in = self.sign_ins.setdefault(
            row.credential, SignIn(row.credential, takes_s=TAKES_S if own else 0.0)
        )
        if own or not sign_in.secrets:
            CredentialHealth(sign_in, self.verdicts)
        self.admissions.append(
            ProjectAdmission(row.project, sign_in.secrets[-1], self.breakers[row.endpoint])
        )
        ahead = partial(self._ahead, row.project)
        self.permissions.append(ProjectPermissions(row.project, ahead, self.bars))

    def _ahead(self, project: int) -> int:
        """Return how many servers of a project are past their POST, and not known to come home."""
        fetches = self.lanes[project, Call.FETCH_ARCHIVE]
        return fetches.exports.running + len(fetches) + fetches.permission.alone.out

    def _add(
        self,
        row: ProjectRow,
        pacer: Pacer,
        ceilings: Ceilings,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
    ) -> None:
        exports = RunningExports(ceiling=ceilings.exports_in_flight.get(row.project, math.inf))
        for call in Call:
            track = pacer.track(call, scopes(row.project, call), share=row.share)
            self.lanes[row.project, call] = Lane(
                len(self.lanes), row.project, track,
                admission=self.admissions[row.project],
                permission=self.permissions[row.project].of(call),
                breaker=self.breakers[row.endpoint], exports=exports,
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
