from __future__ import annotations

import json
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from collector.emulator import (
    Emulator,
    ProjectSpec,
    Scenario,
    ScenarioError,
    ServerSpec,
    Throttle,
    TokenSpec,
)
from collector.emulator.throttling import (
    Caller,
    FixedWindow,
    Gate,
    SlidingWindow,
    TokenBucket,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

LONG_S = 3600.0
PROJECTS = tuple(ProjectSpec(p, servers=(ServerSpec(f"{p}-s1"),)) for p in ("p1", "p2"))
TOKENS = (TokenSpec("one", user="a"), TokenSpec("two", user="a"), TokenSpec("three", user="b"))


@asynccontextmanager
async def playing(
    *throttles: Throttle,
    **members: Any,  # noqa: ANN401 - Scenario's
) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    scenario = Scenario(projects=PROJECTS, tokens=TOKENS, throttles=throttles, **members)
    async with Emulator(scenario) as emulator, ClientSession(emulator.url) as session:
        yield emulator, session


async def call(
    session: ClientSession, kind: str = "status", token: str = TOKENS[0].value, project: str = "p1"
) -> ClientResponse:
    path = f"/v1/{project}/physicalservers/{project}-s1/logs/exports"
    headers = {"X-Auth-Token": token, "X-Apig-Mode": "debug"}
    if kind == "export":
        response = await session.post(path, json={}, headers=headers)
    else:
        ending = "/1/content" if kind == "download" else "/1"
        response = await session.get(path + ending, headers=headers)
    await response.read()
    return response


async def throttled(session: ClientSession, **how: str) -> bool:
    return (await call(session, **how)).status == 429


def admitted(window: Window, now_s: float) -> int:
    """How many calls get in at that moment."""
    count = 0
    while window.remaining(now_s):
        window.take(now_s)
        count += 1
    return count


def test_fixed_windows_admit_twice_the_limit_around_a_border() -> None:
    window = FixedWindow(10, 1.0)
    assert admitted(window, 0.99) == 10
    assert window.wait_s(0.99) == pytest.approx(0.01)
    assert (admitted(window, 1.0), admitted(window, 1.99)) == (10, 0)


def test_sliding_window_never_holds_more_than_the_limit() -> None:
    window = SlidingWindow(10, 1.0)
    assert admitted(window, 0.99) == 10
    assert admitted(window, 1.98) == 0
    assert window.wait_s(1.98) == pytest.approx(0.01)
    assert admitted(window, 1.99) == 10


def test_bucket_refills_evenly() -> None:
    window = TokenBucket(10, 1.0)
    assert admitted(window, 100.0) == 10
    assert admitted(window, 100.05) == 0
    assert window.wait_s(100.05) == pytest.approx(0.05)
    assert admitted(window, 100.25) == 2
    assert admitted(window, 200.0) == 10


def test_window_that_admits_has_nothing_to_wait_for() -> None:
    windows: list[Window] = [FixedWindow(1, 1.0), SlidingWindow(1, 1.0), TokenBucket(1, 1.0)]
    assert [window.wait_s(5.0) for window in windows] == [0.0, 0.0, 0.0]


def test_refused_call_takes_nothing_from_other_policies() -> None:
    tight, wide = Throttle("user", 1, LONG_S), Throttle("project", 5, LONG_S)
    gate = Gate((wide, tight), throttled_calls_count=False)
    caller = Caller("status", "a", "one", "127.0.0.1", "p1")
    refusals = [gate.admit(caller, 1.0) for _ in range(20)]
    assert refusals[0] is None
    assert all(refused is not None and refused[0] is tight for refused in refusals[1:])
    other = Caller("status", "b", "three", "127.0.0.1", "p1")
    assert gate.admit(other, 1.0) is None


def test_refused_calls_keep_a_sliding_window_full_where_they_count() -> None:
    throttle = Throttle("user", 1, 1.0, window="sliding")
    caller = Caller("status", "a", "one", "127.0.0.1", "p1")
    for counted, still_refused in ((False, False), (True, True)):
        gate = Gate((throttle,), throttled_calls_count=counted)
        assert gate.admit(caller, 1.0) is None
        assert gate.admit(caller, 1.8) is not None
        assert gate.admit(caller, 1.9) is not None
        assert (gate.admit(caller, 2.5) is not None) is still_refused


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scope", "same", "other"),
    [
        ("api", {"token": "three", "project": "p2"}, {"kind": "download"}),
        ("api-allenv", {"token": "three", "project": "p2"}, {"kind": "download"}),
        ("user", {"token": "two", "kind": "download", "project": "p2"}, {"token": "three"}),
        ("app", {"kind": "download", "project": "p2"}, {"token": "two"}),
        ("project", {"token": "three", "kind": "download"}, {"project": "p2"}),
    ],
)
async def test_calls_of_a_scope_share_its_limit_and_others_do_not(
    scope: Any,  # noqa: ANN401 - a Literal
    same: dict[str, str],
    other: dict[str, str],
) -> None:
    async with playing(Throttle(scope, 1, LONG_S)) as (emulator, session):
        assert not await throttled(session)
        assert await throttled(session, **same)
        assert not await throttled(session, **other)
        by_scope = emulator.statistics()["throttled"]["by_scope"]
        assert by_scope == {scope: {"export": 0, "status": 0, "download": 0}} | {
            scope: {**by_scope[scope], same.get("kind", "status"): 1}
        }
        assert emulator.statistics()["throttled"]["total"] == 1


