"""An endpoint is down if nobody is answered, now; one server's trouble is that server's alone."""

from __future__ import annotations

import cProfile
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from collector.model.actions import AskStatus
from collector.model.answers import Call, Outcome, ProblemKind, ScopeKind
from collector.model.ceilings import Ceilings
from collector.model.state import Phase
from tests.support.simulation import (
    ANY_SERVER,
    EPOCH_S,
    HiddenLimit,
    Service,
    Simulation,
    gaps,
    problem,
    selected,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model.actions import Request
    from collector.model.answers import Scope

P = ProblemKind
POST, ASK, FETCH = Call
FOUND_WITHIN_S = LEFT_WITHIN_S = 5.0


def always(
    servers: Iterable[int], call: Call, answer: Outcome
) -> dict[tuple[int, Call], list[Outcome]]:
    return {(server, call): [answer] * 1000 for server in servers}


class Gone(Service):
    """Answers nobody for a while."""

    def __init__(self, kind: ProblemKind, from_s: float, until_s: float) -> None:
        super().__init__(duration_s=lambda server: 3.0 + server % 5)
        self.kind, self.from_s, self.until_s = kind, from_s, until_s

    def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
        if self.from_s <= now_s < self.until_s:
            return problem(self.kind)
        return super().answer(action, scopes, now_s)


class Swallowed(Simulation):
    """What arrives in a while is swallowed: its sender hears nothing until it gives up."""

    gone_s = (2.0, 62.0)

    def _arrive(self, action: Request) -> None:
        if self.gone_s[0] <= self.now_s < self.gone_s[1]:
            within_s = action.within_s if isinstance(action, AskStatus) else 30.0
            self.at(self.now_s + within_s, self._hear, action, problem(P.CUT))
        else:
            super()._arrive(action)


def _seconds(event: e.Event) -> float:
    """Return when an event was recorded, on the engine's clock."""
    return datetime.fromisoformat(event.at).timestamp() - EPOCH_S


def condition(sim: Simulation) -> tuple[float, float]:
    """Return when the endpoint was found to be down, and to be back, which is once each."""
    (down,) = sim.of(e.EndpointWentDown)
    (back,) = sim.of(e.EndpointCameBack)
    return _seconds(down), _seconds(back)


# What is no evidence


@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE])
@pytest.mark.parametrize("call", Call)
@pytest.mark.parametrize("bad", [range(3), range(40), range(60, 100), range(0, 100, 3)])
def test_servers_in_trouble_never_make_an_endpoint_seem_down(
    bad: range, call: Call, kind: ProblemKind
) -> None:
    sim = Simulation(Service(script=always(bad, call, problem(kind))), selected(100)).run()
    assert not sim.of(e.EndpointWentDown)
    assert (sim.state.collected, sim.state.failed) == (100 - len(bad), len(bad))
    assert {row.failure.kind for row in sim.state.servers if row.failure} == {kind}


def test_last_servers_whose_downloads_fail_do_not_wait_for_their_endpoint() -> None:
    service = Service(script=always(range(3), FETCH, problem(P.UNREADABLE)))
    sim = Simulation(service, selected(3)).run()
    assert sim.state.failed == 3
    assert sim.now_s < 60


def test_question_that_a_witness_has_answered_is_not_put_again_at_once() -> None:
    service = Service(script=always(range(100), FETCH, problem(P.UNREADABLE)))
    sim = Simulation(service, selected(100)).run()
    probes = [
        sent for sent in sim.sent if isinstance(sent.action, AskStatus) and sent.action.is_probe
    ]
    assert len(probes) <= 3 * (sim.now_s + 1)
    assert sim.state.failed == 100


# Who is asked


def test_witnesses_are_asked_and_no_post_leaves_while_the_endpoint_is_down() -> None:
    service = Gone(P.UNREADABLE, 2.0, 60.0)
    sim = Simulation(service, selected(400), latency_s=0.2).run()
    down_s, back_s = condition(sim)
    during = [sent for sent in sim.sent if down_s < sent.at_s < back_s - 0.3]
    assert {sent.action.call for sent in during} <= {ASK, FETCH}
    assert sim.state.collected == 400


