"""Answers that no HTTP library would send, and those that come late or by halves."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from collector.emulator import Emulator, Fault, ProjectSpec, Scenario, ScenarioError, ServerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
EXPORTS = "/v1/p1/physicalservers/s1/logs/exports"
LONG_S = 3600.0


@asynccontextmanager
async def playing(*faults: Fault, **members: Any) -> AsyncIterator[Emulator]:  # noqa: ANN401 - Scenario's
    projects = (ProjectSpec("p1", servers=(ServerSpec("s1", faults=faults),)),)
    scenario = Scenario(projects=projects, export_duration_s=0.0, **members)
    async with Emulator(scenario) as emulator:
        yield emulator


async def talk(emulator: Emulator, method: str, path: str) -> tuple[bytes, bytes]:
    """Make a call over a connection of its own; return the answer's head and body, byte by byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(emulator.url.split(":")[-1]))
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {emulator.token}\r\n"
            "Connection: close\r\nContent-Length: 2\r\n\r\n{}".encode()
        )
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def started(emulator: Emulator) -> str:
    _, body = await talk(emulator, "POST", EXPORTS)
    return f"{EXPORTS}/{json.loads(body)['export_id']}"


async def test_two_lengths_are_sent_as_they_are() -> None:
    async with playing(Fault("two_lengths")) as emulator:
        head, body = await talk(emulator, "POST", EXPORTS)
    assert head.count(b"Content-Length: %d" % len(body)) == 2
    assert json.loads(body)["export_id"]


async def test_length_and_chunks_are_sent_together() -> None:
    async with playing(Fault("length_and_chunks", calls=("status",))) as emulator:
        head, body = await talk(emulator, "GET", await started(emulator))
    assert b"Content-Length" in head
    assert b"Transfer-Encoding: chunked" in head
    assert body.endswith(b"}\r\n0\r\n\r\n")


async def test_download_under_invalid_framing_is_the_archive() -> None:
    async with playing(Fault("two_lengths", calls=("download",))) as emulator:
        head, body = await talk(emulator, "GET", f"{await started(emulator)}/content")
        assert head.count(b"Content-Length") == 2
        assert len(body) == emulator.truth("s1")["bytes"]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("gbk_name", 'filename="服务器日志.tar.gz"'.encode("gbk")),
        ("nul_name", b"filename*0*=%00''x"),
        ("huge_parameter", b"filename*" + b"9" * 5000 + b"=x"),
        ("odd_charset", b"filename*=idna''x%2e"),
    ],
)
async def test_whole_archive_comes_under_an_odd_name(
    name: Any,  # noqa: ANN401 - a Literal
    header: bytes,
) -> None:
    async with playing(Fault(name)) as emulator:
        head, body = await talk(emulator, "GET", f"{await started(emulator)}/content")
        assert head.count(b"Content-Disposition: attachment; " + header) == 1
        assert head.count(b"Content-Disposition") == 1
        assert len(body) == emulator.truth("s1")["bytes"]


@pytest.mark.parametrize("faults", [(), (Fault("no_permission"),)])
async def test_json_and_errors_come_packed(faults: tuple[Fault, ...]) -> None:
    async with playing(Fault("gzip_json"), *faults) as emulator:
        head, body = await talk(emulator, "POST", EXPORTS)
    assert b"Content-Encoding: gzip" in head
    assert ("error_code" if faults else "export_id") in json.loads(gzip.decompress(body))


async def test_answer_carries_as_many_cookies_as_said() -> None:
    async with playing(Fault("many_headers", times=1), Fault("many_headers", count=3)) as emulator:
        heads = [(await talk(emulator, "POST", EXPORTS))[0] for _ in range(2)]
    assert [head.count(b"Set-Cookie") for head in heads] == [200, 3]


async def test_late_answer_is_the_usual_one() -> None:
    async with playing(Fault("late", for_s=0.001)) as emulator:
        assert (await started(emulator)).startswith(EXPORTS)


async def test_late_answer_does_not_come_before_its_time() -> None:
    async with playing(Fault("late", for_s=LONG_S)) as emulator:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk(emulator, "POST", EXPORTS), 0.05)


async def test_dripping_answer_is_whole_in_the_end() -> None:
    async with playing(Fault("drip", bytes_per_s=1e6)) as emulator:
        assert (await started(emulator)).startswith(EXPORTS)


async def test_dripping_answer_begins_and_goes_on_a_byte_a_second() -> None:
    async with (
        playing(Fault("drip")) as emulator,
        ClientSession(emulator.url, headers={"X-Auth-Token": emulator.token}) as session,
        session.post(EXPORTS, json={}) as response,
    ):
        assert await response.content.readany() == b"{"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.content.readany(), 0.02)


async def test_silent_call_has_done_nothing() -> None:
    async with playing(Fault("silent")) as emulator:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk(emulator, "POST", EXPORTS), 0.05)
        assert emulator.statistics()["exports"]["started"] == 0


@pytest.mark.parametrize("ending", ["", "/content"])
async def test_export_is_unknown_until_the_replica_has_caught_up(ending: str) -> None:
    async with playing(Fault("replica_lag", for_s=LONG_S, times=1)) as emulator:
        lagging, known = await started(emulator), await started(emulator)
        heads = [(await talk(emulator, "GET", path + ending))[0] for path in (lagging, known)]
    assert [head.split()[1] for head in heads] == [b"404", b"200"]


async def test_export_is_known_after_the_lag() -> None:
    async with playing(Fault("replica_lag", for_s=1e-9)) as emulator:
        assert (await talk(emulator, "GET", await started(emulator)))[0].split()[1] == b"200"


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (Fault("unavailable"), b"503", b"Retry-After: 5\r\n"),
        (Fault("unavailable", retry_after_s=2), b"503", b"Retry-After: 2\r\n"),
        (Fault("conflict"), b"409", b"iMetal"),
        (Fault("locked"), b"423", b"iMetal"),
        (Fault("html", status=403), b"403", b"<html>"),
        (Fault("no_content", calls=("export",)), b"204", b""),
        (Fault("bad_redirect", calls=("export",)), b"302", b"Location: http://objects.example:99999/"),
    ],
)  # fmt: skip
async def test_refusal_comes_from_something_on_the_way(
    fault: Fault, status: bytes, told: bytes
) -> None:
    async with playing(fault) as emulator:
        head, body = await talk(emulator, "POST", EXPORTS)
        assert emulator.statistics()["exports"]["started"] == 0
    assert head.split()[1] == status
    assert told in head + b"\r\n" + body


@pytest.mark.parametrize("name", ["no_content", "bad_redirect", "gbk_name"])
async def test_what_belongs_to_downloads_leaves_other_calls_alone(
    name: Any,  # noqa: ANN401 - a Literal
) -> None:
    async with playing(Fault(name)) as emulator:
        assert (await talk(emulator, "GET", await started(emulator)))[0].split()[1] == b"200"


@pytest.mark.parametrize(
    "members",
    [
        {"name": "late"},
        {"name": "replica_lag"},
        {"name": "drip", "bytes_per_s": 0.0},
        {"name": "html", "status": 99},
        {"name": "gbk_name", "calls": ("status",)},
        {"name": "gzip_json", "calls": ("download",)},
        {"name": "bad_gateway", "status": 403},
    ],
)
async def test_oddity_that_means_nothing_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError):
        Fault(**members)
