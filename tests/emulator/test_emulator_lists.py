from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import ClientSession

from collector.emulator import (
    Emulator,
    ListFault,
    ProjectSpec,
    Scenario,
    ScenarioError,
    ServerSpec,
    TokenSpec,
    fleet,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from collector.emulator.list_faults import ListFaultName

pytestmark = pytest.mark.anyio
SERVERS = "/v1/p1/physicalservers"


def servers(count: int, prefix: str = "s") -> tuple[ServerSpec, ...]:
    return tuple(ServerSpec(f"{prefix}{number:05}") for number in range(count))


@asynccontextmanager
async def listed(
    count: int = 25,
    *faults: ListFault,
    **members: Any,  # noqa: ANN401 - Scenario's
) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    projects = (ProjectSpec("p1", servers=servers(count)), ProjectSpec("p2"))
    scenario = Scenario(**{"projects": projects, "list_faults": faults, **members})
    async with (
        Emulator(scenario) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
    ):
        yield emulator, session


async def page(session: ClientSession, query: str = "", path: str = SERVERS) -> dict[str, Any]:
    async with session.get(f"{path}?{query}") as response:
        assert response.status == 200
        body: dict[str, Any] = json.loads(await response.read())
        return body


async def status(session: ClientSession, query: str = "", path: str = SERVERS) -> tuple[int, Any]:
    async with session.get(f"{path}?{query}") as response:
        text = await response.text()
        return response.status, text if text[:1] == "<" else json.loads(text or "null")


def ids(body: dict[str, Any]) -> list[str]:
    return [server["id"] for server in body["servers"]]


async def test_pages_follow_each_other_by_the_last_id_until_the_list_ends() -> None:
    async with listed(25) as (emulator, session):
        first = await page(session)
        assert ids(first) == [f"s{number:05}" for number in range(10)]
        assert first["page_info"] == {
            "next_marker": "s00009",
            "previous_marker": None,
            "current_count": 10,
        }
        second = await page(session, "marker=s00009")
        third = await page(session, "marker=s00019")
        assert ids(second) + ids(third) == [f"s{number:05}" for number in range(10, 25)]
        assert third["page_info"]["next_marker"] is None
        assert {of["count"] for of in (first, second, third)} == {25}
        told = emulator.statistics()
        assert (told["list_calls"], told["calls"]["list"], told["calls"]["total"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [("", 10), ("-5", 10), ("9", 10), ("11", 11), ("1000", 1000), ("1001", 1000), ("9" * 99, 1000)],
)
async def test_limits_are_kept_between_ten_and_a_thousand(limit: str, wanted: int) -> None:
    async with listed(1200) as (_, session):
        assert len(ids(await page(session, f"limit={limit}"))) == wanted


@pytest.mark.parametrize("query", ["limit=ten", "limit=1.5", "marker=unknown"])
async def test_what_no_page_can_be_of_is_a_bad_request(query: str) -> None:
    async with listed() as (_, session):
        assert (await status(session, query))[1]["error_code"] == "iMetal.0001"


async def test_a_manage_state_selects_and_is_counted() -> None:
    mixed = (
        *servers(15),
        *(ServerSpec(f"r{number:02}", manage_state="ready") for number in range(12)),
        *servers(3, "t"),
    )
    projects = (ProjectSpec("p1", servers=mixed),)
    async with listed(projects=projects) as (_, session):
        first = await page(session, "manage_state=ready")
        second = await page(session, f"manage_state=ready&marker={ids(first)[-1]}")
        assert ids(first) + ids(second) == [f"r{number:02}" for number in range(12)]
        assert (first["count"], second["page_info"]["next_marker"]) == (12, None)
        assert (await page(session, "manage_state=frozen"))["servers"] == []


async def test_a_server_has_all_documented_members() -> None:
    server = ServerSpec(
        "s1", name="bms-1", tags={"role": "db"}, model="2288H V7", rack="r12", health="Warning"
    )
    projects = (ProjectSpec("p1", servers=(server,)),)
    async with listed(projects=projects) as (emulator, session):
        told = (await page(session))["servers"][0]
        serial = emulator.truth("s1")["file_name"].removesuffix("-dump.tar.gz")
        assert (told["id"], told["name"], told["project_id"]) == ("s1", "bms-1", "p1")
        assert (told["health_state"], told["manage_state"]) == ("Warning", "in-use")
        assert told["tags"] == [{"key": "role", "value": "db"}]
        assert (told["location"]["dc"], told["location"]["rack"]) == ("dc-1", "r12")
        assert told["hardware_attributes"]["model"] == "2288H V7"
        assert told["hardware_attributes"]["sn"] == serial
        assert {"domain_id", "power_state", "operation_state", "onboard_time", "error"} <= set(told)


async def test_an_empty_project_has_one_empty_page_and_an_unknown_one_is_forbidden() -> None:
    async with listed() as (_, session):
        empty = await page(session, path="/v1/p2/physicalservers")
        assert (empty["servers"], empty["count"]) == ([], 0)
        answered = await status(session, path="/v1/p9/physicalservers")
        assert (answered[0], answered[1]["error_code"]) == (403, "iMetal.0004")


async def test_a_credential_without_the_permission_lists_nothing() -> None:
    for call, path in (("list", SERVERS), ("alarms", f"{SERVERS}/alarms")):
        tokens = (TokenSpec(denied=(call,)),)  # type: ignore[arg-type]  # one of the calls
        async with listed(tokens=tokens) as (emulator, session):
            answered = await status(session, path=path)
            assert (answered[0], answered[1]["error_code"]) == (403, "iMetal.0004")
            assert emulator.statistics()["denied_calls"] == 1


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("throttled", 429), ("error_500", 500), ("unavailable", 503), ("forbidden", 403)],
)
async def test_the_kth_call_of_each_project_fails(name: ListFaultName, wanted: int) -> None:
    async with listed(25, ListFault(name, skip=1, times=1)) as (emulator, session):
        for path in (SERVERS, "/v1/p2/physicalservers"):
            answers = []
            for _ in range(3):
                async with session.get(path) as response:
                    answers.append(response.status)
            assert answers == [200, wanted, 200]
        assert emulator.statistics()["faults"] == {f"list_{name}": 2}


