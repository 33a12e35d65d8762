from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from collector.engine.admission.endpoint_breaker import EndpointBreaker
from collector.engine.admission.permissions import ProjectPermissions
from collector.engine.admission.project_admission import ProjectAdmission
from collector.engine.pacing.pacer import Pacer
from collector.engine.queueing.fair_queue import FairQueue
from collector.engine.queueing.lanes import Lane
from collector.engine.queueing.running_exports import RunningExports
from collector.model import events as e
from collector.model.answers import Call, Scope, ScopeKind
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior
from tests.support.simulation import HiddenLimit, Service, Simulation, selected

POST = Call.START_EXPORT


@pytest.mark.parametrize("shares", [(0.9, 0.45)])
def test_an_account_is_split_by_share_while_both_projects_wait(shares: tuple[float, float]) -> None:
    events = [
        replace(event, share=shares[event.project])
        if isinstance(event, e.ProjectSelected)
        else event
        for event in selected(600, projects=2)
    ]
    sim = Simulation(Service([HiddenLimit(ScopeKind.USER, 20)], lambda _server: 1.0), events)
    sim.run(until_s=60.0)
    calls = Counter(sent.project for sent in sim.sent if sent.at_s > 3)
    assert calls[0] / calls[1] == pytest.approx(2.0, rel=0.1)


def test_a_share_that_is_idle_is_used_by_the_other_and_earns_no_credit() -> None:
    turns = FairQueue([1.0, 1.0])
    pacer = Pacer(Prior())
    lanes = [
        Lane(
            project,
            project,
            pacer.track(POST, (Scope(ScopeKind.PROJECT, str(project)),), share=1.0),
            admission=ProjectAdmission(),
            permission=ProjectPermissions(0, int, []).of(POST),
            breaker=EndpointBreaker(),
            exports=RunningExports(),
        )
        for project in (0, 1)
    ]  # fmt: skip
    assert {turns.next(lanes[:1], due_first=False).project for _ in range(100)} == {0}
    both = Counter(
        turns.next([min(lanes, key=lambda lane: turns.time(lane.project))], due_first=False).project
        for _ in range(100)
    )
    assert abs(both[0] - both[1]) <= 2


def test_under_a_deadline_that_cannot_hold_all_more_are_home_than_with_exports_first() -> None:
    home = []
    for deadline_s in (120.0, math.inf):
        limit = HiddenLimit(ScopeKind.USER, 5)
        service = Service([limit], lambda _server: 10.0, percent=lambda part: 100 * part)
        sim = Simulation(service, selected(400), Ceilings(deadline_s=deadline_s))
        home.append(sim.run(until_s=120.0).state.collected)
    assert home[0] > 1.5 * home[1]
    assert home[0] > 0.7 * 120 * 5 / 3


def test_under_a_deadline_that_holds_all_exports_go_first() -> None:
    posts = []
    for deadline_s in (3000.0, math.inf):
        limit = HiddenLimit(ScopeKind.USER, 10)
        service = Service([limit], lambda _server: 0.5, percent=lambda part: 100 * part)
        sim = Simulation(service, selected(400), Ceilings(deadline_s=deadline_s)).run()
        posts.append(sim.times(POST)[-1])
    assert posts[0] == posts[1]


def test_a_status_that_is_not_due_takes_no_place_of_a_call_that_is() -> None:
    ends = []
    for said in (None, 50.0):  # with and without something worth an early look
        service = Service([HiddenLimit(ScopeKind.USER, 5)], lambda _server: 1e4,
                          percent=lambda _part, said=said: said)  # type: ignore[misc]  # fmt: skip
        sim = Simulation(service, selected(300)).run(until_s=200.0)
        posts = sim.times(POST)
        ends.append(posts[-1])
        assert len({sent.action.server for sent in sim.sent}) == 300
    assert max(ends) <= 1.25 * 300 / 5
