"""Answers under a Content-Encoding that nobody asked for: one server each, in one run.

JSON is unpacked within a bound, errors included; an archive is stored as it came.
"""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import archived, completed, error, reply, running, started
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
from tests.support.wire import always, first

if TYPE_CHECKING:
    from tests.support.trial import Plan, Trial, Trials

GZIP = b"Content-Encoding: gzip"
NO_ID = Failed("export", "unreadable|cut", posts=2)
NO_STATUS = Failed("status", "unreadable|cut")
COMPLETED = completed().split(b"\r\n\r\n", 1)[1]


def packed(answer: bytes, coding: bytes = b"gzip") -> bytes:
    """The same answer with its body as gzip."""
    head, body = answer.split(b"\r\n\r\n", 1)
    status = int(head.split(b" ", 2)[1])
    return reply(status, gzip.compress(body), b"Content-Encoding: " + coding)


def status(body: bytes, coding: bytes, becomes: Home | Failed) -> Member:
    return Member({"status": always(reply(200, body, b"Content-Encoding: " + coding))}, becomes)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def spaced(size: int) -> bytes:
    """A sound status behind many spaces."""
    return gzip.compress(b" " * size + COMPLETED)


TABLE: Table = {
    "gzip-everywhere": Member(
        {"export": lambda call: (packed(started(f"e-{call.server}")),),
         "status": always(packed(completed()))},
        Home(),
    ),
    "gzip-upper-case": status(gzip.compress(COMPLETED), b"GZIP", Home()),
    "x-gzip": status(gzip.compress(COMPLETED), b"x-gzip", Home()),
    "gzip-members": status(gzip.compress(COMPLETED[:9]) + gzip.compress(COMPLETED[9:]), b"gzip",
                           Home()),
    "deflate": status(zlib.compress(COMPLETED), b"deflate", Home()),
    "deflate-raw": status(raw_deflate(COMPLETED), b"deflate", Home()),
    "identity": status(COMPLETED, b"identity", Home()),
    "label-without-gzip": status(COMPLETED, b"gzip", Home()),
    "label-without-deflate": status(COMPLETED, b"deflate", Home()),
    "label-unknown": status(COMPLETED, b"sdch", Home()),
    "label-empty": status(COMPLETED, b"", Home()),
    "gzip-twice": status(gzip.compress(gzip.compress(COMPLETED)), b"gzip, gzip", Home()),
    "gzip-large": status(spaced(400_000), b"gzip", Home()),
    "forbidden": Member(
        {"export": always(packed(error(403, "iMetal.0004", words="Insufficient permissions.")))},
        Failed("export", "forbidden", saying="Insufficient permissions", attempts=1,
               advice="permission"),
    ),
    "unknown": Member(
        {"export": always(packed(error(404, "iMetal.0100")))},
        Failed("export", "unknown_server", attempts=1),
    ),
    "throttled-once": Member({"export": first(1, packed(error(429, "APIGW.0308")))}, Home(2)),
    "not-ready-once": Member({"export": first(1, packed(error(400, "iMetal.0101")))}, Home(2)),
    "failed-service": Member(
        {"status": always(packed(error(500, "iMetal.0099", words="Out of order.")))},
        Failed("status", "service_failed", saying="Out of order"),
    ),
    "download-refused": Member(
        {"download": always(packed(error(403, "iMetal.0004")))},
        Failed("download", "forbidden", attempts=1, advice="permission"),
    ),
    "download-not-ready-once": Member({"download": first(1, packed(running()))}, Home()),
    "words-of-escape-codes": Member(
        {"export": always(packed(error(400, "iMetal.0001", words="\x1b]0;x\x07\x9b2J\u202e")))},
        Failed("export", "bad_request", attempts=1),
    ),
    "archive-labelled": Member({"download": lambda call: (archived(call.server, GZIP),)}, Home()),
    "archive-x-gzip": Member(
        {"download": lambda call: (archived(call.server, b"Content-Encoding: x-gzip"),)}, Home()
    ),
    "archive-br": Member(
        {"download": lambda call: (archived(call.server, b"Content-Encoding: br"),)}, Home()
    ),
    "bomb": status(spaced(200_000_000), b"gzip", NO_STATUS),
    "bomb-of-members": status(gzip.compress(b" " * 1_000_000) * 200, b"gzip", NO_STATUS),
    "bomb-in-error": Member(
        {"export": always(reply(403, spaced(200_000_000), GZIP))},
        Failed("export", "unreadable|cut", posts=2),
    ),
    "truncated": status(gzip.compress(COMPLETED * 50)[:-30], b"gzip", NO_STATUS),
    "damaged": status(b"\x1f\x8b\x08\0" + b"\xff" * 60, b"gzip", NO_STATUS),
    "wrong-sum": status(gzip.compress(COMPLETED)[:-8] + b"\xff" * 8, b"gzip", NO_STATUS),
    "nothing": status(b"", b"gzip", NO_STATUS),
    "page": Member(
        {"export": always(reply(403, gzip.compress(b"<html>blocked</html>"), GZIP))}, NO_ID
    ),
    "brotli": status(b"\x0b\x16\x80" + COMPLETED[::-1] + b"\x03", b"br", NO_STATUS),
    "zstd": status(b"\x28\xb5\x2f\xfd\x20" + COMPLETED[::-1], b"zstd", NO_STATUS),
}  # fmt: skip
"""A label that is a lie is looked through: what is plain JSON, or plain gzip, is read."""

PLANS: dict[str, Plan] = {"encoded": partial(tried, TABLE)}


@pytest.fixture
def encoded(trials: Trials) -> Trial:
    return trials["encoded"]


@pytest.mark.parametrize("server", TABLE)
def test_packed_answer_is_read_within_a_bound(encoded: Trial, server: str) -> None:
    assert_became(encoded, server, TABLE[server].becomes)


def test_packed_answers_hold_nobody_up(encoded: Trial) -> None:
    assert_the_others_are_home(encoded)
    assert_in_order(encoded)
