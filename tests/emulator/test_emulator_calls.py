from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from collector.emulator import (
    Dialect,
    Emulator,
    ProjectSpec,
    Scenario,
    ServerSpec,
    Throttle,
    TokenSpec,
    Uniform,
    fleet,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
PROJECTS = (ProjectSpec("p1", servers=(ServerSpec("s1"), ServerSpec("s2"))),)
EXPORTS = "/v1/p1/physicalservers/s1/logs/exports"
LONG_S = 3600.0


@asynccontextmanager
async def playing(**members: Any) -> AsyncIterator[tuple[Emulator, ClientSession]]:  # noqa: ANN401 - Scenario's
    scenario = Scenario(**{"projects": PROJECTS, "export_duration_s": 0.0, **members})
    async with (
        Emulator(scenario) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
    ):
        yield emulator, session


async def export(session: ClientSession, exports: str = EXPORTS) -> dict[str, Any]:
    async with session.post(exports, json={}) as response:
        assert response.status == 202
        body: dict[str, Any] = json.loads(await response.read())
        return body


async def status(session: ClientSession, export_id: str, exports: str = EXPORTS) -> dict[str, Any]:
    async with session.get(f"{exports}/{export_id}") as response:
        assert response.status == 200
        body: dict[str, Any] = json.loads(await response.read())
        return body


async def error(session: ClientSession, method: str, path: str, **more: Any) -> tuple[int, str]:  # noqa: ANN401 - aiohttp's
    async with session.request(method, path, **more) as response:
        body = json.loads(await response.read())
        assert body["error_msg"]
        return response.status, body["error_code"]


async def test_three_calls_bring_home_the_archive_that_truth_tells_of() -> None:
    async with playing() as (emulator, session):
        started = await export(session)
        assert (await status(session, started["export_id"]))["status"] == "completed"
        async with session.get(f"{EXPORTS}/{started['export_id']}/content") as response:
            body = await response.read()
        truth = emulator.truth("s1")
        assert hashlib.sha256(body).hexdigest() == truth["sha256"]
        assert len(body) == truth["bytes"]
        assert response.headers["Content-Type"] == "application/octet-stream;charset=UTF-8"
        assert response.headers["Content-Transfer-Encoding"] == "binary"
        name = response.headers["Content-Disposition"]
        assert name == f"attachment; filename={truth['file_name']}"


async def test_export_runs_first_and_has_no_archive_yet() -> None:
    async with playing(export_duration_s=LONG_S) as (_, session):
        started = await export(session)
        assert (started["status"], started["percentage"]) == ("processing", "0%")
        path = f"{EXPORTS}/{started['export_id']}"
        assert (await status(session, started["export_id"]))["status"] == "processing"
        assert await error(session, "GET", f"{path}/content") == (400, "iMetal.0101")


async def test_each_answer_has_a_request_id_of_its_own() -> None:
    async with playing() as (_, session):
        paths = [EXPORTS, f"{EXPORTS}/unknown", f"{EXPORTS}/unknown"]
        ids = [(await session.get(path)).headers["X-Request-Id"] for path in paths]
        assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/v1/p2/physicalservers/s1/logs/exports",
        "/v1/p1/physicalservers/s3/logs/exports",
        "/v1//physicalservers/s1/logs/exports",
    ],
)
async def test_unknown_project_or_server_is_not_found(path: str) -> None:
    async with playing() as (_, session):
        assert await error(session, "POST", path, json={}) == (404, "iMetal.0100")


async def test_unknown_export_is_told_apart_from_an_unknown_server() -> None:
    async with playing() as (_, session):
        assert await error(session, "GET", f"{EXPORTS}/1") == (404, "iMetal.0120")
        assert await error(session, "GET", f"{EXPORTS}/1/content") == (404, "iMetal.0120")


async def test_export_of_another_server_is_unknown() -> None:
    async with playing() as (_, session):
        export_id = (await export(session))["export_id"]
        other = EXPORTS.replace("s1", "s2")
        assert await error(session, "GET", f"{other}/{export_id}") == (404, "iMetal.0120")


async def test_export_without_any_body_is_as_good_as_the_vendors_sdk_sends_it() -> None:
    async with playing() as (_, session), session.post(EXPORTS) as response:
        assert response.status == 202


