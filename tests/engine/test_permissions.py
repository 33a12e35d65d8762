from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from collector.model.answers import Call, Problem, ProblemKind, Scope, ScopeKind
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior, PriorLimit
from collector.model.state import Phase, RunState, apply
from tests.support.simulation import Service, SimulatedWall, Simulation, problem, selected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model.actions import Request
    from collector.model.answers import Outcome

P = ProblemKind
POST, ASK, FETCH = Call


@dataclass
class Forbidding(Service):
    """A service that forbids a project some calls."""

    project: str = "p0"
    forbidden: Sequence[Call] = ()

    def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
        project = next(scope.name for scope in scopes if scope.kind is ScopeKind.PROJECT)
        if project == self.project and action.call in self.forbidden:
            self.calls[action.call] += 1
            return Problem(P.FORBIDDEN, f"lacks {action.call}", http_status=403)
        return super().answer(action, scopes, now_s)


def doubted(calls: Sequence[Call], servers: int = 60, projects: int = 2) -> list[e.Event]:
    """Return the first events of a run in which calls of project 0 are doubted."""
    events = selected(servers, projects=projects)
    at = events[0].at
    doubts = [
        e.PermissionDoubted(at=at, project=0, call=call.value, message="403") for call in calls
    ]
    return [*events, *doubts]


def ends(sim: Simulation, project: int) -> set[Phase]:
    return {row.phase for row in sim.state.servers if row.project == project}


@pytest.mark.parametrize("call", Call)
def test_a_permission_that_was_doubted_and_is_missing_ends_its_project_in_few_calls(
    call: Call,
) -> None:
    sim = Simulation(Forbidding(forbidden=[call]), doubted([call])).run()
    mine = [sent for sent in sim.sent if sent.project == 0]
    assert len(mine) < 10 + 11 * (call is FETCH)  # the statuses of a first export are its scouts'
    assert sum(sent.action.call is POST for sent in mine) == 1
    assert (ends(sim, 0), ends(sim, 1)) == ({Phase.FAILED}, {Phase.COLLECTED})
    failures = [row.failure for row in sim.state.servers if row.failure]
    assert {(one.kind, one.message) for one in failures} == {("forbidden", f"lacks {call}")}
    assert len({one.stage for one in failures}) == 1
    (missing,) = sim.of(e.PermissionMissing)
    assert (missing.project, missing.call, missing.servers) == (0, call, 29)


def test_a_permission_to_start_exports_that_is_missing_costs_six_calls() -> None:
    known = Prior(limits=(PriorLimit(Scope(ScopeKind.USER, "ops"), 1000, 1.0, "told"),))
    service = Forbidding(forbidden=[POST])
    sim = Simulation(service, selected(60, projects=2), known=known, latency_s=0.5).run()
    assert Counter(sent.project for sent in sim.sent)[0] == 6
    assert (ends(sim, 0), ends(sim, 1)) == ({Phase.FAILED}, {Phase.COLLECTED})


@pytest.mark.parametrize("call", [ASK, FETCH])
def test_a_call_that_five_servers_were_forbidden_and_nobody_allowed_is_made_no_more(
    call: Call,
) -> None:
    service = Forbidding(forbidden=[call], duration_s=lambda server: 5.0 + server)
    sim = Simulation(service, selected(100), Ceilings(exports_in_flight={0: 20})).run()
    assert ends(sim, 0) == {Phase.FAILED}
    assert len(sim.times(call)) <= 25
    assert len(sim.times(POST)) <= 50
    (missing,) = sim.of(e.PermissionMissing)
    assert SimulatedWall().stamp(sim.times(call)[-1]) <= missing.at


