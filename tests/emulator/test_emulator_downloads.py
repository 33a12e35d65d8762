from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import ClientSession
from yarl import URL

from collector.emulator import (
    Emulator,
    Fault,
    Lognormal,
    Scenario,
    ScenarioError,
    ServerSpec,
    fleet,
)
from collector.emulator.archives import ArchiveShelf
from collector.emulator.downloads import wanted_range
from tests.support.playing import playing

if TYPE_CHECKING:
    from aiohttp import ClientResponse


async def get(
    session: ClientSession,
    url: str | URL,
    **more: Any,  # noqa: ANN401 - aiohttp's
) -> tuple[ClientResponse, bytes]:
    async with session.get(url, **more) as response:
        return response, await response.read()


@pytest.mark.anyio
@pytest.mark.parametrize("size", [1000, 4096, 65_536, 3_000_000])
async def test_archive_is_as_large_as_asked_and_as_truth_says(size: int) -> None:
    async with playing(archive_bytes=size) as (emulator, session, path):
        _, body = await get(session, path)
        truth = emulator.truth("s1")
        assert abs(len(body) - size) < 300 + size // 50
        assert (len(body), hashlib.sha256(body).hexdigest()) == (truth["bytes"], truth["sha256"])
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body))) as tar:
            members = tar.getmembers()
        assert len(members) == len({member.name for member in members}) == truth["members"]
        times = sorted(member.mtime for member in members if member.isreg())
        assert truth["covers"]["to"] == "2026-11-23T08:00:00Z"
        assert times[-1] - times[0] == (len(members) - 8 if len(members) > 8 else 0) * 3571


def test_archive_is_gzip_of_many_members() -> None:
    archive = ArchiveShelf(1).build({"id": "s1"}, 4096)
    assert all(segment.startswith(b"\x1f\x8b") for segment in archive.segments)
    assert len(archive.segments) > 4


def test_archive_is_the_same_for_a_seed_and_a_server_and_for_no_other() -> None:
    def hash_of(seed: int, server_id: str) -> str:
        return ArchiveShelf(seed).build({"id": server_id}, 4096).sha256()

    assert hash_of(1, "s1") == hash_of(1, "s1")
    assert len({hash_of(1, "s1"), hash_of(1, "s2"), hash_of(2, "s1")}) == 3


def test_huge_archive_costs_no_memory() -> None:
    archive = ArchiveShelf(1).build({"id": "s1"}, 10**11)
    assert archive.size > 10**11 * 0.99
    assert sum({id(segment): len(segment) for segment in archive.segments}.values()) < 10**8
    assert sum(map(len, archive.pieces(10**10 + 5, 10**10 + 10**6))) == 10**6 - 5


def test_every_server_of_a_fleet_has_an_archive_of_its_own() -> None:
    scenario = fleet(servers=30, projects=3, archive_bytes=Lognormal(4096))
    emulator = Emulator(scenario)
    truths = [emulator.truth(s.id) for project in scenario.projects for s in project.servers]
    assert len({truth["sha256"] for truth in truths}) == 30
    assert len({truth["file_name"] for truth in truths}) == 30


def test_truth_of_an_unknown_server_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="s9"):
        Emulator(Scenario()).truth("s9")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
    ],
)
def test_range_is_read_as_http_says(header: str | None, wanted: tuple[int, int] | None) -> None:
    assert wanted_range(header, 100) == wanted


@pytest.mark.anyio
async def test_parts_put_together_are_the_archive() -> None:
    async with playing(archive_bytes=200_000) as (emulator, session, path):
        first, head = await get(session, path, headers={"Range": "bytes=0-99999"})
        rest, tail = await get(session, path, headers={"Range": "bytes=100000-"})
        size = emulator.truth("s1")["bytes"]
        assert (first.status, rest.status) == (206, 206)
        assert rest.headers["Content-Range"] == f"bytes 100000-{size - 1}/{size}"
        assert rest.content_length == size - 100_000
        assert hashlib.sha256(head + tail).hexdigest() == emulator.truth("s1")["sha256"]


@pytest.mark.anyio
async def test_range_past_the_end_cannot_be_satisfied() -> None:
    async with playing() as (emulator, session, path):
        response, _ = await get(session, path, headers={"Range": "bytes=9999999-"})
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{emulator.truth('s1')['bytes']}"


@pytest.mark.anyio
async def test_range_is_honoured_only_while_the_archive_is_the_same() -> None:
    async with playing() as (_, session, path):
        whole, _ = await get(session, path)
        for etag, status in ((whole.headers["ETag"], 206), ('"another"', 200)):
            headers = {"Range": "bytes=5-", "If-Range": etag}
            response, _ = await get(session, path, headers=headers)
            assert response.status == status


