"""Successes that bring nothing, or something else: one server each, in one run."""

from __future__ import annotations

import signal
import time
import zipfile
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import (
    archive_of,
    archived,
    as_json,
    chunked,
    error,
    page,
    reply,
    sane,
)
from tests.support.trial import (
    Failed,
    Home,
    Member,
    Table,
    assert_became,
    assert_in_order,
    assert_printable,
    assert_the_others_are_home,
    tried,
    wired,
)
from tests.support.wire import Drip, End, Step, Wire, always, first

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.trial import Plan, Trial, Trials

INVALID = Failed("verify", "invalid_archive")
NO_ARCHIVE = Failed("download|verify", "unreadable|invalid_archive|cut")
CUT = Failed("download", "cut")


def download(becomes: Home | Failed, *answer: Step) -> Member:
    return Member({"download": always(*answer)}, becomes)


def no_archive(status: int, *headers: bytes, body: bytes = b"", length: bool = True) -> Member:
    """A success, or something near it, that brings no archive."""
    return download(NO_ARCHIVE, reply(status, body, *headers, kind=b"", length=length))


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("messages", "all is well")
    return out.getvalue()


TABLE: Table = {
    "204": no_archive(204, length=False),
    "204-with-length": no_archive(204),
    "205": no_archive(205),
    "202": no_archive(202),
    "200-empty": no_archive(200),
    "200-no-chunk": download(NO_ARCHIVE, chunked()),
    "200-closed": download(NO_ARCHIVE, reply(200, length=False), End.CLOSED),
    "304": no_archive(304, length=False),
    "206": Member(
        {
            "download": lambda call: (
                reply(206, archive_of(call.server)[:99], b"Content-Range: bytes 0-98/4000"),
            )
        },
        NO_ARCHIVE,
    ),
    "206-empty": no_archive(206),
    "206-multipart": no_archive(206, b"Content-Type: multipart/byteranges", body=b"--x"),
    "416": Member({"download": always(reply(416, b"", b"Content-Range: bytes */0"))},
                  Failed("download", "unreadable|bad_request", attempts=None)),
    "499": Member({"download": always(reply(499))},
                  Failed("download", "unreadable|bad_request", attempts=None)),
    "600": no_archive(600),
    "999": no_archive(999),
    "page": download(Failed("download", "unreadable", saying="page"), page(200)),
    "page-in-bom": download(NO_ARCHIVE, reply(200, b"\xef\xbb\xbf<html>no</html>")),
    "xml": download(NO_ARCHIVE, reply(200, b"<?xml version='1.0'?><Error><Code>No</Code></Error>")),
    "json-error": download(Failed("download", "unreadable"), as_json(200, {"error_msg": "later"})),
    "json-list": download(NO_ARCHIVE, reply(200, b'["later"]')),
    "words": download(NO_ARCHIVE, reply(200, b"\x1b[2Jlater, please\x07")),
    "zip": download(INVALID, reply(200, zipped())),
    "zeros": download(INVALID, reply(200, bytes(100_000))),
    "white-space": download(INVALID, reply(200, b" " * 100_000)),
    "one-byte": download(INVALID, reply(200, b"\x1f")),
    "gzip-head": download(INVALID, reply(200, b"\x1f\x8b\x08\0\0\0\0\0\0\xff")),
    "another's-half": Member(
        {"download": lambda call: (reply(200, archive_of(call.server)[:-20]),)}, INVALID
    ),
    "length-without-body": download(CUT, reply(200, b"", b"Content-Length: 5000", length=False),
                                    End.CLOSED),
    "reset": download(CUT, End.RESET),
    "reset-after-head": download(CUT, reply(200, b"", b"Content-Length: 5000", length=False),
                                 End.RESET),
    "closed": download(CUT, End.CLOSED),
    "silent": download(CUT, End.SILENT),
    "silent-after-head": download(CUT, reply(200, b"", b"Content-Length: 5000", length=False),
                                  End.SILENT),
    "json-without-end": download(
        Failed("download|verify", "unreadable|cut|invalid_archive"),
        reply(200, b"{", length=False), Drip(b" " * 100_000, 0.001),
    ),
    "words-without-end": download(
        INVALID, reply(200, length=False), Drip(b"word " * 1000, 0.001),
    ),
    "204-once": Member({"download": first(1, reply(204, length=False, kind=b""))}, Home()),
    "empty-once": Member({"download": first(1, reply(200))}, Home()),
    "post-204": Member({"export": always(reply(204, length=False, kind=b""))},
                       Failed("export", "unreadable", posts=2)),
    "post-304": Member({"export": always(reply(304, length=False, kind=b""))},
                       Failed("export", "unreadable", posts=2)),
    "post-302": Member({"export": always(reply(302, b"", b"Location: /login"))},
                       Failed("export", "unreadable", posts=2)),
    "post-error-under-200": Member(
        {"export": always(error(200, "iMetal.0099", words="The server is busy."))},
        Failed("export", "service_failed", saying="The server is busy", posts=2),
    ),
    "post-not-ready-under-200-once": Member(
        {"export": first(1, error(200, "iMetal.0101", words="The server is busy."))}, Home(2)
    ),
    "status-error-under-200": Member(
        {"status": always(error(200, "iMetal.0099", words="The server is busy."))},
        Failed("status", "service_failed", saying="The server is busy"),
    ),
    "download-error-under-200": Member(
        {"download": always(error(200, "iMetal.0099", words="The server is busy."))},
        Failed("download", "service_failed|unreadable", saying="The server is busy"),
    ),
    "status-204": Member({"status": always(reply(204, length=False, kind=b""))},
                         Failed("status", "unreadable")),
    "status-206": Member({"status": always(reply(206))}, Failed("status", "unreadable")),
    "status-304": Member({"status": always(reply(304, length=False, kind=b""))},
                         Failed("status", "unreadable")),
    "status-archive": Member({"status": lambda call: (archived(call.server),)},
                             Failed("status", "unreadable")),
    "status-without-end": Member(
        {"status": always(reply(200, b"{", length=False), Drip(b" " * 100_000, 0.001))},
        Failed("status", "unreadable|cut"),
    ),
}  # fmt: skip

PLANS: dict[str, Plan] = {"nothing": partial(tried, TABLE)}


@pytest.fixture
def nothing(trials: Trials) -> Trial:
    return trials["nothing"]


@pytest.mark.parametrize("server", TABLE)
def test_answer_that_brings_nothing_fails_its_own_server(nothing: Trial, server: str) -> None:
    assert_became(nothing, server, TABLE[server].becomes)


def test_answers_that_bring_nothing_hold_nobody_up(nothing: Trial) -> None:
    assert_the_others_are_home(nothing)
    assert_in_order(nothing)


def test_run_whose_downloads_bring_nothing_heeds_a_signal(tmp_path: Path) -> None:
    wire = Wire(["one"], sane, {"one": {"download": always(reply(204, length=False, kind=b""))}})
    with (
        wired(wire, tmp_path) as command,
        command.start("collect", "fleet.json", "--max-attempts", "1000") as process,
    ):
        until_s = time.monotonic() + 30
        while len(wire.called("one", "download")) < 2:
            assert time.monotonic() < until_s
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert_printable(out + err)
    assert wire.posts("one") == 1
