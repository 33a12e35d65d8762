"""Refusals that are none: a page from something on the way, "not now", replicas that lag.

A page, or anything that is no JSON, says nothing about the server or the credential: it is
unreadable, and asked again. No advice about permissions or tokens follows.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.answers import DOWN, error, page, reply
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
from tests.support.wire import after_export, always, first, in_turn

if TYPE_CHECKING:
    from tests.support.trial import Plan, Trial, Trials
    from tests.support.wire import Behaviour, Kind, Step

NO_TALK: Final = r"^(?!.*(?:permission|token|inventory)).*$"
"""Advice that would send a person the wrong way, when it was no answer of the service."""
STATUSES: Final = (400, 401, 403, 404, 405, 407, 451, 502)
PROXY_REFUSES: Final = 407
LAG_S: Final = 3.0
WAIT_S: Final = 2.0


def unread(stage: str, posts: int | None = 1, kind: str = "unreadable") -> Failed:
    return Failed(stage, kind, posts=posts, advice=NO_TALK)


def blocked(status: int) -> dict[str, Member]:
    """Every call of one kind of one server gets this, for ever; and once.

    A POST that a proxy does not let through does not count before somebody is answered.
    """
    refused = status == PROXY_REFUSES
    kind, posts = ("not_sent", None) if refused else ("unreadable", 2)
    return {
        f"post-{status}": Member({"export": always(page(status))}, unread("export", posts, kind)),
        f"status-{status}": Member({"status": always(page(status))}, unread("status", 1, kind)),
        f"download-{status}": Member(
            {"download": always(page(status))}, unread("download", 1, kind)
        ),
        f"post-{status}-once": Member({"export": first(1, page(status))}, Home(2)),
        f"status-{status}-once": Member({"status": first(1, page(status))}, Home()),
        f"download-{status}-once": Member({"download": first(1, page(status))}, Home()),
    }


def post(answer: bytes) -> Member:
    return Member({"export": always(answer)}, unread("export", posts=2))


PAGES: Table = {name: one for status in STATUSES for name, one in blocked(status).items()} | {
    "words-401": post(reply(401, b"Unauthorized", kind=b"text/plain")),
    "words-403": post(reply(403, b"Forbidden by policy \x1b[2J\x9b1m", kind=b"text/plain")),
    "words-404": post(reply(404, b"404 page not found\n", kind=b"text/plain")),
    "empty-401": post(reply(401, b"", b"WWW-Authenticate: Negotiate")),
    "empty-403": post(reply(403)),
    "empty-404": post(reply(404)),
    "page-as-json-403": post(reply(403, DOWN, kind=b"application/json")),
    "page-in-bom-403": post(reply(403, b"\xef\xbb\xbf\r\n" + DOWN, kind=b"text/html")),
    "page-utf-16-404": post(reply(404, DOWN.decode().encode("utf-16"), kind=b"text/html")),
    "json-cut-401": post(reply(401, b'{"error_code": "APIGW.0301", "err')),
    "binary-403": post(reply(403, bytes(range(256)) * 8, kind=b"application/octet-stream")),
}

REFUSALS: Table = {
    "forbidden": Member(
        {"export": always(error(403, "iMetal.0004"))},
        Failed("export", "forbidden", attempts=1, advice="permission"),
    ),
    "unknown": Member(
        {"export": always(error(404, "iMetal.0100"))},
        Failed("export", "unknown_server", attempts=1),
    ),
    "malformed": Member(
        {"export": always(error(400, "iMetal.0001"))},
        Failed("export", "bad_request", attempts=1),
    ),
    "inspection": Member(
        {"export": always(error(400, "iMetal.0110"))},
        Failed("export", "bad_request", attempts=1),
    ),
}
"""What the service itself refuses stays a refusal."""


def conflicting(kind: Kind, answer: bytes, posts: int = 1) -> Member:
    return Member({kind: first(1, answer)}, Home(posts))


NOT_NOW: Table = {
    "409-post": conflicting("export", error(409, "iMetal.0102"), posts=2),
    "409-post-words": conflicting("export", reply(409, b"busy", kind=b"text/plain"), posts=2),
    "409-post-page": conflicting("export", page(409), posts=2),
    "409-post-empty": conflicting("export", reply(409), posts=2),
    "409-status": conflicting("status", error(409, "iMetal.0102")),
    "409-download": conflicting("download", error(409, "iMetal.0102")),
    "423-post": conflicting("export", error(423, "iMetal.0006"), posts=2),
    "423-post-page": conflicting("export", page(423), posts=2),
    "423-status": conflicting("status", reply(423)),
    "423-download": conflicting("download", reply(423, b'{"message": "locked"}')),
    "0101-post": conflicting("export", error(400, "iMetal.0101"), posts=2),
    "425-post": conflicting("export", page(425), posts=2),
    "429-post-page": conflicting("export", page(429, b"Retry-After: 1"), posts=2),
    "429-post-empty": conflicting("export", reply(429, b"", b"Retry-After: 1"), posts=2),
}


def lagging(kind: Kind, answer: bytes) -> Member:
    """A replica that has not heard of the export for a while."""
    return Member({kind: after_export(LAG_S, answer)}, Home())


LAG: Table = {
    "lag-0102": lagging("status", error(404, "iMetal.0102")),
    "lag-0100": lagging("status", error(404, "iMetal.0100")),
    "lag-gateway": lagging("status", error(404, "APIGW.0101")),
    "lag-download-0102": lagging("download", error(404, "iMetal.0102")),
    "lag-download-0100": lagging("download", error(404, "iMetal.0100")),
    "lag-no-code": Member({"status": first(1, reply(404, b'{"message": "not found"}'))}, Home()),
    "lag-empty": Member({"status": first(1, reply(404))}, Home()),
    "lag-download-no-code": Member({"download": first(1, reply(404, b"{}"))}, Home()),
    "lag-comes-and-goes": Member(
        {"status": in_turn((error(404, "iMetal.0100"),), (error(404, "iMetal.0102"),))}, Home()
    ),
    "lag-to-both": Member(
        {"status": first(1, error(404, "iMetal.0100")),
         "download": first(1, error(404, "iMetal.0100"))},
        Home(),
    ),
}  # fmt: skip


def dated() -> tuple[bytes, ...]:
    """The wait as a date, told beside the answer's own."""
    return (
        b"Date: Thu, 01 Jan 2026 00:00:00 GMT",
        b"Retry-After: Thu, 01 Jan 2026 00:00:02 GMT",
    )


