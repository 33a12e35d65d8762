from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.model.answers import LimitTold, Problem, ProblemKind, ScopeKind
from collector.providers.protocol import OpenArchive
from tests.support.loopback import (
    ARCHIVE,
    TOKEN,
    Answer,
    clouddc,
    fetched,
    request_head,
    serving,
    speaking,
    target,
)

if TYPE_CHECKING:
    import asyncio

    from collector.providers.clouddc.client import CloudDC

pytestmark = pytest.mark.anyio
P = ProblemKind
WHOLE = Answer(200, ARCHIVE, {"Content-Disposition": "attachment; filename=SN1-dump.tar.gz"})


def moved(location: str, status: int = 302) -> Answer:
    return Answer(status, b"", {"Location": location})


async def test_an_archive_comes_with_its_name_its_length_and_every_byte() -> None:
    async with serving(WHOLE) as server:
        opened, body, problem = await fetched(server.url)
    assert (opened.file_name, opened.length) == ("SN1-dump.tar.gz", len(ARCHIVE))
    assert (body, problem) == (ARCHIVE, None)
    assert server.last.path == "/v1/p1/physicalservers/s1/logs/exports/e1/content"
    assert server.last.headers["X-Auth-Token"] == TOKEN


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("attachment", None),
        ("", None),
        ("nonsense;;;=", None),
        ('attachment; filename=""', None),
        ('attachment; filename="a b.tar.gz"', "a b.tar.gz"),
        ("attachment; filename*=UTF-8''%C3%A9t%C3%A9.tar.gz", "été.tar.gz"),
        ("attachment; filename=x; filename*=UTF-8''y.tar.gz", "y.tar.gz"),
        ("attachment; FileName=x.tar.gz;", "x.tar.gz"),
        ("filename=x.tar.gz", "x.tar.gz"),
        ('attachment; filename="a \\"b\\"; c.gz"', 'a "b"; c.gz'),
        ('attachment; filename="été.tar.gz"', "été.tar.gz"),
        ("attachment; filename*=bogus''x.tar.gz", "x.tar.gz"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
    ],
)
async def test_the_servers_own_name_is_passed_on_as_it_is(
    header: str | None, name: str | None
) -> None:
    headers = {} if header is None else {"Content-Disposition": header}
    async with serving(Answer(200, ARCHIVE, headers)) as server:
        opened, _, _ = await fetched(server.url)
    assert opened.file_name == name


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "image/png"])
async def test_an_archive_is_one_under_any_content_type(content_type: str) -> None:
    async with serving(Answer(200, ARCHIVE, {"Content-Type": content_type})) as server:
        _, body, problem = await fetched(server.url)
    assert (body, problem) == (ARCHIVE, None)


async def test_bytes_pass_as_they_are_under_an_encoding_nobody_asked_for() -> None:
    async with serving(Answer(200, ARCHIVE, {"Content-Encoding": "gzip"})) as server:
        opened, body, problem = await fetched(server.url)
    assert (opened.length, body, problem) == (len(ARCHIVE), ARCHIVE, None)


@pytest.mark.parametrize("status", [200, 201, 204, 205])
async def test_a_success_without_a_body_is_no_archive(status: int) -> None:
    async with serving(Answer(status, b"")) as server:
        problem, _, _ = await fetched(server.url)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, status)
    assert problem.message == f"an answer without a body came in place of the archive ({status})"


