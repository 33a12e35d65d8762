"""Bodies of small answers that are odd JSON, or none: one server each, in one run."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import as_json, completed, page, reply, started
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
from tests.support.wire import always, in_turn

if TYPE_CHECKING:
    from tests.support.trial import Plan, Trial, Trials

NO_ID = Failed("export", "unreadable", posts=2)
NO_STATUS = Failed("status", "unreadable")
DEEP = b"[" * 100_000
STARTED = b'{"export_id": "e-1", "status": "processing"}'
COMPLETED = b'{"status": "completed", "percentage": "100%"}'


def export(body: bytes, becomes: Home | Failed) -> Member:
    return Member({"export": always(reply(202, body))}, becomes)


def export_id(value: object, becomes: Home | Failed) -> Member:
    return Member({"export": always(started(value))}, becomes)


def status(body: bytes, becomes: Home | Failed) -> Member:
    return Member({"status": always(reply(200, body))}, becomes)


def percentage(value: bytes) -> Member:
    """Whatever it is: the status says that the export has completed."""
    return status(b'{"status": "completed", "percentage": %s}' % value, Home())


def word(value: object) -> Member:
    return Member({"status": always(completed(status=value))}, Home())


READABLE: Table = {
    "bom": export(b"\xef\xbb\xbf" + STARTED, Home()),
    "utf-16": export(STARTED.decode().encode("utf-16"), Home()),
    "utf-32": status(COMPLETED.decode().encode("utf-32"), Home()),
    "white-space": export(b"\r\n\t " * 100 + STARTED + b"\n\n", Home()),
    "twice-a-member": export(b'{"export_id": "e-0", ' + STARTED[1:], Home()),
    "nan-beside": export(STARTED[:-1] + b', "x": [NaN, Infinity, -1e999]}', Home()),
    "huge-float-beside": export(STARTED[:-1] + b', "x": 1' + b"0" * 400 + b".0}", Home()),
    "surrogate-beside": export(STARTED[:-1] + b', "x": "\\ud800"}', Home()),
    "large": export(STARTED[:-1] + b', "x": "' + b"a" * 500_000 + b'"}', Home()),
    "many-members": export(
        json.dumps(dict.fromkeys(map(str, range(20_000))) | {"export_id": "e"}).encode(), Home()
    ),
    "as-text": Member({"export": always(reply(202, STARTED, kind=b"text/plain"))}, Home()),
    "status-200": Member({"export": always(reply(200, STARTED))}, Home()),
    "status-201": Member({"export": always(reply(201, STARTED))}, Home()),
    "status-299": Member({"export": always(reply(299, STARTED))}, Home()),
    "id-number": export_id(12345, Home()),
    "id-umlaut": export_id("prüfung-1", Home()),
    "id-chinese": export_id("导出-1", Home()),
    "id-slashes": export_id("a/../../b//c", Home()),
    "id-dots": export_id("..", Home()),
    "id-query": export_id("a?b=c#d&e;f%2F", Home()),
    "id-quotes": export_id("a'b\"c\\d", Home()),
    "id-long": export_id("e" * 500, Home()),
    "id-padded": export_id("  e-1  ", Home()),
    "word-upper": word("COMPLETED"),
    "word-padded": word(" Completed\n"),
    "word-other": word("succeeded"),
    "word-unknown-first": Member(
        {"status": in_turn((completed(status="\x1b[31mbrewing\x07\u202e" * 30),))}, Home()
    ),
    "percent-missing": status(b'{"status": "completed"}', Home()),
    "percent-null": percentage(b"null"),
    "percent-list": percentage(b"[30]"),
    "percent-object": percentage(b'{"value": 30}'),
    "percent-true": percentage(b"true"),
    "percent-words": percentage(b'"nearly"'),
    "percent-negative": percentage(b"-5"),
    "percent-over": percentage(b'"250%"'),
    "percent-nan": percentage(b"NaN"),
    "percent-infinite": percentage(b"1e999"),
    "percent-digits": percentage(b'"' + b"9" * 5000 + b'%"'),
    "percent-arabic": percentage('"٣٠%"'.encode()),
    "percent-goes-back": Member(
        {
            "status": in_turn(
                *((completed(status="processing", percentage=p),) for p in ("90%", "80%"))
            )
        },
        Home(),
    ),
}

UNREADABLE: Table = {
    "nothing": export(b"", NO_ID),
    "white-space-only": export(b" \r\n ", NO_ID),
    "null": export(b"null", NO_ID),
    "true": export(b"true", NO_ID),
    "number": export(b"42", NO_ID),
    "string": export(b'"e-1"', NO_ID),
    "list": export(b"[" + STARTED + b"]", NO_ID),
    "empty-object": export(b"{}", NO_ID),
    "cut-short": export(STARTED[:20], NO_ID),
    "two-documents": export(STARTED + STARTED, NO_ID),
    "single-quotes": export(STARTED.replace(b'"', b"'"), NO_ID),
    "nested-deep": export(DEEP, NO_ID),
    "nested-deep-beside": export(b'{"x":' + DEEP + b"]" * len(DEEP) + b"," + STARTED[1:], NO_ID),
    "digits-beside": export(STARTED[:-1] + b', "x": 1' + b"0" * 5000 + b"}", NO_ID),
    "no-unicode": export(b'{"export_id": "\xff\xfe\xfa"}', NO_ID),
    "binary": export(bytes(range(256)) * 40, NO_ID),
    "escape-codes": export(b"\x1b]0;owned\x07\x1b[2J\x9b31m\xc2\x9b1m\r\nHTTP", NO_ID),
    "page": Member({"export": always(page(200))}, NO_ID),
    "too-large": export(b'{"x": "' + b"a" * 3_000_000 + b'", ' + STARTED[1:], NO_ID),
    "id-missing": export(b'{"status": "processing"}', NO_ID),
    "id-null": export_id(None, NO_ID),
    "id-empty": export_id("", NO_ID),
    "id-blank": export_id("   ", NO_ID),
    "id-true": export(b'{"export_id": true}', NO_ID),
    "id-list": export_id(["e-1"], NO_ID),
    "id-object": export_id({"id": "e-1"}, NO_ID),
    "id-of-5-kb": export_id("e" * 5000, NO_ID),
    "id-lines": export_id("e-1\r\nX-Admin: 1", NO_ID),
    "id-nul": export_id("e\0", NO_ID),
    "id-surrogate": export_id("\ud800", NO_ID),
    "id-reversed": export_id("e\u202e1", NO_ID),
    "status-nothing": status(b"", NO_STATUS),
    "status-null": status(b'{"status": null}', NO_STATUS),
    "status-object": status(b'{"status": {"code": 1}}', NO_STATUS),
    "status-missing": status(b'{"percentage": "100%"}', NO_STATUS),
    "status-page": Member({"status": always(page(200))}, NO_STATUS),
    "status-digits": status(b'{"status": "completed", "x": 1' + b"0" * 5000 + b"}", NO_STATUS),
    "status-words": status(b"all is well", NO_STATUS),
    "download-json": Member(
        {"download": always(as_json(200, {"x": "\x1b[2J"}))}, Failed("download", "unreadable")
    ),
    "download-deep": Member(
        {"download": always(reply(200, b'{"x":' + DEEP))},
        Failed("download|verify", "unreadable|invalid_archive"),
    ),
}

PLANS: dict[str, Plan] = {
    "readable": partial(tried, READABLE),
    "unreadable": partial(tried, UNREADABLE),
}


@pytest.fixture
def readable(trials: Trials) -> Trial:
    return trials["readable"]


@pytest.fixture
def unreadable(trials: Trials) -> Trial:
    return trials["unreadable"]


@pytest.mark.parametrize("server", READABLE)
def test_json_that_says_enough_is_read(readable: Trial, server: str) -> None:
    assert_became(readable, server, READABLE[server].becomes)


@pytest.mark.parametrize("server", UNREADABLE)
def test_body_that_does_not_say_enough_fails_its_own_server(unreadable: Trial, server: str) -> None:
    assert_became(unreadable, server, UNREADABLE[server].becomes)


def test_servers_beside_odd_json_are_home(readable: Trial) -> None:
    assert_the_others_are_home(readable)
    assert_in_order(readable)


def test_servers_beside_what_is_no_json_are_home(unreadable: Trial) -> None:
    assert_the_others_are_home(unreadable)
    assert_in_order(unreadable)