def by_this_clock(_: object) -> tuple[Step, ...]:
    """A date of our own time, with no Date beside it: rounded up to a whole second."""
    until = formatdate(time.time() + WAIT_S + 1, usegmt=True).encode()
    return (reply(503, b"busy", b"Retry-After: " + until, kind=b"text/plain"),)


def once(answer: Behaviour | bytes) -> Behaviour:
    made = always(answer) if isinstance(answer, bytes) else answer
    return lambda call: made(call) if call.nth == 1 else None


SECONDS = b"Retry-After: 2"
WAITS: Table = {
    "post-503": Member({"export": once(reply(503, b"busy", SECONDS, kind=b""))}, Home(2)),
    "post-503-page": Member({"export": once(page(503, SECONDS))}, Home(2)),
    "post-503-date": Member({"export": once(reply(503, b"busy", *dated()))}, Home(2)),
    "post-503-clock": Member({"export": once(by_this_clock)}, Home(2)),
    "post-500": Member({"export": once(error(500, "iMetal.0099", SECONDS))}, Home(2)),
    "post-502": Member({"export": once(page(502, SECONDS))}, Home(2)),
    "post-504": Member({"export": once(page(504, SECONDS))}, Home(2)),
    "post-409": Member({"export": once(error(409, "iMetal.0102", SECONDS))}, Home(2)),
    "post-423": Member({"export": once(error(423, "iMetal.0102", SECONDS))}, Home(2)),
    "post-0101": Member({"export": once(error(400, "iMetal.0101", SECONDS))}, Home(2)),
    "status-503": Member({"status": once(reply(503, b"busy", SECONDS, kind=b""))}, Home()),
    "status-500": Member({"status": once(error(500, "iMetal.0099", SECONDS))}, Home()),
    "status-503-date": Member({"status": once(reply(503, b"busy", *dated()))}, Home()),
    "status-409": Member({"status": once(error(409, "iMetal.0102", SECONDS))}, Home()),
    "download-503": Member({"download": once(reply(503, b"busy", SECONDS, kind=b""))}, Home()),
    "download-500": Member({"download": once(error(500, "iMetal.0099", SECONDS))}, Home()),
    "download-503-date": Member({"download": once(reply(503, b"busy", *dated()))}, Home()),
}
TABLES = {
    "pages": PAGES,
    "refusals": REFUSALS,
    "not-now": NOT_NOW,
    "lag": LAG,
    "waits": WAITS,
}
PLANS: dict[str, Plan] = {name: partial(tried, table) for name, table in TABLES.items()}
MEMBERS = [(name, server) for name, table in TABLES.items() for server in table]


@pytest.fixture
def trial(request: pytest.FixtureRequest, trials: Trials) -> Trial:
    name: str = request.param
    return trials[name]


@pytest.mark.parametrize(("trial", "server"), MEMBERS, indirect=["trial"])
def test_refusal_is_taken_for_what_it_is(trial: Trial, server: str) -> None:
    table = next(table for table in TABLES.values() if table.keys() == trial.wire.scripts.keys())
    assert_became(trial, server, table[server].becomes)


@pytest.mark.parametrize("trial", TABLES, indirect=True)
def test_refusals_hold_nobody_up(trial: Trial) -> None:
    assert_the_others_are_home(trial)
    assert_in_order(trial)


@pytest.mark.parametrize("trial", ["pages"], indirect=True)
def test_pages_lead_to_no_word_of_permissions(trial: Trial) -> None:
    assert "permission" not in trial.out + trial.err
    assert "new token" not in trial.out + trial.err


@pytest.mark.parametrize(
    ("trial", "server"), [("waits", server) for server in WAITS], indirect=["trial"]
)
def test_no_second_try_comes_before_its_time(trial: Trial, server: str) -> None:
    kind: Kind = "export"
    for one in ("status", "download"):
        if server.startswith(one):
            kind = one
    asked, again = trial.wire.called(server, kind)
    assert again.at_s - asked.at_s >= WAIT_S
