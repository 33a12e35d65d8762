"""Answers whose HTTP is odd or broken: one server each, in one run.

What can be read is read. What cannot fails its own server after its tries, unreadable or cut off.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import (
    archive_of,
    archived,
    chunked,
    completed,
    reply,
    started,
)
from tests.support.trial import (
    Failed,
    Home,
    Member,
    Table,
    assert_became,
    assert_in_order,
    assert_the_others_are_home,
    tried,
)
from tests.support.wire import End, always

if TYPE_CHECKING:
    from tests.support.trial import Plan, Trial, Trials

UNREADABLE = "unreadable|cut"
POST_LOST = Failed("export", UNREADABLE, posts=2)
STATUS_LOST = Failed("status", UNREADABLE)
DOWNLOAD_LOST = Failed("download", UNREADABLE)

BODY = b'{"status": "completed", "percentage": "100%"}'


def status(answer: bytes, becomes: Home | Failed, *more: End) -> Member:
    return Member({"status": always(answer, *more)}, becomes)


def export(server: str, becomes: Home | Failed, *parts: tuple[bytes, bytes]) -> Member:
    """A POST's answer with these parts replaced."""
    answer = started(f"e-{server}")
    for old, new in parts:
        assert old in answer
        answer = answer.replace(old, new, 1)
    return Member({"export": always(answer)}, becomes)


def with_headers(*lines: bytes) -> bytes:
    return reply(200, BODY, *lines)


def of_length(value: bytes) -> bytes:
    """A status whose Content-Length is this."""
    return reply(200, BODY, b"Content-Length: " + value, length=False)


def in_chunks(coded: bytes, *, close: bool = False) -> Member:
    ends = (End.CLOSED,) if close else ()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Member({"status": always(head + coded, *ends)}, STATUS_LOST)


VALID: Table = {
    "reason-missing": status(completed().replace(b" OK", b" ", 1), Home()),
    "reason-latin-1": export("x", Home(), (b"Accepted", "angenommen: geprüft".encode("latin-1"))),
    "reason-long": export("x", Home(), (b"Accepted", b"A" * 4000)),
    "continued": status(b"HTTP/1.1 100 Continue\r\n\r\n" + completed(), Home()),
    "hinted": status(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + completed(), Home()),
    "continued-often": status(b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + completed(), Home()),
    "bare-lf": status(completed().replace(b"\r\n", b"\n"), Home()),
    "until-close": status(reply(200, BODY, b"Connection: close", length=False), Home(), End.CLOSED),
    "http-1.0": status(
        reply(200, BODY, length=False).replace(b"HTTP/1.1", b"HTTP/1.0"), Home(), End.CLOSED
    ),
    "closes-after": status(completed(), Home(), End.CLOSED),
    "half-closes": status(reply(200, BODY, b"Connection: close"), Home(), End.HALF_CLOSED),
    "chunked": status(chunked(BODY), Home()),
    "chunked-bytewise": status(chunked(*(BODY[i : i + 1] for i in range(len(BODY)))), Home()),
    "chunk-extensions": status(
        chunked(BODY).replace(b"\r\n{", b';name=value;other="a b"\r\n{', 1), Home()
    ),
    "chunk-upper-case": status(chunked(BODY).replace(b"\r\n2d\r\n", b"\r\n2D\r\n"), Home()),
    "chunk-leading-zeros": status(chunked(BODY).replace(b"\r\n2d\r\n", b"\r\n00002d\r\n"), Home()),
    "trailers": status(
        chunked(BODY, headers=(b"Trailer: X-Sum",), end=b"0\r\nX-Sum: 1\r\n\r\n"), Home()
    ),
    "upper-case-names": status(completed().replace(b"Content-Length", b"CONTENT-LENGTH"), Home()),
    "no-space-after-colon": status(
        completed().replace(b"Content-Length: ", b"Content-Length:"), Home()
    ),
    "empty-value": status(with_headers(b"X-Empty:"), Home()),
    "latin-1-value": status(with_headers("X-Owner: Müller".encode("latin-1")), Home()),
    "utf-8-value": status(with_headers("X-Owner: 运维".encode()), Home()),
    "many-headers": status(with_headers(*(b"Set-Cookie: c%d=1" % i for i in range(200))), Home()),
    "more-headers": status(with_headers(*(b"X-Trace-%d: 1" % i for i in range(500))), Home()),
    "long-header": status(with_headers(b"Content-Security-Policy: " + b"a" * 16_000), Home()),
    "long-headers": status(with_headers(*(b"X-%d: " % i + b"a" * 8000 for i in range(10))), Home()),
    "no-content-type": status(reply(200, BODY, kind=b""), Home()),
    "odd-content-type": status(reply(200, BODY, kind=b"text/html; charset=no-such"), Home()),
    "coding-unknown": status(
        reply(200, BODY, b"Transfer-Encoding: cow", length=False), Home(), End.CLOSED
    ),
    "unknown-length-download": Member(
        {
            "download": lambda call: (
                reply(200, archive_of(call.server), b"Connection: close", length=False),
                End.CLOSED,
            )
        },
        Home(),
    ),
}