def test_probe_goes_to_somebody_else_where_nobody_was_answered_yet() -> None:
    sim = Simulation(Service(script=always(range(3), POST, problem(P.CUT))), selected(30)).run()
    posts = [sent.action.server for sent in sim.sent if sent.action.call is POST]
    assert posts[:3] == [0, 1, 2]
    assert posts[3] not in range(3)
    assert not sim.of(e.EndpointWentDown)


def test_server_that_asked_to_be_left_alone_is_no_probe() -> None:
    later = problem(P.UNREADABLE, retry_after_s=40.0)
    sim = Simulation(Service(script={(ANY_SERVER, POST): [later] * 10}), selected(10)).run()
    for server in range(10):
        assert all(gap >= 40.0 for gap in gaps(sim.times(POST, server)))
    assert sim.state.collected == 10


# What is evidence


@pytest.mark.parametrize("kind", [P.NOT_SENT, P.UNREADABLE, P.CUT])
@pytest.mark.parametrize("from_s", [0.0, 2.0, 6.0])
def test_endpoint_that_answers_nobody_is_found_and_left_within_5_seconds(
    from_s: float, kind: ProblemKind
) -> None:
    sim = Simulation(Gone(kind, from_s, from_s + 40.0), selected(60)).run()
    down_s, back_s = condition(sim)
    assert down_s - from_s <= FOUND_WITHIN_S
    assert back_s - from_s - 40.0 <= LEFT_WITHIN_S
    assert sim.state.collected == 60


@pytest.mark.parametrize("from_s", [0.0, 2.0, 6.0])
def test_network_that_swallows_everything_is_found_and_left_within_5_seconds(from_s: float) -> None:
    sim = Swallowed(Service(duration_s=lambda server: 3.0 + server % 5), selected(60))
    sim.gone_s = (from_s, from_s + 60.0)
    sim.run()
    down_s, back_s = condition(sim)
    assert down_s - from_s <= FOUND_WITHIN_S
    assert back_s - from_s - 60.0 <= LEFT_WITHIN_S
    assert sim.state.collected == 60


def test_two_outages_are_two_conditions() -> None:
    class Twice(Gone):
        def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
            self.from_s, self.until_s = (2.0, 20.0) if now_s < 24 else (26.0, 50.0)
            return super().answer(action, scopes, now_s)

    sim = Simulation(Twice(P.UNREADABLE, 2.0, 20.0), selected(300), Ceilings(downloads=1)).run()
    assert len(sim.of(e.EndpointWentDown)) == len(sim.of(e.EndpointCameBack)) == 2
    assert sim.state.collected == 300


# Credentials


@pytest.mark.parametrize("call", Call)
def test_refusals_of_some_servers_do_not_condemn_a_credential_that_others_are_accepted_with(
    call: Call,
) -> None:
    bad = range(1, 100, 5)
    service = Service(script=always(bad, call, problem(P.UNAUTHENTICATED)))
    sim = Simulation(service, selected(100)).run()
    assert (sim.state.collected, sim.state.failed) == (100 - len(bad), len(bad))


def test_credential_that_expires_is_given_up_after_three_refusals() -> None:
    class Expiring(Service):
        def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
            return (
                problem(P.UNAUTHENTICATED) if now_s > 2 else super().answer(action, scopes, now_s)
            )

    sim = Simulation(Expiring(duration_s=lambda _server: 60.0), selected(500), latency_s=0.2).run()
    after = [sent for sent in sim.sent if sent.at_s > 2.0]
    assert len(after) <= 6
    assert all(row.phase is Phase.FAILED for row in sim.state.servers)


# What failed goes after what did not


def test_downloads_that_were_tried_before_wait_for_those_that_were_not() -> None:
    bad = range(0, 60, 2)
    service = Service(
        script=always(bad, FETCH, problem(P.INVALID_ARCHIVE)), duration_s=lambda _: 1.0
    )
    sim = Simulation(service, selected(60), Ceilings(downloads=1), download_s=1.0).run()
    first = [sim.times(FETCH, server)[0] for server in range(60)]
    again = [sim.times(FETCH, server)[1] for server in bad]
    assert min(again) > sorted(first)[-8]