@pytest.mark.parametrize("body", [b"{", b"{ no json", b"{" + b"x" * (3 << 20), b"PK\3\4" * 9])
async def test_what_is_no_message_passes_whole(body: bytes) -> None:
    async with serving(Answer(200, body)) as server:
        opened, came, problem = await fetched(server.url)
    assert isinstance(opened, OpenArchive)
    assert (came, problem) == (body, None)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({"status": "processing"}, P.NOT_READY, "the export has no archive yet"),
        ({"status": "Failed"}, P.EXPORT_FAILED, "the service calls the export failed"),
        ({"status": "completed"}, P.UNREADABLE, "JSON came in place of the archive"),
        ({"error_code": "x", "error_msg": "busy now"}, P.UNREADABLE, "busy now"),
        ({}, P.UNREADABLE, "JSON came in place of the archive"),
        (b"<html><title>Login</title>", P.UNREADABLE, 'a page titled "Login" came'),
        (b"\n <!DOCTYPE html>", P.UNREADABLE, "a page came"),
    ],
)
async def test_a_message_under_200_is_no_archive(body: object, kind: P, message: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Request-Id": "r1"}
    async with serving(Answer(200, body, headers)) as server:
        problem, _, _ = await fetched(server.url)
    assert (problem.kind, problem.http_status, problem.request_id) == (kind, 200, "r1")
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "iMetal.0120", P.FORGOTTEN),
        (400, "iMetal.0101", P.NOT_READY),
        (206, None, P.UNREADABLE),
        (503, None, P.UNREADABLE),
    ],
)
async def test_a_refused_download_means_what_the_table_says(
    status: int, code: str | None, kind: P
) -> None:
    body = {"error_code": code, "error_msg": "words"} if code else ARCHIVE
    async with serving(Answer(status, body)) as server:
        problem, _, _ = await fetched(server.url)
    assert (problem.kind, problem.code, problem.http_status) == (kind, code, status)


async def test_limits_are_heard_from_a_download() -> None:
    headers = {"X-Apig-RateLimit-api": "limit:10,time:1 second"}
    async with serving(Answer(200, ARCHIVE, headers)) as server:
        opened, _, _ = await fetched(server.url)
    assert opened.metadata.limits == (LimitTold(ScopeKind.API, 10, 1.0),)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_to_another_origin_is_followed_without_the_token(status: int) -> None:
    async with serving(WHOLE) as storage:
        link = f"{storage.url}/bucket/a%2Fb%7e?Signature=x%3D%2B+y&Expires=1"
        async with serving(moved(link, status)) as api:
            opened, body, _ = await fetched(api.url)
    assert (opened.file_name, body) == ("SN1-dump.tar.gz", ARCHIVE)
    request = storage.last
    assert (request.method, request.path) == (
        "GET",
        "/bucket/a%2Fb%7e?Signature=x%3D%2B+y&Expires=1",
    )
    assert TOKEN not in str(dict(request.headers))
    assert not {"X-Auth-Token", "X-Apig-Mode", "Authorization", "Cookie"} & set(request.headers)
    assert api.last.headers["X-Auth-Token"] == TOKEN


async def test_a_redirection_within_the_origin_keeps_the_token() -> None:
    async with serving(moved("../elsewhere?x=1"), WHOLE) as api:
        _, body, _ = await fetched(api.url)
    assert body == ARCHIVE
    assert api.last.path == "/v1/p1/physicalservers/s1/logs/exports/elsewhere?x=1"
    assert api.last.headers["X-Auth-Token"] == TOKEN


async def test_a_redirection_within_the_origin_takes_the_token_no_further() -> None:
    async with serving(Answer()) as api, serving(WHOLE) as storage:
        api.answers = [moved("/elsewhere"), moved(storage.url)]
        _, body, _ = await fetched(api.url)
    assert body == ARCHIVE
    assert TOKEN not in str(dict(storage.last.headers))


async def test_the_token_is_not_sent_again_to_an_origin_that_was_left() -> None:
    async with serving(Answer()) as api, serving(Answer()) as storage:
        api.answers = [moved(storage.url), WHOLE]
        storage.answers = [moved(f"{api.url}/back")]
        _, body, _ = await fetched(api.url)
    assert body == ARCHIVE
    assert api.last.path == "/back"
    assert "X-Auth-Token" not in api.last.headers


async def test_a_link_with_characters_that_no_request_can_carry_is_quoted() -> None:
    async with serving(moved("/a b/é"), WHOLE) as api:
        await fetched(api.url)
    assert api.last.path == "/a%20b/%C3%A9"