@pytest.mark.anyio
async def test_server_without_ranges_sends_the_whole() -> None:
    async with playing(ranges=False) as (emulator, session, path):
        response, body = await get(session, path, headers={"Range": "bytes=5-"})
        assert response.status == 200
        assert "Accept-Ranges" not in response.headers
        assert len(body) == emulator.truth("s1")["bytes"]


@pytest.mark.anyio
async def test_etag_and_length_can_be_withheld() -> None:
    async with playing(etag=False, content_length=False) as (emulator, session, path):
        response, body = await get(session, path)
        assert "ETag" not in response.headers
        assert "Content-Length" not in response.headers
        assert hashlib.sha256(body).hexdigest() == emulator.truth("s1")["sha256"]


async def read_until_cut(session: ClientSession, path: str) -> bytes:
    received = bytearray()
    async with session.get(path) as response:
        try:
            async for chunk in response.content.iter_any():
                received += chunk
        except aiohttp.ClientPayloadError:
            return bytes(received)
    raise AssertionError("the download was not cut")


@pytest.mark.anyio
async def test_cut_download_can_be_resumed() -> None:
    server = ServerSpec("s1", faults=(Fault("truncated", times=1),))
    async with playing(server=server) as (emulator, session, path):
        received = await read_until_cut(session, path)
        _, rest = await get(session, path, headers={"Range": f"bytes={len(received)}-"})
        assert hashlib.sha256(received + rest).hexdigest() == emulator.truth("s1")["sha256"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("../../etc/x", "attachment; filename=../../etc/x"),
        ("/etc/passwd", "attachment; filename=/etc/passwd"),
        ("manifest.json", "attachment; filename=manifest.json"),
        (".hidden", "attachment; filename=.hidden"),
        ("x" * 4000, f"attachment; filename={'x' * 4000}"),
        ('a "b"; c', 'attachment; filename="a \\"b\\"; c"'),
        ("Ωλ.tar.gz", "attachment; filename*=UTF-8''%CE%A9%CE%BB.tar.gz"),
    ],
)
async def test_file_name_is_sent_whatever_it_is(name: str, header: str) -> None:
    async with playing(server=ServerSpec("s1", file_name=name)) as (emulator, session, path):
        response, _ = await get(session, path)
        assert response.headers["Content-Disposition"] == header
        assert emulator.truth("s1")["file_name"] == name


@pytest.mark.anyio
async def test_content_disposition_is_sent_word_for_word() -> None:
    server = ServerSpec("s1", content_disposition="inline; filename*=UTF-8''..%2Fx")
    async with playing(server=server) as (_, session, path):
        response, _ = await get(session, path)
        assert response.headers["Content-Disposition"] == server.content_disposition


def test_file_name_that_breaks_the_header_is_refused() -> None:
    with pytest.raises(ScenarioError):
        ServerSpec("s1", file_name="a\r\nSet-Cookie: b")


async def location(session: ClientSession, path: str) -> URL:
    response, _ = await get(session, path, allow_redirects=False)
    assert response.status == 302
    return URL(response.headers["Location"])


@pytest.mark.anyio
async def test_redirect_leads_to_another_origin_that_sends_the_archive() -> None:
    async with playing(redirect_downloads=True) as (emulator, session, path):
        url = await location(session, path)
        assert url.origin() != URL(emulator.url)
        async with ClientSession() as stranger:
            _, body = await get(stranger, url)
            part, _ = await get(stranger, url, headers={"Range": "bytes=5-"})
        assert hashlib.sha256(body).hexdigest() == emulator.truth("s1")["sha256"]
        assert part.status == 206
        told = emulator.statistics()
        assert (told["redirects"], told["leaked_credentials"]) == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["X-Auth-Token", "x-security-token", "Authorization"])
async def test_other_origin_refuses_and_counts_credentials(name: str) -> None:
    async with playing(redirect_downloads=True) as (emulator, session, path):
        url = await location(session, path)
        async with ClientSession() as careless:
            response, _ = await get(careless, url, headers={name: "secret"})
        assert response.status == 400
        assert emulator.statistics()["leaked_credentials"] == 1


@pytest.mark.anyio
async def test_other_origin_wants_the_address_that_was_given() -> None:
    async with playing(redirect_downloads=True) as (_, session, path):
        url = await location(session, path)
        async with ClientSession() as stranger:
            response, _ = await get(stranger, url.with_query(None))
        assert response.status == 403
