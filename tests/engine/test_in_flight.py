"""How many calls, downloads and archives being stored there may be at once."""

from __future__ import annotations

import math

import pytest

from collector.engine.admission.endpoint_breaker import EndpointBreaker
from collector.engine.admission.in_flight import STALLED_S, Flight, InFlight
from collector.engine.admission.permissions import ProjectPermissions
from collector.engine.admission.project_admission import ProjectAdmission
from collector.engine.pacing.latency import UNKNOWN_TOO_LONG_S as QUIET_S
from collector.engine.pacing.pacer import Pacer
from collector.engine.queueing.lanes import Lane
from collector.engine.queueing.running_exports import RunningExports
from collector.model.actions import AskStatus, FetchArchive, Request, StartExport
from collector.model.answers import Call
from collector.model.ceilings import Ceilings
from collector.model.prior import Prior
from collector.model.state import RunState, apply
from tests.support.simulation import scopes_of, selected

POST, ASK, FETCH = Call


class Calls:
    """Calls of one credential to one endpoint."""

    def __init__(self, ceilings: Ceilings) -> None:
        self.in_flight = InFlight(ceilings)
        self.admission = ProjectAdmission(accepted=True)
        self.credential = self.admission.secret
        self.credential.accepted = True
        self.breaker = EndpointBreaker("e")
        state = RunState()
        for event in selected(1):
            apply(state, event)
        pacer = Pacer(Prior())
        self._lanes = {
            call: Lane(
                number, 0, pacer.track(call, scopes_of(state.projects[0], call), share=1.0),
                admission=self.admission,
                permission=ProjectPermissions(0, int, []).of(call), breaker=self.breaker,
                exports=RunningExports(),
            )
            for number, call in enumerate(Call)
        }  # fmt: skip

    def left(self, call: Call, server: int = 0, now_s: float = 0.0) -> Flight:
        actions: dict[Call, Request] = {
            POST: StartExport(server, now_s, asks_limits=False, running=0, intent=None),
            ASK: AskStatus(server, now_s, asks_limits=False, export_id="x"),
            FETCH: FetchArchive(server, now_s, asks_limits=False, export_id="x"),
        }
        action = actions[call]
        self.in_flight.left(action, self._lanes[call])
        flight = self.in_flight.of(action)
        assert flight is not None
        return flight

    def allows(self, call: Call) -> bool:
        return self.in_flight.room_at(call) < math.inf


@pytest.mark.parametrize(
    ("call", "ceilings"),
    [
        (ASK, Ceilings(calls=2)),
        (POST, Ceilings(calls=2)),
        (FETCH, Ceilings(downloads=2)),
    ],
)
def test_no_more_are_under_way_at_once_than_there_may_be(call: Call, ceilings: Ceilings) -> None:
    calls = Calls(ceilings)
    for server in range(2):
        assert calls.allows(call)
        calls.left(call, server)
    assert not calls.allows(call)


def test_archives_that_are_still_being_stored_hold_up_the_next_download() -> None:
    calls = Calls(Ceilings(downloads=8, storing=1))
    flight = calls.left(FETCH)
    calls.in_flight.received(flight)
    assert not calls.allows(FETCH)
    calls.in_flight.ended(flight)
    assert calls.allows(FETCH)


@pytest.mark.parametrize(
    ("call", "ceilings"),
    [(ASK, Ceilings(calls=1)), (POST, Ceilings(calls=1)), (FETCH, Ceilings(downloads=1))],
)
def test_a_call_that_hangs_makes_room_for_another(call: Call, ceilings: Ceilings) -> None:
    calls = Calls(ceilings)
    flight = calls.left(call)
    assert calls.in_flight.next_stall_s == QUIET_S
    assert not calls.in_flight.find_stalled(QUIET_S - 0.1)
    assert not calls.allows(call)
    assert calls.in_flight.find_stalled(QUIET_S) == [flight]
    assert calls.allows(call)
    calls.in_flight.ended(flight)
    assert calls.allows(call)
    calls.left(call, 1, QUIET_S)
    assert not calls.allows(call), "its place was given back twice"


def test_a_download_that_goes_on_takes_its_place_again() -> None:
    calls = Calls(Ceilings(downloads=1))
    flight = calls.left(FETCH)
    calls.in_flight.opened(flight, 1.9)
    assert calls.in_flight.find_stalled(QUIET_S) == []
    assert not calls.allows(FETCH), "it was heard of since it left"
    calls.in_flight.find_stalled(1.9 + STALLED_S)
    assert calls.allows(FETCH)
    calls.in_flight.arrived(flight, 9, 6.0)
    calls.in_flight.awaited(flight, 6.1)
    assert not calls.allows(FETCH)
    calls.in_flight.find_stalled(6.1 + STALLED_S)
    assert not calls.allows(FETCH), "one that went on after all is given more time"
    calls.in_flight.find_stalled(6.1 + 10 * STALLED_S)
    assert calls.allows(FETCH)


def test_a_download_that_waits_for_us_keeps_its_place() -> None:
    calls = Calls(Ceilings(downloads=1))
    flight = calls.left(FETCH)
    calls.in_flight.opened(flight, 1.0)
    calls.in_flight.arrived(flight, 9, 1.1)
    calls.in_flight.find_stalled(100.0)
    assert not calls.allows(FETCH)
    calls.in_flight.awaited(flight, 100.0)
    calls.in_flight.find_stalled(102.0)
    assert calls.allows(FETCH)


def test_no_more_calls_hang_beside_the_others_than_there_is_room_for() -> None:
    calls = Calls(Ceilings(calls=2, stalled=1))
    for server in range(2):
        calls.left(ASK, server)
    assert len(calls.in_flight.find_stalled(QUIET_S)) == 1
    calls.left(ASK, 2, QUIET_S)
    assert not calls.allows(ASK)


def test_the_first_call_with_a_credential_holds_up_the_others_no_longer_than_it_may_hang() -> None:
    calls = Calls(Ceilings())
    calls.credential.accepted = False
    flight = calls.left(POST)
    assert calls.credential.opens_s > QUIET_S
    calls.in_flight.find_stalled(QUIET_S)
    assert calls.credential.opens_s < QUIET_S
    calls.in_flight.ended(flight)
    assert calls.credential.in_flight == 0
