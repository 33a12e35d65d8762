from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from collector.emulator import (
    AlarmSpec,
    Emulator,
    ListFault,
    ProjectSpec,
    Scenario,
    ScenarioError,
    ServerSpec,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
ALARMS = "/v1/p1/physicalservers/alarms"
HOUR_S = 3600.0
SERVERS = (
    ServerSpec("s1", alarms=(AlarmSpec(1, began_ago_s=HOUR_S), AlarmSpec(3, began_ago_s=60))),
    ServerSpec("s2", alarms=(AlarmSpec(2, began_ago_s=2 * HOUR_S, status="ok"),)),
    ServerSpec("s3"),
)


@asynccontextmanager
async def alarming(**members: Any) -> AsyncIterator[tuple[Emulator, ClientSession]]:  # noqa: ANN401 - Scenario's
    projects = (ProjectSpec("p1", servers=SERVERS), ProjectSpec("p2"))
    scenario = Scenario(**{"projects": projects, **members})
    async with (
        Emulator(scenario) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
    ):
        yield emulator, session


async def alarms(session: ClientSession, **query: object) -> tuple[int, dict[str, Any]]:
    async with session.get(f"{ALARMS}?{urlencode(query)}") as response:
        return response.status, json.loads(await response.read())


async def told(session: ClientSession, **query: object) -> list[tuple[str, int]]:
    """Return server and level of each alarm."""
    _, body = await alarms(session, **query)
    return [
        (alarm["metric"]["dimensions"][0]["value"], alarm["alarm_level"])
        for alarm in body["alarms"]
    ]


async def test_alarms_come_newest_first_and_name_their_servers() -> None:
    async with alarming() as (emulator, session):
        status, body = await alarms(session)
        assert (status, body["count"]) == (200, 3)
        assert await told(session) == [("s1", 3), ("s1", 1), ("s2", 2)]
        newest = body["alarms"][0]
        assert newest["alarm_status"] == "alarm"
        assert newest["end_time"] is None
        assert newest["begin_time"] == newest["last_alarm_time"]
        assert newest["alarm_record_id"].startswith("ah")
        assert 0 <= time.time() - 60 - newest["begin_time"] / 1000 < HOUR_S
        assert body["alarms"][2]["end_time"] > body["alarms"][2]["begin_time"]
        assert emulator.statistics()["alarm_calls"] == 2


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"alarm_status": "alarm"}, [("s1", 3), ("s1", 1)]),
        ({"alarm_status": "ok"}, [("s2", 2)]),
        ({"alarm_level": 1}, [("s1", 1)]),
        ({"resource_id": "s2,s3"}, [("s2", 2)]),
        ({"resource_id": "s3"}, []),
        ({"limit": 2}, [("s1", 3), ("s1", 1)]),
        ({"offset": 2, "limit": 2}, [("s2", 2)]),
        ({"offset": 9}, []),
    ],
)
async def test_alarms_are_selected(query: dict[str, object], wanted: list[tuple[str, int]]) -> None:
    async with alarming() as (_, session):
        assert await told(session, **query) == wanted


async def test_from_and_to_are_unix_times_or_iso_dates() -> None:
    async with alarming() as (_, session):
        since_s = int(time.time() - 1.5 * HOUR_S)
        iso = datetime.fromtimestamp(since_s, UTC).isoformat()
        for since in (since_s, since_s * 1000, iso):
            assert await told(session, **{"from": since}) == [("s1", 3), ("s1", 1)]
            assert await told(session, to=since) == [("s2", 2)]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "ten"},
        {"limit": 0},
        {"offset": -1},
        {"alarm_level": 5},
        {"from": "yesterday"},
        {"from": "2026-11-29T10:00:00"},
        {"from": 2000000000, "to": 1000000000},
    ],
)
async def test_what_cannot_be_is_a_bad_request(query: dict[str, object]) -> None:
    async with alarming() as (_, session):
        status, body = await alarms(session, **query)
        assert (status, body["error_code"]) == (400, "iMetal.0001")


async def test_a_page_has_no_more_alarms_than_configured() -> None:
    async with alarming(alarms_per_page=2) as (_, session):
        assert len(await told(session, limit=50)) == 2
        assert len(await told(session, offset=2)) == 1


async def test_times_may_be_seconds() -> None:
    async with alarming(alarm_times="s") as (_, session):
        _, body = await alarms(session)
        assert body["alarms"][0]["begin_time"] < 100_000_000_000


async def test_alarms_have_faults_of_their_own() -> None:
    faults = tuple(
        ListFault(name, call="alarms", times=1) for name in ("forbidden", "no_list", "null_fields")
    )
    async with alarming(list_faults=faults) as (_, session):
        async with session.get("/v1/p1/physicalservers") as response:
            assert response.status == 200
        assert (await alarms(session))[0] == 403
        assert (await alarms(session))[1]["alarms"] is None
        assert (await alarms(session))[1]["alarms"][0]["metric"] is None
    with pytest.raises(ScenarioError, match="alarms have no such fault"):
        ListFault("loop", call="alarms")


async def test_an_unknown_level_is_no_alarm() -> None:
    with pytest.raises(ScenarioError, match="level must be 1 to 4"):
        AlarmSpec(0)