@pytest.mark.parametrize("body", [b"no json", b"[]"])
async def test_export_without_a_json_object_is_refused(body: bytes) -> None:
    async with playing() as (_, session):
        assert await error(session, "POST", EXPORTS, data=body) == (400, "iMetal.0002")


async def test_there_are_no_other_calls() -> None:
    async with playing() as (emulator, session):
        for method, path in (("GET", EXPORTS), ("DELETE", f"{EXPORTS}/1"), ("GET", "/v1/p1")):
            assert await error(session, method, path) == (404, "APIGW.0101")
        assert emulator.statistics()["other_calls"] == 3


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "wrong"}])
async def test_wrong_token_is_refused_and_counted(headers: dict[str, str]) -> None:
    async with playing() as (emulator, _), ClientSession(emulator.url, headers=headers) as session:
        assert await error(session, "POST", EXPORTS, json={}) == (401, "APIGW.0301")
        assert emulator.statistics()["wrong_token_calls"] == 1
        assert emulator.statistics()["exports"]["started"] == 0


async def test_token_is_good_for_its_calls_and_another_goes_on() -> None:
    tokens = (TokenSpec("short", expires_after_calls=1), TokenSpec("other"))
    async with playing(tokens=tokens) as (_, session):
        await export(session)
        assert await error(session, "POST", EXPORTS, json={}) == (401, "APIGW.0301")
        session.headers["X-Auth-Token"] = "other"
        await export(session)


async def test_token_expires_after_its_time() -> None:
    async with playing(tokens=(TokenSpec(expires_after_s=0.0),)) as (_, session):
        assert await error(session, "POST", EXPORTS, json={}) == (401, "APIGW.0301")


async def test_second_post_starts_a_second_export() -> None:
    async with playing(export_duration_s=LONG_S) as (emulator, session):
        first, second = await export(session), await export(session)
        assert first["export_id"] != second["export_id"]
        exports = emulator.statistics()["exports"]
        assert exports["by_server"] == {"s1": 2}
        assert exports["servers_with_more_than_one"] == 1


async def test_running_export_is_given_again_where_the_scenario_says_so() -> None:
    async with playing(export_duration_s=LONG_S, reuse_running_exports=True) as (_, session):
        first, second = await export(session), await export(session)
        assert first["export_id"] == second["export_id"]


async def test_project_runs_no_more_exports_than_its_limit() -> None:
    async with playing(export_duration_s=LONG_S, exports_in_flight=1) as (emulator, session):
        await export(session)
        assert await error(session, "POST", EXPORTS, json={}) == (429, "iMetal.0005")
        told = emulator.statistics()
        assert told["throttled"]["by_scope"]["exports_in_flight"]["export"] == 1
        assert told["exports"]["most_in_flight"] == {"p1": 1}


async def test_ended_exports_leave_room_for_others() -> None:
    async with playing(exports_in_flight=1) as (_, session):
        await export(session)
        await export(session)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [("percent", "100%"), ("string", "100"), ("integer", 100), ("float", 100.0), ("absent", None)],
)
async def test_percentage_has_the_form_of_the_dialect(form: Any, wanted: object) -> None:  # noqa: ANN401 - a Literal
    async with playing(dialect=Dialect(percentage=form)) as (_, session):
        told = await export(session)
        assert told.get("percentage") == wanted
        assert type(told.get("percentage")) is type(wanted)


async def test_words_time_form_and_content_type_are_the_dialects() -> None:
    dialect = Dialect(completed="COMPLETED", created_at="offset", content_type="text/plain")
    async with playing(dialect=dialect) as (_, session):
        async with session.post(EXPORTS, json={}) as response:
            told = json.loads(await response.read())
        assert response.headers["Content-Type"] == "text/plain"
        assert told["status"] == "COMPLETED"
        assert told["created_at"].endswith("+00:00")


async def test_unknown_words_come_in_place_of_running() -> None:
    dialect = Dialect(running="Running", unknown_words=0.5)
    async with playing(dialect=dialect, export_duration_s=LONG_S) as (_, session):
        export_id = (await export(session))["export_id"]
        words = {(await status(session, export_id))["status"] for _ in range(40)}
        assert "Running" in words
        assert len(words) > 1