BROKEN: Table = {
    "no-http": status(b"SSH-2.0-OpenSSH_9.6\r\n", STATUS_LOST, End.CLOSED),
    "no-http-post": Member({"export": always(b"220 mail ESMTP\r\n\r\n", End.CLOSED)}, POST_LOST),
    "http-0.9": status(BODY, STATUS_LOST, End.CLOSED),
    "http-2-settings": status(b"\0\0\x12\4\0\0\0\0\0" + bytes(18), STATUS_LOST, End.CLOSED),
    "tls-alert": status(b"\x15\x03\x01\x00\x02\x02\x46", STATUS_LOST, End.CLOSED),
    "escape-codes": status(b"\x1b]0;owned\x07\x1b[2J\r\n\r\n", STATUS_LOST, End.CLOSED),
    "status-words": status(b"HTTP/1.1 fine OK\r\n\r\n", STATUS_LOST, End.CLOSED),
    "status-four-digits": status(b"HTTP/1.1 2000 OK\r\n\r\n", STATUS_LOST, End.CLOSED),
    "status-negative": status(b"HTTP/1.1 -200 OK\r\n\r\n", STATUS_LOST, End.CLOSED),
    "version-odd": status(b"HTTP/9.x 200 OK\r\n\r\n", STATUS_LOST, End.CLOSED),
    "nul-in-value": status(with_headers(b"X-Odd: a\0b"), STATUS_LOST),
    "nul-in-name": status(with_headers(b"X-O\0dd: ab"), STATUS_LOST),
    "no-colon": status(with_headers(b"nonsense"), STATUS_LOST),
    "no-name": status(with_headers(b": nonsense"), STATUS_LOST),
    "space-in-name": status(with_headers(b"X Odd: 1"), STATUS_LOST),
    "length-signed": status(of_length(b"+45"), STATUS_LOST),
    "length-negative": status(of_length(b"-1"), STATUS_LOST),
    "length-hex": status(of_length(b"0x2d"), STATUS_LOST),
    "length-of-30-digits": status(of_length(b"9" * 30), STATUS_LOST, End.CLOSED),
    "length-listed": status(of_length(b"45, 46"), STATUS_LOST),
    "length-twice": status(with_headers(b"Content-Length: 45"), STATUS_LOST),
    "length-and-chunks": status(chunked(BODY, headers=(b"Content-Length: 45",)), STATUS_LOST),
    "length-too-long": status(of_length(b"4500"), STATUS_LOST, End.CLOSED),
    "chunk-size-words": in_chunks(b"many\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk-size-negative": in_chunks(b"-2d\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk-size-huge": in_chunks(b"f" * 40 + b"\r\n" + BODY, close=True),
    "chunk-size-empty": in_chunks(b"\r\n" + BODY + b"\r\n0\r\n\r\n", close=True),
    "chunk-too-short": in_chunks(b"5\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk-never-ends": in_chunks(b"2d\r\n" + BODY + b"\r\n", close=True),
    "headers-without-number": status(
        with_headers(*(b"X-%d: 1" % i for i in range(20_000))), STATUS_LOST
    ),
    "header-without-end": status(with_headers(b"X-Long: " + b"a" * 2_000_000), STATUS_LOST),
    "continued-for-ever": status(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, STATUS_LOST, End.CLOSED
    ),
    "closes-at-once": Member({"status": always(End.CLOSED)}, STATUS_LOST),
    "closes-in-head": status(b"HTTP/1.1 200 OK\r\nContent-Le", STATUS_LOST, End.CLOSED),
    "resets": Member({"status": always(End.RESET)}, STATUS_LOST),
    "switches-protocols": status(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        STATUS_LOST,
        End.CLOSED,
    ),
    "garbled-download": Member(
        {"download": always(b"HTTP/1.1 200 OK\r\nno header this\r\n\r\n")}, DOWNLOAD_LOST
    ),
    "length-twice-download": Member(
        {"download": lambda call: (archived(call.server, b"Content-Length: 1"),)}, DOWNLOAD_LOST
    ),
    "length-twice-post": Member(
        {"export": always(started("e-1").replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"))},
        POST_LOST,
    ),
}
PLANS: dict[str, Plan] = {"valid": partial(tried, VALID), "broken": partial(tried, BROKEN)}


@pytest.fixture
def valid(trials: Trials) -> Trial:
    return trials["valid"]


@pytest.fixture
def broken(trials: Trials) -> Trial:
    return trials["broken"]


@pytest.mark.parametrize("server", VALID)
def test_valid_answer_is_read_however_odd(valid: Trial, server: str) -> None:
    assert_became(valid, server, VALID[server].becomes)


@pytest.mark.parametrize("server", BROKEN)
def test_broken_answer_fails_its_own_server(broken: Trial, server: str) -> None:
    assert_became(broken, server, BROKEN[server].becomes)


def test_servers_beside_odd_answers_are_home(valid: Trial) -> None:
    assert_the_others_are_home(valid)


def test_servers_beside_broken_answers_are_home(broken: Trial) -> None:
    assert_the_others_are_home(broken)


def test_run_with_odd_answers_ends_in_order(valid: Trial) -> None:
    assert_in_order(valid)


def test_run_with_broken_answers_ends_in_order(broken: Trial) -> None:
    assert_in_order(broken)
