"""How many calls, downloads and archives being stored there may be at once."""

from __future__ import annotations

import math

import pytest

from collector.engine.answers import Call
from collector.engine.gates import Ceilings, Circuit, InFlight, Secret


def opened(ceilings: Ceilings) -> tuple[InFlight, Secret, Circuit]:
    return InFlight(ceilings), Secret(accepted=True), Circuit(answered=True)


@pytest.mark.parametrize(
    ("call", "ceilings"),
    [
        (Call.ASK_STATUS, Ceilings(calls=2)),
        (Call.START_EXPORT, Ceilings(calls=2)),
        (Call.FETCH_ARCHIVE, Ceilings(downloads=2)),
    ],
)
def test_no_more_are_under_way_at_once_than_there_may_be(call: Call, ceilings: Ceilings) -> None:
    in_flight, secret, circuit = opened(ceilings)
    for _ in range(2):
        assert in_flight.allows_at(call, secret, circuit) < math.inf
        in_flight.left(call, secret, circuit)
    assert in_flight.allows_at(call, secret, circuit) == math.inf


def test_archives_that_are_still_being_stored_hold_up_the_next_download() -> None:
    in_flight, secret, circuit = opened(Ceilings(downloads=8, storing=1))
    in_flight.left(Call.FETCH_ARCHIVE, secret, circuit)
    in_flight.download_received()
    assert in_flight.allows_at(Call.FETCH_ARCHIVE, secret, circuit) == math.inf
    in_flight.download_ended(received=True)
    assert in_flight.allows_at(Call.FETCH_ARCHIVE, secret, circuit) < math.inf
