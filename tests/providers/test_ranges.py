from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from collector.model.answers import Checksum, Problem, ProblemKind
from collector.providers.http.checksums import checksums
from collector.providers.http.urls import redirected
from collector.providers.protocol import Fetched, OpenArchive
from tests.support.loopback import ARCHIVE, TOKEN, Answer, clouddc, read_all, serving, target

pytestmark = pytest.mark.anyio
P = ProblemKind
ALL = len(ARCHIVE)
HERE = Fetched(4000, ALL, '"v1"')
FROM = 4000 - 512


def part(start: int = FROM, told: str | None = None, **headers: str) -> Answer:
    told = told or f"bytes {start}-{ALL - 1}/{ALL}"
    return Answer(206, ARCHIVE[start:], {"Content-Range": told, **headers})


async def resumed(endpoint: str, here: Fetched | None = HERE) -> tuple[Any, bytes]:
    async with (
        clouddc() as fleet,
        fleet.open_archive(target(endpoint), "e1", asks_limits=False, fetched=here) as opened,
    ):
        return opened, b"" if isinstance(opened, Problem) else (await read_all(opened))[0]


async def test_the_rest_is_asked_for_with_a_little_of_what_is_here() -> None:
    async with serving(part(ETag='"v1"')) as server:
        opened, body = await resumed(server.url)
    asked = server.last.headers
    assert (asked["Range"], asked["If-Range"]) == (f"bytes={FROM}-", '"v1"')
    assert (opened.offset, opened.length, opened.validator) == (FROM, ALL, '"v1"')
    assert body == ARCHIVE[FROM:]


async def test_the_whole_archive_in_place_of_the_rest_begins_at_its_start() -> None:
    async with serving(Answer(200, ARCHIVE, {"ETag": 'W/"v2"'})) as server:
        opened, body = await resumed(server.url)
    assert (opened.offset, opened.length, opened.validator, body) == (0, ALL, None, ARCHIVE)


async def test_the_range_goes_along_to_another_origin_without_the_token() -> None:
    async with serving(part()) as storage, serving(Answer(302)) as api:
        api.answers = [Answer(307, b"", {"Location": f"{storage.url}/x"})]
        _, body = await resumed(api.url)
    assert body == ARCHIVE[FROM:]
    assert storage.last.headers["Range"] == f"bytes={FROM}-"
    assert TOKEN not in str(dict(storage.last.headers))


@pytest.mark.parametrize(
    "answer",
    [
        part(4001),
        part(told="nonsense"),
        part(told=f"bytes {FROM}-{ALL - 1}/{ALL + 1}"),
        part(told=f"bytes {FROM}-{ALL - 2}/{ALL}"),
        part(ETag='"v2"'),
        Answer(206, b"--x", {"Content-Type": "multipart/byteranges; boundary=x"}),
        Answer(416, b"", {"Content-Range": "bytes */12"}),
    ],
)
async def test_a_part_that_cannot_be_the_rest_means_that_the_archive_changed(
    answer: Answer,
) -> None:
    async with serving(answer) as server:
        problem, _ = await resumed(server.url)
    assert (problem.kind, problem.http_status) == (P.CHANGED, answer.status)


async def test_a_part_that_begins_like_a_message_is_archive_bytes() -> None:
    for beginning in (b'{"status": "failed"}', b"<html>"):
        body = beginning + ARCHIVE[FROM + len(beginning) :]
        told = {"Content-Range": f"bytes {FROM}-{ALL - 1}/{ALL}"}
        async with serving(Answer(206, body, told)) as server:
            opened, came = await resumed(server.url)
        assert isinstance(opened, OpenArchive)
        assert came == body


async def test_a_part_that_nobody_asked_for_is_unreadable() -> None:
    async with serving(part()) as server:
        problem, _ = await resumed(server.url, None)
    assert problem.kind is P.UNREADABLE


@pytest.mark.parametrize(
    ("name", "value", "algorithm"),
    [
        ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", "md5"),
        ("x-obs-meta-md5", "5d41402abc4b2a76b9719d911017c592", "md5"),
        ("x-obs-meta-content-md5", "5D41402ABC4B2A76B9719D911017C592", "md5"),
        ("x-amz-meta-checksum-md5", "5d41402abc4b2a76b9719d911017c592", "md5"),
        ("X-Checksum-Md5", "5d41402abc4b2a76b9719d911017c592", "md5"),
        ("Digest", "MD5=XUFAKrxLKna5cZ2REBfFkg==", "md5"),
        ("Repr-Digest", "md5=:XUFAKrxLKna5cZ2REBfFkg==:", "md5"),
        ("x-goog-hash", "crc32c=n03x6A==, md5=XUFAKrxLKna5cZ2REBfFkg==", "md5"),
    ],
)
def test_a_checksum_is_read_from_its_header(name: str, value: str, algorithm: str) -> None:
    expected = Checksum(algorithm, "5d41402abc4b2a76b9719d911017c592", name)
    assert checksums({name: value}, whole=True) == (expected,)


@pytest.mark.parametrize(
    ("name", "value", "whole"),
    [
        ("ETag", '"5d41402abc4b2a76b9719d911017c592"', True),
        ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", False),
        ("Content-MD5", "unreadable", True),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=-3", True),
    ],
)
def test_what_is_no_checksum_of_the_whole_is_left_aside(name: str, value: str, whole: bool) -> None:
    assert checksums({name: value}, whole=whole) == ()


async def test_the_message_of_a_range_beyond_the_end_tells_the_length() -> None:
    async with serving(Answer(416, b"", {"Content-Range": "bytes */12"})) as server:
        problem, _ = await resumed(server.url)
    assert "it has 12 bytes" in problem.message


@pytest.mark.parametrize(
    ("base", "location", "aim"),
    [
        ("https://a.example/x", "http://a.example/y", None),
        ("https://a.example/x", "http://a.example:443/y", None),
        ("https://a.example:8443/x", "HTTP://u:p@b.example:80/y", None),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("https://a.example/x", "y?z=1", "https://a.example/y?z=1"),
        ("http://a.example/x", "https://b.example/y", "https://b.example/y"),
    ],
)
def test_no_redirection_leads_from_https_to_http(base: str, location: str, aim: str | None) -> None:
    assert redirected(URL(base), location) == (None if aim is None else URL(aim))
