"""Whatever bytes a server sends, its call is answered: with what can be used, or with a reason."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from collector.model.answers import ExportSaid, ExportState, Problem, ProblemKind
from collector.providers.http.bodies import BODY_MAX
from collector.providers.http.disposition import file_name
from collector.providers.protocol import OpenArchive
from tests.support.loopback import (
    ARCHIVE,
    TOKEN,
    Answer,
    asked,
    clouddc,
    fetched,
    request_head,
    serving,
    speaking,
    started,
    target,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio
P = ProblemKind
STATUS = {"status": "processing", "percentage": "30%"}
PAGE = b"<html><title>Welcome</title></html>"


def raw(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, length, *headers]) + b"\r\n\r\n" + body


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[str]:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await request_head(reader):
            writer.write(answer)
            await writer.drain()

    async with speaking(speak) as url:
        yield url


async def all_three(answer: bytes) -> list[Any]:
    """What a POST, a status call and a download come to that are answered so."""
    async with saying(answer) as url, clouddc() as fleet:
        post = await fleet.start_export(target(url), asks_limits=False)
        status = await fleet.ask_status(target(url), "e1", asks_limits=False)
        opened, _, problem = await fetched(url)
    return [post, status, problem or opened]


# Framing


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raw(b"{}", b"Content-Length: 3"), "Content-Length"),
        (raw(b"0\r\n\r\n", b"Transfer-Encoding: chunked"), "Transfer-Encoding"),
        (raw(b"{}", b"X-A: a\0b"), "header"),
        (raw(b"{}", b"X-A\0: b"), "header"),
        (raw(b"{}", b"X-A: " + b"a" * 70_000), "Got more than 65536 bytes when reading"),
        (raw(b"{}", *(b"X-%d: 1" % n for n in range(1001))), "Too many headers received"),
        (raw(b"{}", b"Transfer-Encoding: gzip, chunked, gzip"), ""),
        (raw(b"{}").replace(b"Length: 2", b"Length: -2"), "Content-Length"),
        (raw(b"{}").replace(b"Length: 2", b"Length: 99999999999999999999"), "Content-Length"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", ""),
        (b"HTTP/9.9 200 OK\r\n\r\n", "HTTP version"),
        (b"\x16\x03\x01\x02\x00" * 9, ""),
    ],
)
async def test_an_answer_that_is_no_http_is_unreadable_and_says_why(
    answer: bytes, reason: str
) -> None:
    for problem in await all_three(answer):
        assert isinstance(problem, Problem)
        assert problem.kind is P.UNREADABLE
        assert problem.message.startswith("the answer cannot be read: ")
        assert reason.lower() in problem.message.lower()
        assert problem.message.isprintable()
        assert "\\x" not in problem.message
        assert len(problem.message) < 250


async def test_a_header_that_cannot_be_read_gives_no_secret_away() -> None:
    for problem in await all_three(raw(b"{}", b"X-A\0: " + TOKEN.encode())):
        assert TOKEN not in problem.message


@pytest.mark.parametrize(
    "headers",
    [
        [b"Set-Cookie: c%d=1" % n for n in range(900)],
        [b'Set-Cookie: "x"=1', b"Set-Cookie: =\xff\xfe; Expires=never"],
        [b"X-A: " + b"a" * 60_000],
        [b"X-A: \xb7\xfe\xce\xf1", b"Retry-After: \xb7", b"Date: \xb7", b"ETag: \xb7", b"Server:"],
        [b"X-Apig-RateLimit-api: remain:" + b"9" * 5000 + b",limit:1,time:1 second"],
        [b"Digest: md5=\xff, sha-256=" + b"A" * 5000],
    ],
    ids=["cookies", "odd cookie", "long", "no UTF-8", "digits", "digest"],
)
async def test_headers_that_a_gateway_may_add_are_no_trouble(
    headers: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with saying(raw(json.dumps(STATUS).encode(), *headers)) as url, clouddc() as fleet:
        assert isinstance(await fleet.ask_status(target(url), "e1", asks_limits=False), ExportSaid)
    async with saying(raw(ARCHIVE, *headers)) as url:
        opened, body, problem = await fetched(url)
    assert isinstance(opened, OpenArchive)
    assert (body, problem, opened.validator) == (ARCHIVE, None, None)
    assert not caplog.records


async def test_what_came_unasked_is_no_answer_to_the_next_request() -> None:
    unasked = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await request_head(reader):
            writer.write(raw(b'{"status": "processing"}'))
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(raw(b'{"status": "completed"}'))
            await writer.drain()
            unasked.set()

    async with speaking(speak) as url, clouddc() as fleet:
        for _ in range(3):
            said = await fleet.ask_status(target(url), "e1", asks_limits=False)
            assert isinstance(said, ExportSaid)
            assert said.state is ExportState.RUNNING
            await unasked.wait()
            await asyncio.sleep(0.01)
            unasked.clear()


@pytest.mark.parametrize("call", ["status", "download"])
async def test_next_request_takes_another_connection_than_one_that_gave_a_page(call: str) -> None:
    connections = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_head(reader)
        writer.write(raw(b"<html>busy</html>" if connections == 1 else b'{"status": "completed"}'))
        await writer.drain()
        await reader.read()  # it is kept open, and no other request is answered over it

    async with speaking(speak) as url, clouddc() as fleet:
        if call == "status":
            page = await fleet.ask_status(target(url), "e1", asks_limits=False)
        else:
            async with fleet.open_archive(target(url), "e1", asks_limits=False) as opened:
                assert isinstance(opened, Problem)
                page = opened
        assert isinstance(page, Problem)
        assert page.kind is P.UNREADABLE
        said = await fleet.ask_status(target(url), "e2", asks_limits=False)
    assert isinstance(said, ExportSaid)
    assert connections == 2


async def test_a_body_that_turns_invalid_half_way_ends_at_once_with_the_reason() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"64\r\n" + ARCHIVE[:100] + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"zz\r\nab\r\n")
        await reader.read()  # until the client leaves

    async with speaking(speak) as url:
        opened, body, problem = await fetched(url)
    assert isinstance(opened, OpenArchive)
    assert body == ARCHIVE[:100]
    assert problem is not None
    assert problem.message.startswith("the answer cannot be read: ")
    assert problem.message.endswith(": 100 bytes arrived")


# Time


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nContent-Encoding: gzip\r\n\r\n\x1f",
    ],
    ids=["nothing", "headers", "JSON", "an error", "packed"],
)
async def test_an_answer_that_comes_byte_by_byte_ends_when_its_time_is_over(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.providers.http.wire.TOTAL_S", 0.3)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(beginning)
        while True:
            try:
                await asyncio.wait_for(reader.read(), 0.005)
            except TimeoutError:
                writer.write(b" " if beginning else b"")
            except ConnectionError:
                return  # the client has left
            else:
                return  # as above

    async with speaking(speak) as url, clouddc(stall_s=0.2) as fleet:
        here = target(url)

        async def opening() -> OpenArchive | Problem:
            async with fleet.open_archive(here, "e1", asks_limits=False) as opened:
                return opened

        said = await asyncio.gather(
            fleet.start_export(here, asks_limits=False),
            fleet.ask_status(here, "e1", asks_limits=False),
            opening(),
        )
    over = "the answer was not complete after 0.3 seconds"
    for problem, messages in zip(
        said, ({over}, {over}, {over, "nothing arrived for 0.2 seconds"}), strict=True
    ):
        assert isinstance(problem, Problem)
        assert problem.kind is P.CUT
        assert problem.message in messages


# Names


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*0*=%00''x", None),
        ("attachment; filename*" + "9" * 5000 + "=x", None),
        ("attachment; filename*" + "9" * 4000 + "=x; filename=y.tar.gz", None),
        ("attachment; filename*=idna''x%2e", None),
        ("attachment; filename*=idna''x%2e; filename=y.tar.gz", "y.tar.gz"),
        ("attachment; filename*=base64''eA%3D%3D", "eA=="),
        ("attachment; filename*=zlib''x", "x"),
        ("attachment; filename*=utf-16''x", None),
        ("attachment; filename*=undefined''x", None),
        ("attachment; filename*=UTF-8''%FF%FE", None),
        ("attachment; filename*=UTF-8''%FF%FE; filename=y.tar.gz", "y.tar.gz"),
        ("attachment; filename*=gbk''%B7%FE%CE%F1.tar.gz", "服务.tar.gz"),
        ("attachment; filename*0=a; filename*1=b.tar.gz", "ab.tar.gz"),
        ('attachment; filename="', None),
        ("attachment; filename=" + "x" * 5000, None),
        (";" * 4000, None),
        ('";' * 2000, None),
    ],
)
def test_a_name_that_cannot_be_read_is_left_aside(header: str, name: str | None) -> None:
    got = file_name(header)
    assert got == name or (name is None and (got is None or "\ufffd" not in got))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('filename="服务器日志.tar.gz"'.encode(), "服务器日志.tar.gz"),
        ('filename="服务器日志.tar.gz"'.encode("gbk"), None),
        ('filename="été.tar.gz"'.encode("latin-1"), None),
        (
            'filename="日志"; '.encode("gbk") + b"filename*=UTF-8''%E6%97%A5.tar.gz",
            "日.tar.gz",
        ),
        (b'filename="\xed\xa0\x80.tar.gz"', None),
        (b'filename="a\tb\x7f.tar.gz"', "a\tb\x7f.tar.gz"),
    ],
)
async def test_a_name_in_raw_bytes_is_read_where_these_are_utf8(
    header: bytes, name: str | None
) -> None:
    answer = raw(ARCHIVE, b"Content-Disposition: attachment; " + header)
    async with saying(answer) as url:
        opened, body, problem = await fetched(url)
    assert isinstance(opened, OpenArchive)
    assert (opened.file_name, body, problem) == (name, ARCHIVE, None)


# Redirections


@pytest.mark.parametrize(
    "location",
    [
        b"http://h:99999/",
        b"http://h:0/",
        b"http://h:-1/",
        b"http://h:x/",
        b"http://[::1",
        b"http://[::1%25x]:1:2/",
        b"http://" + b"a" * 70 + b".example/",
        b"http://a..b/",
        b"http://xn--\xff/",
        "http://\uff41\u2025\uff42/".encode(),
        b"http://\xff\xfe/",
        b"http://:80/",
        b"http://user:pass@/",
        b"javascript:alert(1)",
        b"data:text/plain,x",
        b"file:///etc/passwd",
    ],
)
async def test_a_redirection_that_leads_nowhere_is_unreadable(location: bytes) -> None:
    answer = raw(b"", b"Location: " + location, status=b"302 Found")
    async with saying(answer) as url:
        problem, _, _ = await fetched(url)
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, 302)
    assert problem.message == "a redirection that leads nowhere"


async def test_a_redirection_to_itself_ends() -> None:
    async with serving(Answer(302, b"", {"Location": ""})) as api:
        api.answers = [Answer(302, b"", {"Location": f"{api.url}/again"})]
        problem, _, _ = await fetched(api.url)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, 302)
    assert problem.message == "more than 5 redirections, one after the other"


async def test_a_name_in_a_link_is_sent_to_nobody() -> None:
    async with serving(Answer(200, ARCHIVE)) as storage:
        link = storage.url.replace("//", "//user:canary@")
        async with serving(Answer(302, b"", {"Location": link})) as api:
            _, body, _ = await fetched(api.url)
    assert body == ARCHIVE
    assert "Authorization" not in storage.last.headers


async def test_a_storage_that_is_busy_says_when_to_come_again() -> None:
    async with serving(Answer(503, b"", {"Retry-After": "9"})) as storage, serving(Answer()) as api:
        api.answers = [Answer(302, b"", {"Location": storage.url})]
        problem, _, _ = await fetched(api.url)
    assert (problem.kind, problem.retry_after_s, problem.elsewhere) == (P.UNREADABLE, 9.0, True)


# Content-Encoding


def packed(body: object, encoding: str) -> Answer:
    plain = body if isinstance(body, bytes) else json.dumps(body).encode()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "x-gzip": gzip.compress,
        "GZIP": gzip.compress,
        "deflate": zlib.compress,
        "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
        "identity": bytes,
        "raw deflate": lambda body: zlib.compress(body, wbits=-15),
        "gzip that is none": bytes,
        "br that is none": bytes,
    }
    header = {"raw deflate": "deflate"}.get(encoding, encoding.removesuffix(" that is none"))
    return Answer(200, packers[encoding](plain), {"Content-Encoding": header})


ENCODINGS = [
    *("gzip", "x-gzip", "GZIP", "deflate", "gzip, deflate", "identity", "raw deflate"),
    *("gzip that is none", "br that is none"),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_packed_json_is_read_as_if_it_were_not(encoding: str) -> None:
    said, _ = await asked(packed(STATUS, encoding))
    assert (said.state, said.percent) == (ExportState.RUNNING, 30.0)
    error = packed({"error_code": "iMetal.0101", "error_msg": "busy"}, encoding)
    problem, _ = await started(Answer(400, error.body, error.headers))
    assert (problem.kind, problem.message) == (P.NOT_READY, "busy")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "gzip, deflate"])
async def test_a_message_that_is_packed_is_no_archive(encoding: str) -> None:
    for body, kind in (
        ({"status": "processing"}, P.NOT_READY),
        ({"error_code": "iMetal.0101", "error_msg": "busy"}, P.NOT_READY),
        (PAGE, P.UNREADABLE),
    ):
        async with serving(packed(body, encoding)) as server:
            problem, _, _ = await fetched(server.url)
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.http_status) == (kind, 200)


@pytest.mark.parametrize("name", ["var/log/messages", "{odd}", "<html>"])
async def test_an_archive_under_an_encoding_is_stored_as_it_came(name: str) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 5000
        tar.addfile(member, io.BytesIO(b"{" * 5000))
    for encoding in ("gzip", "deflate", "x-gzip", "br"):
        answer = Answer(200, file.getvalue(), {"Content-Encoding": encoding})
        async with serving(answer) as server:
            opened, body, problem = await fetched(server.url)
        assert isinstance(opened, OpenArchive)
        assert (body, problem, opened.length) == (file.getvalue(), None, len(body))


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"\x0b\x02\x80", "br", "packed as br, which was not asked for"),
        (b"\x28\xb5\x2f\xfd", "zstd", "packed as zstd, which was not asked for"),
        (b"\x1f\x8bnonsense", "gzip", "not the gzip that its Content-Encoding names"),
        (gzip.compress(b" " * (BODY_MAX + 1)), "gzip", "unpacks to more than"),
        (b"x", "gzip, gzip, gzip, gzip", "names 4 encodings"),
        (b"\xff\xff", "deflate", "not the deflate that its Content-Encoding names"),
        pytest.param(b"x", "y" * 7999, "which was not asked for", id="long"),
    ],
)
async def test_what_stays_packed_is_unreadable_and_says_why(
    body: bytes, encoding: str, reason: str
) -> None:
    for status in (200, 403, 500):
        problem, _ = await asked(Answer(status, body, {"Content-Encoding": encoding}))
        assert (problem.kind, problem.http_status) == (P.UNREADABLE, status)
        assert reason in problem.message
        assert problem.message.isprintable()


async def test_an_encoding_that_nobody_can_read_is_told_in_printable_words() -> None:
    for problem in await all_three(raw(b"\x01x", b"Content-Encoding: \x04g\xff", status=b"403 F")):
        assert problem.kind is P.UNREADABLE
        assert problem.message.isprintable()
        assert "which was not asked for" in problem.message


async def test_a_bomb_of_json_in_place_of_an_archive_is_unreadable() -> None:
    bomb = gzip.compress(b"{" + b" " * (3 * BODY_MAX))
    async with serving(Answer(200, bomb, {"Content-Encoding": "gzip"})) as server:
        problem, _, _ = await fetched(server.url)
    assert isinstance(problem, Problem)
    assert problem.kind is P.UNREADABLE


# What no reader expects


@pytest.mark.parametrize(
    "fields",
    [
        {"export_id": "\ud800", "status": "processing"},
        {"export_id": {"a": 1}},
        {"error_code": ["x"], "error_msg": {"y": 1}, "request_id": 1e400},
        {"error_code": "\x1b[31m" * 99, "error_msg": "\x1b]0;x\x07\ud800", "request_id": "\x9b"},
        {"status": {"a": []}, "percentage": "9" * 4000},
    ],
)
async def test_odd_json_is_unreadable_and_printable(fields: object) -> None:
    body = json.dumps(fields).encode()
    for status in (200, 500):
        problem, _ = await started(Answer(status, body))
        assert problem.kind is P.UNREADABLE
        for text in (problem.message, problem.code or "", problem.request_id or ""):
            assert text.isprintable()


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"1" * 5000, b"\xff\xfe{", b'{"status": ' + b"9" * 4299 + b"}"]
)
async def test_json_that_no_parser_likes_is_answered(body: bytes) -> None:
    said, _ = await asked(Answer(200, body))
    assert isinstance(said, Problem | ExportSaid)


@pytest.mark.parametrize("before", [b"", b"\n" * 3000, b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n "])
async def test_a_message_in_place_of_an_archive_is_known_whatever_it_begins_with(
    before: bytes,
) -> None:
    for body, kind in ((b'{"status": "processing"}', P.NOT_READY), (PAGE, P.UNREADABLE)):
        async with serving(Answer(200, before + body)) as server:
            problem, _, _ = await fetched(server.url)
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.http_status) == (kind, 200)


async def test_a_message_that_comes_byte_by_byte_is_known() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for byte in b'\n {"status": "processing"}':
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)

    async with speaking(speak) as url:
        problem, _, _ = await fetched(url)
    assert problem.kind is P.NOT_READY


@pytest.mark.parametrize("status", [b"000 X", b"099 X", b"600 X", b"999 X"])
async def test_a_status_that_http_does_not_have_is_no_answer(status: bytes) -> None:
    for problem in await all_three(
        raw(json.dumps(STATUS | {"export_id": "e1"}).encode(), status=status)
    ):
        assert isinstance(problem, Problem)
        assert problem.kind is P.UNREADABLE


async def test_a_switch_of_protocols_is_no_answer() -> None:
    answer = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01"
    for problem in await all_three(answer):
        assert isinstance(problem, Problem)
        assert problem.kind is P.UNREADABLE
        assert problem.message.isprintable()


@pytest.mark.parametrize("tag", [b'"\xff\xfe"', b'"a b"', '"é"'.encode(), b'"a\x7f"', b'W/"x"'])
async def test_an_etag_that_cannot_be_sent_back_names_no_bytes(tag: bytes) -> None:
    async with saying(raw(ARCHIVE, b"ETag: " + tag)) as url:
        opened, body, _ = await fetched(url)
    assert isinstance(opened, OpenArchive)
    assert (opened.validator, body) == (None, ARCHIVE)


async def test_words_in_another_character_set_do_not_hide_the_code() -> None:
    body = '{"error_code": "iMetal.0101", "error_msg": "服务器忙"}'.encode("gbk")
    problem, _ = await started(Answer(400, body))
    assert (problem.kind, problem.code) == (P.NOT_READY, "iMetal.0101")
    assert problem.message.isprintable()


async def test_an_error_under_a_success_is_read_by_its_code() -> None:
    error = {"error_code": "iMetal.0101", "error_msg": "busy", "status": 400}
    for problem in (
        (await started(Answer(200, error)))[0],
        (await asked(Answer(200, error)))[0],
    ):
        assert (problem.kind, problem.message, problem.http_status) == (P.NOT_READY, "busy", 200)
    async with serving(Answer(200, error)) as server:
        problem, _, _ = await fetched(server.url)
    assert (problem.kind, problem.code) == (P.NOT_READY, "iMetal.0101")


async def test_whatever_reading_an_answer_raises_is_of_this_server_and_names_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"no good\n\x1b[31m {TOKEN}")

    monkeypatch.setattr("collector.providers.clouddc.metadata.limits_told", stumble)
    expected = "the answer cannot be read: no good [31m *** (ZeroDivisionError)"
    async with serving(Answer(200, STATUS)) as server, clouddc() as fleet:
        here = target(server.url)
        said = [
            await fleet.start_export(here, asks_limits=False),
            await fleet.ask_status(here, "e1", asks_limits=False),
        ]
        async with fleet.open_archive(here, "e1", asks_limits=False) as opened:
            assert isinstance(opened, Problem)
            said.append(opened)
    assert [(one.kind, one.message) for one in said if isinstance(one, Problem)] == [
        (P.UNREADABLE, expected)
    ] * 3