async def test_a_call_is_reset_or_answered_with_a_web_page() -> None:
    async with listed(25, ListFault("html", times=1), ListFault("reset")) as (_, session):
        assert (await status(session))[1].startswith("<html>")
        with pytest.raises(aiohttp.ClientConnectionError):
            await page(session)


async def test_a_fault_may_belong_to_one_project_and_tell_when_it_ends() -> None:
    faults = (ListFault("throttled", project="p1", retry_after_s=3),)
    async with listed(25, *faults) as (_, session):
        async with session.get(SERVERS) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
        await page(session, path="/v1/p2/physicalservers")
    with pytest.raises(ScenarioError, match="no project 'p9'"):
        Scenario(projects=(ProjectSpec("p1"),), list_faults=(ListFault("reset", project="p9"),))


async def test_a_server_vanishes_between_pages_for_exports_too() -> None:
    async with listed(25, ListFault("vanish", skip=1, times=1)) as (_, session):
        first = await page(session)
        second = await page(session, "marker=s00009")
        assert (first["count"], second["count"]) == (25, 24)
        assert ids(second)[0] == "s00011"
        async with session.post(f"{SERVERS}/s00010/logs/exports", json={}) as response:
            assert response.status == 404


async def test_a_marker_whose_server_has_vanished_still_leads_on() -> None:
    async with listed(25, ListFault("vanish", times=1, skip=1)) as (_, session):
        await page(session)
        await page(session, "marker=s00008")
        assert ids(await page(session, "marker=s00009"))[0] == "s00010"