def test_call_that_hangs_at_the_start_holds_up_nobody() -> None:
    class Hanging(Simulation):
        def _arrive(self, action: Request) -> None:
            if action.server % 4 == 0 and action.call is POST:
                self.at(self.now_s + 30.0, self._hear, action, problem(P.CUT))
            else:
                super()._arrive(action)

    sim = Hanging(Service(duration_s=lambda _server: 1.0), selected(100)).run()
    homes = [_seconds(event) for event in sim.of(e.ArchiveStored)]
    assert len(homes) == 75
    assert max(homes) < 25.0
    assert not sim.of(e.EndpointWentDown)


# Many endpoints


def one_each(servers: int, **facts: object) -> list[e.Event]:
    """Return the first events of a run whose servers have an endpoint each."""
    endpoints = [f"e{number}" for number in range(servers)]
    return selected(servers, projects=servers, endpoints=endpoints, **facts)  # type: ignore[arg-type]  # fields by name


def test_endpoint_of_a_single_server_is_down_by_that_one_and_holds_up_nobody_else() -> None:
    service = Service(unreachable=lambda name, at_s: name == "e7" and 2.0 <= at_s < 62.0)
    sim = Simulation(service, one_each(200)).run()
    down_s, back_s = condition(sim)
    assert [event.endpoint for event in sim.of(e.EndpointWentDown)] == ["e7"]
    assert down_s - 2.0 <= FOUND_WITHIN_S + 5.0  # it is asked for a status when that is worth one
    assert back_s - 62.0 <= LEFT_WITHIN_S
    assert sim.state.collected == 200
    homes = {event.server: _seconds(event) for event in sim.of(e.ArchiveStored)}
    assert max(home_s for server, home_s in homes.items() if server != 7) < 20.0


def test_endpoint_of_a_single_server_that_swallows_its_call_is_down_by_that_one() -> None:
    class SomeSwallowed(Simulation):
        def _arrive(self, action: Request) -> None:
            if action.server == 7 and self.now_s < 20.0:
                self.at(self.now_s + 30.0, self._hear, action, problem(P.CUT))
            else:
                super()._arrive(action)

    sim = SomeSwallowed(Service(), one_each(100)).run()
    down_s, _ = condition(sim)
    assert down_s <= FOUND_WITHIN_S
    assert sim.state.collected == 100


def test_servers_whose_endpoints_answer_with_errors_fail_by_their_own_tries() -> None:
    bad = range(0, 100, 10)
    service = Service(script=always(bad, FETCH, problem(P.UNREADABLE)))
    sim = Simulation(service, one_each(100)).run()
    assert not sim.of(e.EndpointWentDown)
    assert (sim.state.collected, sim.state.failed) == (90, 10)


def test_endpoints_that_are_given_up_end_a_run_whose_others_are_home() -> None:
    service = Service(unreachable=lambda name, _at_s: int(name[1:]) % 2 == 1)
    sim = Simulation(service, one_each(100)).run(until_s=5000.0)
    assert sim.finished
    assert (sim.state.collected, sim.state.pending) == (50, 50)


def test_fleet_with_an_endpoint_a_server_takes_hardly_longer_than_with_one_for_all() -> None:
    """How long exports take is learned for each project, so some are noticed a little later."""
    took_s = []
    for events in (selected(1000), one_each(1000)):
        sim = Simulation(Service(), events, Ceilings(downloads=64)).run()
        assert sim.state.collected == 1000
        took_s.append(sim.now_s)
    assert took_s[1] <= 1.1 * took_s[0]


def test_projects_of_one_server_get_their_turns_beside_a_large_one() -> None:
    events = selected(600, projects=100)
    events = [
        replace(event, project=0 if event.server >= 100 else event.project)
        if isinstance(event, e.ServerSelected)
        else event
        for event in events
    ]
    sim = Simulation(Service([HiddenLimit(ScopeKind.USER, 10)]), events).run(until_s=60.0)
    first_s = [min(sim.times(POST, server)) for server in range(1, 100)]
    assert max(first_s) < 15.0
    assert len([server for server in range(100, 600) if sim.times(POST, server)]) > 20


def test_step_takes_no_more_work_where_there_are_more_endpoints() -> None:
    calls = []
    for servers in (100, 800):
        sim = Simulation(Service(), one_each(servers), Ceilings(downloads=64))
        profile = cProfile.Profile()
        profile.runcall(sim.run)
        counted = sum(row.callcount for row in profile.getstats())
        calls.append(counted / len(sim.sent))
    assert calls[1] < 1.25 * calls[0]
