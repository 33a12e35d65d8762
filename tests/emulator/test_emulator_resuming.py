"""Downloads that are cut, archives that change meanwhile, and what proves which is which."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from collector.emulator import Fault, ScenarioError
from collector.emulator.archives import ArchiveShelf
from tests.support.playing import get, playing, read_until_cut

if TYPE_CHECKING:
    from collector.emulator import Emulator

pytestmark = pytest.mark.anyio

SIZES = [700, 4096, 300_000]
WINDOW = 512


def is_truth(body: bytes, emulator: Emulator) -> bool:
    return bool(hashlib.sha256(body).hexdigest() == emulator.truth("s1")["sha256"])


@pytest.mark.parametrize("content_length", [True, False])
@pytest.mark.parametrize("option", ["at", "at_bytes"])
async def test_cut_comes_at_its_place_in_the_archive(option: str, content_length: bool) -> None:
    place = {"at": 0.3, "at_bytes": 1234}[option]
    fault = Fault("cut", **{option: place}, times=1)  # type: ignore[arg-type]
    async with playing(fault, content_length=content_length) as (api, session, path):
        received = await read_until_cut(session, path)
        size = api.truth("s1")["bytes"]
        assert len(received) == (round(size * 0.3) if option == "at" else 1234)
        assert api.statistics()["downloads"]["bytes_by_server"] == {"s1": len(received)}
        assert is_truth((await get(session, path))[1], api)


async def test_cut_is_counted_in_the_whole_archive_when_a_range_is_sent() -> None:
    async with playing(Fault("cut", at_bytes=2000)) as (_, session, path):
        assert len(await read_until_cut(session, path, Range="bytes=1500-")) == 500


@pytest.mark.parametrize("asked", ["bytes=2000-", "bytes=2001-", "bytes=0-1999", "bytes=-100"])
async def test_range_that_does_not_hold_the_place_of_a_cut_is_not_hurt(asked: str) -> None:
    async with playing(Fault("cut", at_bytes=2000, times=1)) as (api, session, path):
        response, body = await get(session, path, Range=asked)
        assert len(body) == response.content_length
        assert api.statistics()["faults"] == {}
        assert len(await read_until_cut(session, path)) == 2000


async def test_nothing_comes_before_a_cut_at_nothing() -> None:
    async with playing(Fault("cut", at=0, times=1)) as (api, session, path):
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
            await get(session, path)
        assert is_truth((await get(session, path))[1], api)


async def test_list_of_cuts_strikes_each_once_whoever_goes_on_where_he_was() -> None:
    faults = [Fault("cut", at=tenth / 10, times=1) for tenth in range(1, 10)]
    async with playing(*faults, archive_bytes=100_000) as (api, session, path):
        received = b""
        for _ in faults:
            received += await read_until_cut(session, path, Range=f"bytes={len(received)}-")
        received += (await get(session, path, Range=f"bytes={len(received)}-"))[1]
        assert is_truth(received, api)
        assert api.statistics()["bytes_sent"] == len(received)
        assert api.statistics()["faults"] == {"cut": 9}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("other_length", [False, True])
async def test_changed_archive_is_another_from_then_on(size: int, other_length: bool) -> None:
    fault = Fault("changed", at=0.5, times=1, other_length=other_length)
    async with playing(fault, archive_bytes=size) as (api, session, path):
        before = api.truth("s1")
        head = await read_until_cut(session, path)
        after = api.truth("s1")
        response, body = await get(session, path)
        assert is_truth(body, api)
        assert before["sha256"] != after["sha256"]
        assert (before["bytes"] != after["bytes"]) == other_length
        assert not body.startswith(head)
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body))) as tar:
            assert len(tar.getmembers()) == after["members"]
        again, _ = await get(session, path)
        assert again.headers["ETag"] == response.headers["ETag"]


async def test_archive_may_change_more_than_once() -> None:
    fault = Fault("changed", at=0.5, times=3)
    async with playing(fault) as (api, session, path):
        truths = [api.truth("s1")]
        for _ in range(3):
            await read_until_cut(session, path)
            truths.append(api.truth("s1"))
        assert len({truth["sha256"] for truth in truths}) == 4
        assert len({truth["bytes"] for truth in truths}) == 1


@pytest.mark.parametrize("size", [4096, 300_000])
def test_versions_of_equal_length_differ_all_over(size: int) -> None:
    shelf = ArchiveShelf(1)
    one = shelf.build({"id": "s1"}, size)
    other = shelf.build_as_long({"id": "s1"}, one, 1)
    assert other.size == one.size
    first, second = b"".join(one.segments), b"".join(other.segments)
    # But for the end of the tar, which is all zeros in each, and its gzip the same.
    body = range(0, one.size - WINDOW, WINDOW)
    assert all(first[at : at + WINDOW] != second[at : at + WINDOW] for at in body)


@pytest.mark.parametrize("size", [*range(650, 760, 3), 5000, 50_000, 3_000_000, 10**9])
def test_another_version_can_be_as_long_whatever_the_length(size: int) -> None:
    shelf = ArchiveShelf(3)
    one = shelf.build({"id": "s1", "name": "bms"}, size)
    for version in (1, 2, 9, 10):
        assert shelf.build_as_long({"id": "s1", "name": "bms"}, one, version).size == one.size


async def test_range_of_the_version_before_is_answered_with_the_whole_of_the_next() -> None:
    async with playing(Fault("changed", at=0.5, times=1)) as (api, session, path):
        before, _ = await get(session, path, Range="bytes=0-9")
        await read_until_cut(session, path)
        headers = {"Range": "bytes=100-", "If_Range": before.headers["ETag"]}
        response, body = await get(session, path, **headers)
        assert response.status == 200
        assert is_truth(body, api)


async def test_without_an_etag_a_range_may_be_of_the_next_version() -> None:
    async with playing(Fault("changed", at=0.5, times=1), etag=False) as (api, session, path):
        head = await read_until_cut(session, path)
        response, rest = await get(session, path, Range=f"bytes={len(head)}-")
        assert response.status == 206
        assert len(head + rest) == api.truth("s1")["bytes"]
        assert not is_truth(head + rest, api)


async def test_weak_etag_is_good_for_no_range() -> None:
    async with playing(weak_etag=True) as (_, session, path):
        whole, _ = await get(session, path)
        etag = whole.headers["ETag"]
        assert etag.startswith('W/"')
        response, _ = await get(session, path, Range="bytes=5-", If_Range=etag)
        assert response.status == 200


async def test_last_modified_is_told_and_compared() -> None:
    fault = Fault("changed", at=0.5, times=1)
    async with playing(fault, last_modified=True, etag=False) as (_, session, path):
        first, _ = await get(session, path, Range="bytes=0-9")
        date = first.headers["Last-Modified"]
        assert date == "Mon, 23 Nov 2026 08:00:00 GMT"
        asked = {"Range": "bytes=5-9", "If_Range": date}
        assert (await get(session, path, **asked))[0].status == 206
        await read_until_cut(session, path)
        assert (await get(session, path, **asked))[0].status == 200


ALL_CHECKSUMS = ("content-md5", "x-obs-meta-sha256", "digest", "repr-digest")


def told_by(headers: Any) -> dict[str, bytes]:  # noqa: ANN401 - of any mapping
    """The hashes that headers tell, by header."""
    found = {}
    if "Content-MD5" in headers:
        found["content-md5"] = base64.b64decode(headers["Content-MD5"])
    if "x-obs-meta-sha256" in headers:
        found["x-obs-meta-sha256"] = bytes.fromhex(headers["x-obs-meta-sha256"])
    if "Digest" in headers:
        found["digest"] = base64.b64decode(headers["Digest"].removeprefix("SHA-256="))
    if "Repr-Digest" in headers:
        found["repr-digest"] = base64.b64decode(
            headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
        )
    return found


def hashes_of(body: bytes) -> dict[str, bytes]:
    sha256 = hashlib.sha256(body).digest()
    return {**dict.fromkeys(ALL_CHECKSUMS, sha256), "content-md5": hashlib.md5(body).digest()}  # noqa: S324 - as HTTP has it


@pytest.mark.parametrize("size", SIZES)
async def test_checksums_that_are_offered_are_those_of_the_archive(size: int) -> None:
    async with playing(checksums=ALL_CHECKSUMS, archive_bytes=size) as (_, session, path):
        response, body = await get(session, path)
        assert told_by(response.headers) == hashes_of(body)
        part, _ = await get(session, path, Range="bytes=5-")
        of_whole = {**hashes_of(body)}
        del of_whole["content-md5"]
        assert told_by(part.headers) == of_whole


@pytest.mark.parametrize("name", ALL_CHECKSUMS)
async def test_only_the_checksums_that_are_asked_for_are_offered(name: str) -> None:
    async with playing(checksums=(name,)) as (_, session, path):
        response, _ = await get(session, path)
        assert list(told_by(response.headers)) == [name]
    async with playing() as (_, session, path):
        assert told_by((await get(session, path))[0].headers) == {}


async def test_checksums_are_those_of_the_version_that_is_sent() -> None:
    fault = Fault("changed", at=0.5, times=1)
    async with playing(fault, checksums=ALL_CHECKSUMS) as (_, session, path):
        await get(session, path, Range="bytes=0-9")
        await read_until_cut(session, path)
        response, body = await get(session, path)
        assert told_by(response.headers) == hashes_of(body)


async def test_wrong_checksums_are_told_of_the_right_archive() -> None:
    fault = Fault("wrong_checksum", times=1)
    async with playing(fault, checksums=ALL_CHECKSUMS) as (api, session, path):
        response, body = await get(session, path)
        assert is_truth(body, api)
        told, right = told_by(response.headers), hashes_of(body)
        assert set(told) == set(ALL_CHECKSUMS)
        assert all(told[name] != right[name] for name in ALL_CHECKSUMS)
        assert told_by((await get(session, path))[0].headers) == right


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"faults": (Fault("wrong_checksum"),)}, "there are no checksums"),
        ({"faults": (Fault("link_expired"),)}, "without redirect_downloads"),
        ({"links_expire_after_s": 5.0}, "without redirect_downloads"),
        ({"links_expire_after_calls": 1}, "without redirect_downloads"),
        ({"weak_etag": True, "etag": False}, "there is no etag"),
    ],
)
async def test_option_that_would_do_nothing_is_refused(
    members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        async with playing(**members):
            pass