async def test_a_server_appears_on_a_page_that_was_passed_and_can_be_exported() -> None:
    async with listed(25, ListFault("appear", skip=1, times=1)) as (_, session):
        first = await page(session)
        second = await page(session, "marker=s00009")
        assert (first["count"], second["count"]) == (25, 26)
        assert ids(second)[0] == "s00010"
        new = (await page(session))["servers"][0]
        assert new["name"] == "bms-new-1"
        async with session.post(f"{SERVERS}/{new['id']}/logs/exports", json={}) as response:
            assert response.status == 202


async def test_a_page_may_repeat_the_last_server_of_the_one_before() -> None:
    async with listed(25, ListFault("duplicate", skip=1)) as (_, session):
        assert ids(await page(session))[-1] == "s00009"
        assert ids(await page(session, "marker=s00009"))[:2] == ["s00009", "s00010"]


async def test_markers_may_lead_nowhere() -> None:
    async with listed(25, ListFault("loop")) as (_, session):
        marker = (await page(session))["page_info"]["next_marker"]
        again = await page(session, f"marker={marker}")
        assert again["page_info"]["next_marker"] == marker
    async with listed(25, ListFault("no_marker", times=1)) as (_, session):
        assert "next_marker" not in (await page(session))["page_info"]
    async with listed(25, ListFault("empty_page", times=1)) as (_, session):
        empty = await page(session)
        assert (empty["servers"], empty["page_info"]["next_marker"]) == ([], "s00009")


@pytest.mark.parametrize(
    ("form", "between", "last"),
    [
        ("until_end", "s00009", None),
        ("always", "s00009", "s00024"),
        ("url", "/v1/p1/physicalservers?limit=10&marker=s00009", None),
        ("never", "absent", "absent"),
    ],
)
async def test_the_next_marker_has_the_configured_form(
    form: str, between: str, last: str | None
) -> None:
    async with listed(25, list_markers=form) as (_, session):
        first = await page(session, "limit=10")
        end = await page(session, "limit=10&marker=s00019")
        assert first["page_info"].get("next_marker", "absent") == between
        assert end["page_info"].get("next_marker", "absent") == last


async def test_servers_may_be_told_oddly() -> None:
    names: tuple[ListFaultName, ...] = (
        "null_fields", "no_name", "odd_types", "odd_records", "no_list", "not_json",
        "deep", "huge",
    )  # fmt: skip
    faults = tuple(ListFault(name, times=1) for name in names)
    async with listed(12, *faults) as (_, session):
        nulls = (await page(session))["servers"][0]
        assert (nulls["id"], nulls["name"]) == ("s00000", "s00000")
        assert nulls["tags"] is nulls["location"] is nulls["hardware_attributes"] is None
        assert "name" not in (await page(session))["servers"][0]
        odd = (await page(session))["servers"][0]
        assert (odd["name"], odd["tags"], odd["location"]) == (0, {"role": "db"}, "r12")
        records = (await page(session))["servers"]
        assert (records[0], records[1], records[-1]["id"]) == (None, "server", None)
        assert (await page(session))["servers"] is None
        async with session.get(SERVERS) as response:
            assert await response.read() == b'{"cut": ['
        async with session.get(SERVERS) as response:
            assert (await response.read()).startswith(b"[[[[")
        async with session.get(SERVERS) as response:
            assert len(await response.read()) > 64 << 20


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.deep)])
async def test_a_large_fleet_is_listed_in_no_more_pages_than_it_fills(count: int) -> None:
    scenario = fleet(servers=count, projects=20, seed=3)
    seen = set()
    async with (
        Emulator(scenario) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
    ):
        for project in scenario.projects:
            marker = ""
            while marker is not None:
                path = f"/v1/{project.id}/physicalservers"
                body = await page(session, f"limit=1000&marker={marker}", path)
                seen.update(ids(body))
                marker = body["page_info"]["next_marker"]
        assert (len(seen), emulator.statistics()["list_calls"]) == (count, count / 1000)
