from __future__ import annotations

import asyncio
import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from collector.model.answers import (
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    Problem,
    ProblemKind,
    ScopeKind,
)
from collector.providers.clouddc import PROVIDER
from collector.providers.clouddc.signin.tokens import TokenSource
from tests.support.loopback import TOKEN, Answer, asked, clouddc, serving, started, target

if TYPE_CHECKING:
    from pathlib import Path

    from collector.providers.protocol import ProjectAddress

pytestmark = pytest.mark.anyio

STARTED = Answer(202, {"export_id": "e1", "status": "processing", "percentage": "0%"})
RUNNING = Answer(200, {"export_id": "e1", "status": "Running", "percentage": "30%"})
HTML = b"<html><head><title>Welcome</title></head></html>"


async def test_an_export_is_started_as_the_reference_says() -> None:
    said, server = await started(STARTED)
    assert isinstance(said, ExportSaid)
    assert (said.export_id, said.state, said.percent) == ("e1", ExportState.RUNNING, 0.0)
    request = server.last
    assert (request.method, request.path, request.body) == (
        "POST",
        "/v1/p1/physicalservers/s1/logs/exports",
        b"{ }",
    )
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Auth-Token"] == TOKEN


async def test_a_status_is_asked_for_as_the_reference_says() -> None:
    said, server = await asked(RUNNING)
    assert said.percent == 30.0
    request = server.last
    assert (request.method, request.path, request.body) == (
        "GET",
        "/v1/p1/physicalservers/s1/logs/exports/e1",
        b"",
    )
    assert request.headers["X-Auth-Token"] == TOKEN


async def test_requests_say_who_they_come_from_and_want_bytes_as_they_are() -> None:
    _, server = await asked(RUNNING)
    assert server.last.headers["User-Agent"].startswith("collector/")
    assert server.last.headers["Accept-Encoding"] == "identity"


async def test_ids_stay_one_segment_of_the_path() -> None:
    async with serving(RUNNING) as server, clouddc() as fleet:
        await fleet.ask_status(
            target(server.url, project="..", server="a/b?c#d e"), "%2f/é..", asks_limits=False
        )
    assert server.last.path == (
        "/v1/%2E%2E/physicalservers/a%2Fb%3Fc%23d%20e/logs/exports/%252f%2F%C3%A9.."
    )


async def test_an_endpoint_may_have_a_path_of_its_own() -> None:
    async with serving(RUNNING) as server, clouddc() as fleet:
        await fleet.ask_status(target(f"{server.url}/clouddc%2Fapi"), "e1", asks_limits=False)
    assert server.last.path.startswith("/clouddc%2Fapi/v1/p1/")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "text/html", "application/json;charset=UTF-16"],
)
async def test_json_is_read_under_any_content_type(content_type: str) -> None:
    said, _ = await asked(Answer(200, RUNNING.body, {"Content-Type": content_type}))
    assert said.state is ExportState.RUNNING


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_success_with_an_export_id_is_one(status: int) -> None:
    said, _ = await started(Answer(status, STARTED.body))
    assert isinstance(said, ExportSaid)


@pytest.mark.parametrize(
    "body", [HTML, b"", b"OK", {}, {"status": "processing"}, [], {"error_code": "APIGW.0201"}]
)
async def test_a_start_without_an_export_id_is_unreadable(body: object) -> None:
    problem, _ = await started(Answer(202, body, {"Content-Type": "application/json"}))
    assert (problem.kind, problem.http_status) == (ProblemKind.UNREADABLE, 202)
    assert problem.message


@pytest.mark.parametrize("body", [HTML, b"", b"OK", {}, {"export_id": "e1"}, []])
async def test_a_status_without_a_status_is_unreadable(body: object) -> None:
    problem, _ = await asked(Answer(200, body))
    assert (problem.kind, problem.http_status) == (ProblemKind.UNREADABLE, 200)


async def test_a_body_of_many_megabytes_is_not_read_to_its_end() -> None:
    body = b'{"status": "completed", "x": "' + b"x" * (8 << 20) + b'"}'
    problem, _ = await asked(Answer(200, body))
    assert problem.kind is ProblemKind.UNREADABLE


async def test_a_redirected_call_is_not_followed() -> None:
    async with serving(RUNNING) as other:
        problem, _ = await asked(Answer(302, HTML, {"Location": other.url}))
        assert problem.kind is ProblemKind.UNREADABLE
        assert other.heard == []


