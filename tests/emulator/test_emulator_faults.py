from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
import zipfile
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import ClientSession

from collector.emulator import (
    Emulator,
    Fault,
    ProjectSpec,
    Scenario,
    ScenarioError,
    ServerSpec,
    Uniform,
    fleet,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
EXPORTS = "/v1/p1/physicalservers/s1/logs/exports"
LONG_S = 3600.0


@asynccontextmanager
async def playing(
    *faults: Fault,
    **members: Any,  # noqa: ANN401 - Scenario's
) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    projects = (ProjectSpec("p1", servers=(ServerSpec("s1", faults=faults), ServerSpec("s2"))),)
    scenario = Scenario(**{"projects": projects, "export_duration_s": 0.0, **members})
    async with (
        Emulator(scenario) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
    ):
        yield emulator, session


async def fetch(
    session: ClientSession,
    method: str,
    path: str,
    **more: Any,  # noqa: ANN401 - aiohttp's
) -> tuple[int, bytes]:
    async with session.request(method, path, **more) as response:
        return response.status, await response.read()


async def post(session: ClientSession) -> tuple[int, Any]:
    status, body = await fetch(session, "POST", EXPORTS, json={})
    return status, json.loads(body)


async def export(session: ClientSession) -> str:
    status, body = await post(session)
    assert status == 202
    return f"{EXPORTS}/{body['export_id']}"


async def download(session: ClientSession) -> bytes:
    status, body = await fetch(session, "GET", f"{await export(session)}/content")
    assert status == 200
    return body


def unpack(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        return tar.getnames()


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("error_500", 500, "iMetal.0099"),
        ("expired_token", 401, "APIGW.0301"),
        ("no_permission", 403, "iMetal.0004"),
        ("unknown_id", 404, "iMetal.0100"),
        ("not_ready", 400, "iMetal.0101"),
        ("bad_parameter", 400, "iMetal.0001"),
    ],
)
async def test_refusal_is_as_documented_and_starts_nothing(
    name: Any,  # noqa: ANN401 - a Literal
    status: int,
    code: str,
) -> None:
    async with playing(Fault(name, times=2)) as (emulator, session):
        for _ in range(2):
            told, body = await post(session)
            assert (told, body["error_code"]) == (status, code)
        assert emulator.statistics()["exports"]["started"] == 0
        assert emulator.statistics()["faults"] == {name: 2}
        await export(session)


@pytest.mark.parametrize(("name", "status"), [("bad_gateway", 502), ("timeout_408", 408)])
async def test_page_of_a_proxy_comes_in_place_of_json(
    name: Any,  # noqa: ANN401 - a Literal
    status: int,
) -> None:
    async with playing(Fault(name)) as (emulator, session):
        told, body = await fetch(session, "POST", EXPORTS, json={})
        assert told == status
        assert body.startswith(b"<html>")
        assert emulator.statistics()["exports"]["started"] == 0


@pytest.mark.parametrize("call", ["export", "status", "download"])
async def test_html_under_200_comes_on_any_call(
    call: Any,  # noqa: ANN401 - a Literal
) -> None:
    async with playing(Fault("html", calls=(call,))) as (_, session):
        if call == "export":
            told, body = await fetch(session, "POST", EXPORTS, json={})
        else:
            path = await export(session)
            ending = "/content" if call == "download" else ""
            told, body = await fetch(session, "GET", path + ending)
        assert told == 200
        assert body.startswith(b"<html>")


async def test_reset_before_acting_starts_nothing() -> None:
    async with playing(Fault("reset_before", times=1)) as (emulator, session):
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(session)
        assert emulator.statistics()["exports"]["started"] == 0
        assert emulator.statistics()["resets"] == 1
        await export(session)


async def test_reset_after_acting_has_started_an_export() -> None:
    async with playing(Fault("reset_after", times=1)) as (emulator, session):
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(session)
        assert emulator.statistics()["exports"]["by_server"] == {"s1": 1}
        await export(session)
        assert emulator.statistics()["exports"]["by_server"] == {"s1": 2}


async def test_reset_may_hit_a_status() -> None:
    async with playing(Fault("reset_after", calls=("status",))) as (_, session):
        path = await export(session)
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetch(session, "GET", path)


async def test_answer_without_an_export_id_has_started_an_export() -> None:
    async with playing(Fault("no_export_id", times=1)) as (emulator, session):
        status, body = await post(session)
        assert status == 202
        assert "export_id" not in body
        assert emulator.statistics()["exports"]["started"] == 1


async def test_export_fails_as_often_as_said() -> None:
    async with playing(Fault("failed_export", times=1)) as (_, session):
        failed, completed = await export(session), await export(session)
        words = [json.loads((await fetch(session, "GET", p))[1]) for p in (failed, completed)]
        assert [word["status"] for word in words] == ["failed", "completed"]
        assert (await fetch(session, "GET", f"{failed}/content"))[0] == 400


async def test_forgotten_export_is_not_found_after_its_time() -> None:
    async with playing(Fault("forgotten_export", times=1)) as (_, session):
        path = await export(session)
        for ending in ("", "/content"):
            status, body = await fetch(session, "GET", path + ending)
            assert (status, json.loads(body)["error_code"]) == (404, "iMetal.0120")
        assert (await fetch(session, "GET", await export(session)))[0] == 200