async def test_mixed_dialects_differ_between_servers_and_not_between_runs() -> None:
    scenario = fleet(servers=12, projects=1, dialect="mixed", export_duration_s=LONG_S)
    (project,) = scenario.projects
    told = []
    for _ in range(2):
        async with (
            Emulator(scenario) as emulator,
            ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
        ):
            answers = []
            for server in project.servers:
                path = f"/v1/{project.id}/physicalservers/{server.id}/logs/exports"
                answer = await export(session, path)
                del answer["created_at"]
                answers.append(answer)
            told.append(answers)
    assert told[0] == told[1]
    assert len({answer["status"] for answer in told[0]}) > 2
    assert len({type(answer.get("percentage")) for answer in told[0]}) > 2


async def test_clock_skew_moves_date_and_created_at() -> None:
    async with playing(clock_skew_s=7200.0) as (_, session):
        async with session.post(EXPORTS, json={}) as response:
            told = json.loads(await response.read())
        date = parsedate_to_datetime(response.headers["Date"])
        assert (date - datetime.now(UTC)).total_seconds() > 7000
        assert (datetime.fromisoformat(told["created_at"]) - datetime.now(UTC)).total_seconds() > (
            7000
        )


async def test_latency_holds_every_call() -> None:
    async with playing(latency_s=Uniform(LONG_S, 2 * LONG_S)) as (emulator, session):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(export(session), 0.05)
        assert emulator.statistics()["calls"]["export"] == 1
        assert emulator.statistics()["exports"]["started"] == 0


async def test_statistics_tell_when_a_completion_was_first_heard() -> None:
    async with playing() as (emulator, session):
        export_id = (await export(session))["export_id"]
        await status(session, export_id)
        await status(session, export_id)
        delay = emulator.statistics()["detection_delay_s"]
        assert delay["count"] == 1
        assert 0 <= delay["p50"] == delay["p95"] == delay["max"]


async def test_statistics_count_calls_answers_and_bytes() -> None:
    async with playing() as (emulator, session):
        export_id = (await export(session))["export_id"]
        await status(session, export_id)
        async with session.get(f"{EXPORTS}/{export_id}/content") as response:
            body = await response.read()
        told = emulator.statistics()
        assert told["calls"] == {
            "export": 1,
            "status": 1,
            "download": 1,
            "list": 0,
            "alarms": 0,
            "total": 3,
        }
        assert told["answers"] == {"200": 2, "202": 1}
        assert told["bytes_sent"] == len(body)
        assert told["downloads"] == {
            "begun": 1,
            "ended": 1,
            "by_server": {"s1": 1},
            "bytes_by_server": {"s1": len(body)},
        }


async def test_pages_about_itself_are_open_unthrottled_and_uncounted() -> None:
    throttles = (Throttle("ip", limit=1, per_s=LONG_S),)
    async with (
        playing(throttles=throttles) as (emulator, _),
        ClientSession(emulator.url) as session,
    ):
        pages = {}
        for page in ("statistics", "truth", "inventory"):
            async with session.get(f"/emulator/{page}") as response:
                pages[page] = await response.json()
        assert pages["statistics"]["calls"]["total"] == 0
        assert pages["truth"] == {"s1": emulator.truth("s1"), "s2": emulator.truth("s2")}
        assert pages["inventory"] == emulator.inventory()
        assert (await session.get("/emulator/nothing")).status == 404


def test_inventory_names_the_endpoint_and_where_the_token_is() -> None:
    async def main() -> None:
        async with Emulator(fleet(servers=4, projects=2)) as emulator:
            told = emulator.inventory()
            assert told["version"] == 1
            assert told["credentials"]["emulator"] == {
                "kind": "token",
                "token_env": "CLOUDDC_TOKEN",
            }
            assert {project["endpoint"] for project in told["projects"]} == {emulator.url}
            assert [len(project["servers"]) for project in told["projects"]] == [2, 2]
            assert emulator.token not in json.dumps(told)

    asyncio.run(main())


async def test_entered_again_it_goes_on_at_the_same_address() -> None:
    emulator = Emulator(Scenario(projects=PROJECTS, export_duration_s=0.0))
    urls, found = [], []
    for _ in range(2):
        async with (
            emulator,
            ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
        ):
            urls.append(emulator.url)
            found.append(await export(session))
            await status(session, found[0]["export_id"])
    assert urls[0] == urls[1]


async def test_own_duration_and_dialect_go_over_the_scenarios() -> None:
    server = ServerSpec("s1", export_duration_s=LONG_S, dialect=Dialect(running="Running"))
    async with playing(projects=(ProjectSpec("p1", servers=(server,)),)) as (_, session):
        assert (await export(session))["status"] == "Running"