async def test_a_429_tells_its_limit_its_scope_and_when_to_come_back() -> None:
    words = "policy user over ratelimit,limit:10,time:1 second"
    body = {"error_code": "APIGW.0308", "error_msg": words, "request_id": "r1"}
    problem, _ = await started(Answer(429, body, {"Retry-After": "3"}))
    assert problem.kind is ProblemKind.THROTTLED
    assert problem.throttled_by is ScopeKind.USER
    assert problem.metadata.limits == (LimitTold(ScopeKind.USER, 10, 1.0),)
    assert (problem.retry_after_s, problem.request_id) == (3.0, "r1")


async def test_limits_are_heard_from_the_headers_of_any_answer() -> None:
    headers = {"X-Apig-RateLimit-api": "remain:9,limit:10,time:10 second"}
    said, _ = await started(Answer(202, STARTED.body, headers))
    assert said.metadata.limits == (LimitTold(ScopeKind.API, 10, 10.0, remaining=9),)


@pytest.mark.parametrize(("asks_limits", "mode"), [(True, "debug"), (False, None)])
async def test_the_gateway_is_asked_for_its_limits_as_the_engine_says(
    asks_limits: bool, mode: str | None
) -> None:
    async with serving(RUNNING) as server, clouddc() as fleet:
        here = target(server.url)
        await fleet.start_export(here, asks_limits=asks_limits)
        await fleet.ask_status(here, "e1", asks_limits=asks_limits)
        async with fleet.open_archive(here, "e1", asks_limits=asks_limits):
            pass
    assert [request.headers.get("X-Apig-Mode") for request in server.heard] == [mode] * 3


async def test_the_clocks_difference_is_heard() -> None:
    there_s = time.time() - 1e6
    said, _ = await asked(Answer(200, RUNNING.body, {"Date": formatdate(there_s, usegmt=True)}))
    assert said.metadata.clock_offset_s > 9e5


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_time_that_no_clock_can_have_is_no_time(date: str) -> None:
    said, _ = await asked(Answer(200, RUNNING.body, {"Date": date}))
    assert said.metadata.clock_offset_s is None


async def test_a_401_says_whether_the_tokens_file_has_another_now(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    refusal = Answer(401, {"error_code": "APIGW.0301", "error_msg": "expired"})
    source._next_look_s = math.inf  # the refusal alone has it read again
    async with serving(refusal, RUNNING, refusal) as server, clouddc(token=source) as fleet:
        here = target(server.url)
        first = await fleet.start_export(here, asks_limits=False)
        await fleet.ask_status(here, "e1", asks_limits=False)
        path.write_text("new")
        second, third = await asyncio.gather(
            fleet.start_export(here, asks_limits=False),
            fleet.ask_status(here, "e1", asks_limits=False),
        )
        async with fleet.open_archive(here, "e1", asks_limits=False) as fourth:
            pass
    problems = [first, second, third, fourth]
    assert [p.renewed for p in problems if isinstance(p, Problem)] == [False, True, True, False]
    assert {p.kind for p in problems if isinstance(p, Problem)} == {ProblemKind.UNAUTHENTICATED}
    tokens = [request.headers["X-Auth-Token"] for request in server.heard]
    assert tokens == ["old", "old", "old", "old", "new"]


async def test_cookies_are_neither_kept_nor_sent() -> None:
    answer = Answer(200, RUNNING.body, {"Set-Cookie": "a=b; Path=/"})
    async with serving(answer) as server, clouddc() as fleet:
        here = target(server.url.replace("127.0.0.1", "localhost"))  # of addresses nobody keeps any
        await fleet.ask_status(here, "e1", asks_limits=False)
        await fleet.ask_status(here, "e1", asks_limits=False)
    assert "Cookie" not in server.last.headers


async def test_outside_of_its_context_a_fleet_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await clouddc().start_export(target("http://127.0.0.1:9"), asks_limits=False)


def test_calls_share_the_scopes_that_their_limits_are_shared_by() -> None:
    here, there = target("https://a.example").project, target("https://b.example").project
    other_project = target("https://a.example", project="p2").project
    scopes = {scope.kind: scope for scope in PROVIDER.scopes(Call.START_EXPORT, here)}
    assert set(scopes) == set(ScopeKind)

    def shared(call: Call, other: ProjectAddress) -> set[ScopeKind]:
        return {scope.kind for scope in PROVIDER.scopes(call, other) if scope in scopes.values()}

    assert shared(Call.START_EXPORT, there) == set()
    assert shared(Call.ASK_STATUS, here) == set(ScopeKind) - {ScopeKind.API}
    assert shared(Call.START_EXPORT, other_project) == set(ScopeKind) - {ScopeKind.PROJECT}