def test_a_server_whose_export_begins_when_its_status_is_found_to_be_forbidden_asks_for_none() -> (
    None
):
    sim = Simulation(Forbidding(forbidden=[ASK]), selected(200), latency_s=0.8).run()
    (missing,) = sim.of(e.PermissionMissing)
    late = [one for one in sim.of(e.ExportStarted) if one.at > missing.at]
    assert late
    assert SimulatedWall().stamp(sim.times(ASK)[-1]) <= missing.at
    assert sim.state.failed == 200


@pytest.mark.parametrize("call", Call)
def test_servers_that_are_forbidden_by_themselves_fail_alone(call: Call) -> None:
    service = Service(script={(server, call): [problem(P.FORBIDDEN)] for server in range(4)})
    sim = Simulation(service, selected(60)).run()
    assert (sim.state.failed, sim.state.collected) == (4, 56)
    assert not sim.of(e.PermissionMissing)


@pytest.mark.parametrize("calls", [[ASK], [FETCH], [ASK, FETCH], list(Call)])
def test_one_server_goes_ahead_until_what_was_doubted_is_allowed(calls: list[Call]) -> None:
    service = Service(duration_s=lambda _server: 5.0)
    sim = Simulation(service, doubted(calls)).run()
    assert sim.state.collected == 60
    first = min(sent.at_s for sent in sim.sent if sent.project == 0 and sent.action.call in calls)
    last = min(
        sent.at_s for sent in sim.sent if sent.project == 0 and sent.action.call is calls[-1]
    )
    before = [sent for sent in sim.sent if sent.project == 0 and sent.at_s <= last]
    assert len({sent.action.server for sent in before}) == 1
    assert first <= last
    assert [event.call for event in sim.of(e.PermissionConfirmed)] == calls
    assert not sim.state.doubts


@pytest.mark.parametrize("kind", [P.SERVICE_FAILED, P.CUT, P.UNKNOWN_SERVER, P.EXPORT_FAILED])
@pytest.mark.parametrize("call", Call)
def test_another_goes_ahead_where_the_first_fails_for_a_reason_of_its_own(
    call: Call, kind: ProblemKind
) -> None:
    service = Service(script={(0, call): [problem(kind)] * 20})
    sim = Simulation(service, doubted([FETCH], projects=1), Ceilings(max_attempts=2)).run()
    assert (sim.state.collected, sim.state.failed) == (59, 1)
    assert sim.times(POST)[-1] < 300  # nobody waits for ten minutes


def test_another_goes_ahead_beside_one_that_is_not_home_for_minutes() -> None:
    service = Service(duration_s=lambda server: 5.0 if server else 3000.0)
    sim = Simulation(service, doubted([ASK, FETCH], projects=1)).run()
    assert sim.state.collected == 60
    assert 590 < sim.times(POST)[1] < 610


def test_a_doubt_that_comes_before_the_first_call_is_heard() -> None:
    events = doubted([FETCH])
    sim = Simulation(Forbidding(forbidden=[FETCH]), events[:-1])
    sim.record(events[-1:])
    sim.run()
    assert sum(sent.project == 0 and sent.action.call is POST for sent in sim.sent) == 1


def test_a_doubt_lasts_until_it_is_resolved_whatever_process_is_at_work() -> None:
    state = RunState()
    events = doubted([ASK, FETCH])
    confirmed = e.PermissionConfirmed(at=events[0].at, project=0, call=ASK.value)
    for event in [*events, confirmed]:
        apply(state, event)
    assert list(state.doubts) == [(0, FETCH.value)]


def test_exports_that_others_began_are_asked_about_one_by_one_while_that_is_doubted() -> None:
    events = doubted([ASK], servers=20, projects=1)
    at = events[0].at
    events += [
        e.ExportReused(
            at=at, server=server, export_id=f"y{server}", requested_at=at, run="other", age_s=0.0
        )
        for server in range(10)
    ]
    sim = Simulation(Forbidding(forbidden=[ASK]), events).run()
    assert (len(sim.times(ASK)), len(sim.times(POST))) == (1, 0)
    assert sim.state.failed == 20