async def test_a_loop_of_redirections_ends() -> None:
    async with serving(moved("/again")) as api:
        problem, _, _ = await fetched(api.url)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, 302)
    assert len(api.heard) == 6


@pytest.mark.parametrize(
    "location", ["", "ftp://example.com/x", "http://", "http://[", "file:///etc/passwd", "//"]
)
async def test_a_redirection_to_nowhere_is_unreadable(location: str) -> None:
    async with serving(moved(location)) as api:
        problem, _, _ = await fetched(api.url)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, 302)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
async def test_a_refused_link_says_nothing_about_the_export_or_the_credential(status: int) -> None:
    body = b"<Error><Code>AccessDenied</Code></Error>"
    async with serving(Answer(status, body)) as storage, serving(Answer()) as api:
        api.answers = [moved(f"{storage.url}/x?Signature=canary")]
        problem, _, _ = await fetched(api.url)
    busy = status == 429 or status >= 500
    expected = P.UNREADABLE if busy else P.LINK_REFUSED
    assert (problem.kind, problem.http_status) == (expected, status)
    assert "asks for a new link" in problem.message
    assert "AccessDenied" in problem.message
    assert "canary" not in problem.message


async def test_a_link_that_nobody_answers_does_not_mean_that_the_api_is_down() -> None:
    async with serving(moved("http://127.0.0.1:9/x?Signature=canary")) as api:
        problem, _, _ = await fetched(api.url)
    assert problem.kind is P.CUT
    assert "canary" not in problem.message


async def test_a_body_that_ends_early_ends_with_a_problem() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + ARCHIVE[:600])
        await writer.drain()

    async with speaking(speak) as url:
        opened, body, problem = await fetched(url)
    assert (opened.length, body) == (1000, ARCHIVE[:600])
    assert problem is not None
    assert problem.kind is P.CUT
    assert "600 of 1000 bytes arrived" in problem.message


@pytest.mark.parametrize("rest", [b"", b"2\r\nab"])
async def test_a_chunked_body_that_breaks_off_ends_with_a_problem(rest: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"64\r\n" + ARCHIVE[:100] + b"\r\n" + rest)
        await writer.drain()

    async with speaking(speak) as url:
        opened, body, problem = await fetched(url)
    assert isinstance(opened, OpenArchive)
    assert opened.length is None
    assert body.startswith(ARCHIVE[:100])
    assert problem is not None
    assert problem.kind is P.CUT


async def test_a_body_in_broken_pieces_is_a_problem() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n")
        await writer.drain()

    async with speaking(speak) as url:
        opened, body, problem = await fetched(url)
    assert body == b""
    told = opened if isinstance(opened, Problem) else problem
    assert told is not None
    assert told.kind in {P.CUT, P.UNREADABLE}


async def test_a_body_that_breaks_off_before_its_first_byte_is_cut() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await writer.drain()

    async with speaking(speak) as url:
        problem, _, _ = await fetched(url)
    assert problem.kind is P.CUT


async def test_an_error_of_the_caller_passes_through_unchanged() -> None:
    async def use(fleet: CloudDC, endpoint: str) -> None:
        async with fleet.open_archive(target(endpoint), "e1", asks_limits=False) as opened:
            assert isinstance(opened, OpenArchive)
            raise OSError("disk full")

    async with serving(WHOLE) as server, clouddc() as fleet:
        with pytest.raises(OSError, match="disk full"):
            await use(fleet, server.url)


async def test_a_download_left_half_way_frees_its_connection() -> None:
    big = Answer(200, ARCHIVE * 400)
    async with serving(big) as server, clouddc(connections=1) as fleet:
        for _ in range(2):
            async with fleet.open_archive(target(server.url), "e1", asks_limits=False) as opened:
                assert isinstance(opened, OpenArchive)
                assert await anext(opened.chunks)
    assert len(server.heard) == 2