@pytest.mark.anyio
async def test_ip_limit_is_shared_by_all_that_one_machine_sends() -> None:
    async with playing(Throttle("ip", 1, LONG_S)) as (_, session):
        assert not await throttled(session)
        assert await throttled(session, token="three", kind="download", project="p2")


@pytest.mark.anyio
async def test_policy_may_be_of_some_calls_only() -> None:
    async with playing(Throttle("user", 1, LONG_S, only=("export",))) as (_, session):
        assert not await throttled(session)
        assert not await throttled(session)
        assert not await throttled(session, kind="export")
        assert await throttled(session, kind="export")


async def refusal(throttle: Throttle) -> tuple[ClientResponse, str]:
    async with playing(throttle) as (_, session):
        await call(session)
        response = await call(session)
        assert response.status == 429
        assert response.headers["X-Request-Id"]
        return response, await response.text()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("form", "code", "member"),
    [
        ("gateway", "APIGW.0308", "error_msg"),
        ("gateway_apig", "APIG.0308", "error_msg"),
        ("gateway_status", "APIGW.0308", "error_message"),
    ],
)
async def test_gateway_forms_name_policy_limit_and_time(
    form: Any,  # noqa: ANN401 - a Literal
    code: str,
    member: str,
) -> None:
    response, text = await refusal(Throttle("user", 1, LONG_S, refusal=form))
    body = json.loads(text)
    assert body["error_code"] == code
    assert body[member] == (
        "The throttling threshold has been reached: policy user over ratelimit,limit:1,time:1 hour"
    )
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert body.get("status_code") == (429 if form == "gateway_status" else None)


@pytest.mark.anyio
async def test_service_form_gives_no_detail() -> None:
    _, text = await refusal(Throttle("project", 1, LONG_S))
    assert json.loads(text) == {"error_code": "iMetal.0005", "error_msg": "Too many requests."}


@pytest.mark.anyio
@pytest.mark.parametrize(("form", "body"), [("text", "Too Many Requests"), ("empty", "")])
async def test_body_of_a_429_may_be_no_json(
    form: Any,  # noqa: ANN401 - a Literal
    body: str,
) -> None:
    _, text = await refusal(Throttle("user", 1, LONG_S, refusal=form))
    assert text == body


@pytest.mark.anyio
async def test_mixed_forms_come_all() -> None:
    async with playing(Throttle("user", 1, LONG_S, refusal="mixed")) as (_, session):
        await call(session)
        bodies = [await (await call(session)).text() for _ in range(60)]
        kinds = {body.partition("request_id")[0] for body in bodies}
        assert len(kinds) == 6


@pytest.mark.anyio
async def test_retry_after_is_absent_unless_asked_for() -> None:
    response, _ = await refusal(Throttle("user", 1, LONG_S))
    assert "Retry-After" not in response.headers


@pytest.mark.anyio
async def test_retry_after_counts_the_seconds_of_the_wait() -> None:
    response, _ = await refusal(
        Throttle("user", 1, LONG_S, window="sliding", retry_after="seconds")
    )
    assert 3590 < int(response.headers["Retry-After"]) <= 3600


@pytest.mark.anyio
async def test_retry_after_may_be_a_date() -> None:
    response, _ = await refusal(Throttle("user", 1, LONG_S, window="sliding", retry_after="date"))
    until = parsedate_to_datetime(response.headers["Retry-After"])
    now = parsedate_to_datetime(response.headers["Date"])
    assert 3590 < (until - now).total_seconds() <= 3602


@pytest.mark.anyio
async def test_debug_headers_tell_each_gateway_policy() -> None:
    throttles = Throttle("user", 10, 10.0), Throttle("ip", 20, 60.0), Throttle("project", 5)
    async with playing(*throttles) as (_, session):
        headers = (await call(session)).headers
        assert headers["X-Apig-RateLimit-user"] == "remain:9,limit:10,time:10 second"
        assert headers["X-Apig-RateLimit-ip"] == "remain:19,limit:20,time:1 minute"
        assert "X-Apig-RateLimit-project" not in headers


@pytest.mark.anyio
async def test_debug_headers_come_only_where_they_are_switched_on() -> None:
    async with playing(Throttle("user", 10), debug_headers=False) as (_, session):
        assert "X-Apig-RateLimit-user" not in (await call(session)).headers


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("20/1s", Throttle("user", 20, 1.0)),
        ("20/90", Throttle("user", 20, 90.0)),
        ("ip:100/1m", Throttle("ip", 100, 60.0)),
        ("api-allenv:200/0.5s", Throttle("api-allenv", 200, 0.5)),
        ("project:1/2h", Throttle("project", 1, 7200.0)),
    ],
)
def test_policies_can_be_spelt_in_a_word(text: str, wanted: Throttle) -> None:
    assert Throttle.parse(text) == wanted


@pytest.mark.parametrize("text", ["", "20", "20/", "/1s", "20/1d", "tenant:1/1s", "0/1s", "1/0s"])
def test_misspelt_policies_are_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        Throttle.parse(text)