async def test_export_is_remembered_until_it_is_forgotten() -> None:
    async with playing(Fault("forgotten_export", after_s=LONG_S)) as (_, session):
        assert (await fetch(session, "GET", await export(session)))[0] == 200


async def test_stuck_export_never_ends_and_stays_below_100_percent() -> None:
    async with playing(Fault("stuck_export"), exports_in_flight=1) as (_, session):
        body = json.loads((await fetch(session, "GET", await export(session)))[1])
        assert (body["status"], body["percentage"]) == ("processing", "99%")
        assert (await post(session))[0] == 429


@pytest.mark.parametrize("name", ["truncated", "truncated_chunked"])
async def test_truncated_download_breaks_off_half_way(
    name: Any,  # noqa: ANN401 - a Literal
) -> None:
    async with playing(Fault(name, times=1)) as (emulator, session):
        path = await export(session)
        with pytest.raises(aiohttp.ClientPayloadError):
            await fetch(session, "GET", f"{path}/content")
        whole = emulator.truth("s1")["bytes"]
        assert emulator.statistics()["bytes_sent"] == whole // 2
        _, body = await fetch(session, "GET", f"{path}/content")
        assert len(body) == whole


async def test_truncated_download_has_promised_the_whole_length() -> None:
    async with playing(Fault("truncated")) as (emulator, session):
        async with session.get(f"{await export(session)}/content") as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert response.content_length == emulator.truth("s1")["bytes"]


@pytest.mark.parametrize("archive_bytes", [700, 4096, 300_000])
async def test_corrupt_archive_has_the_right_length_and_cannot_be_read(archive_bytes: int) -> None:
    fault = Fault("corrupt", times=1)
    async with playing(fault, archive_bytes=archive_bytes) as (emulator, session):
        corrupt, sound = await download(session), await download(session)
        assert len(corrupt) == len(sound) == emulator.truth("s1")["bytes"]
        assert sum(a != b for a, b in zip(corrupt, sound, strict=True)) == 1
        with pytest.raises((OSError, EOFError, zlib.error)):
            gzip.decompress(corrupt)
        assert len(unpack(sound)) == emulator.truth("s1")["members"]


async def test_archive_may_be_a_page() -> None:
    async with playing(Fault("html_archive")) as (_, session):
        assert (await download(session)).startswith(b"<html>")


async def test_archive_may_be_a_zip() -> None:
    async with playing(Fault("zip_archive")) as (_, session):
        assert zipfile.is_zipfile(io.BytesIO(await download(session)))


@pytest.mark.parametrize("content_length", [True, False])
async def test_stalled_download_stops_half_way_and_stays_open(content_length: bool) -> None:
    async with playing(Fault("stalled"), content_length=content_length) as (emulator, session):
        half = emulator.truth("s1")["bytes"] // 2
        async with session.get(f"{await export(session)}/content") as response:
            assert len(await response.content.readexactly(half)) == half
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 0.02)


async def test_emulator_stops_while_a_download_is_stalled() -> None:
    async with playing(Fault("stalled")) as (_, session):
        response = await session.get(f"{await export(session)}/content")
        await response.content.readany()
    response.close()


async def test_slow_download_arrives_whole() -> None:
    fault = Fault("slow", bytes_per_s=200_000)
    async with playing(fault, archive_bytes=2000) as (emulator, session):
        assert len(await download(session)) == emulator.truth("s1")["bytes"]
        assert emulator.statistics()["faults"] == {"slow": 1}


async def test_faults_of_one_server_leave_others_alone() -> None:
    async with playing(Fault("error_500")) as (_, session):
        other = EXPORTS.replace("s1", "s2")
        assert (await fetch(session, "POST", other, json={}))[0] == 202


async def test_own_faults_come_before_those_of_all() -> None:
    own, everyone = Fault("no_permission", times=1), Fault("bad_parameter")
    async with playing(own, faults=(everyone,)) as (_, session):
        assert [(await post(session))[0] for _ in range(2)] == [403, 400]


async def test_chance_is_decided_by_the_seed_not_by_the_order_of_servers() -> None:
    fault = Fault("error_500", probability=0.4)
    scenario = fleet(servers=8, projects=1, seed=3, faults=(fault,), archive_bytes=Uniform(0, 9))
    (project,) = scenario.projects
    told = []
    for servers in (project.servers, tuple(reversed(project.servers))):
        async with (
            Emulator(scenario) as emulator,
            ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
        ):
            statuses = {}
            for server in servers:
                path = f"/v1/{project.id}/physicalservers/{server.id}/logs/exports"
                statuses[server.id] = [
                    (await fetch(session, "POST", path, json={}))[0] for _ in range(10)
                ]
            told.append(statuses)
    assert told[0] == told[1]
    all_statuses = [status for statuses in told[0].values() for status in statuses]
    assert 15 <= all_statuses.count(500) <= 50


@pytest.mark.parametrize(
    "members",
    [
        {"name": "meteor"},
        {"name": "error_500", "times": 0},
        {"name": "error_500", "probability": 1.5},
        {"name": "error_500", "after_s": 1.0},
        {"name": "error_500", "bytes_per_s": 1.0},
        {"name": "slow"},
        {"name": "truncated", "calls": ("download",)},
        {"name": "reset_after", "calls": ("download",)},
    ],
)
async def test_fault_that_means_nothing_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError):
        Fault(**members)
