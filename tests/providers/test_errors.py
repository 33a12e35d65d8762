from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from collector.model.answers import NO_METADATA, Call, Problem, ProblemKind, ScopeKind
from collector.providers.clouddc.errors import PERMISSIONS, TABLE, problem_of, rows
from collector.providers.http.replies import Reply
from collector.redaction import Secrets
from tests.support.loopback import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

P = ProblemKind
POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE
ALL = tuple(Call)

OWN_WORDS = {"error_msg": "words"}
PAGE = b"<html><title>403 Forbidden</title></html>"
FOREIGN_BODIES = [PAGE, b"RBAC: access denied", b'"a string"', b"[]", b'{"timestamp": 1}', b""]

CASES = [
    (400, "iMetal.0001", ALL, P.BAD_REQUEST),
    (400, "iMetal.0002", ALL, P.BAD_REQUEST),
    (400, "iMetal.0101", ALL, P.NOT_READY),
    (409, "IMETAL.0101", ALL, P.NOT_READY),
    (400, "iMetal.0110", ALL, P.BAD_REQUEST),
    (409, "iMetal.0110", ALL, P.BAD_REQUEST),
    (400, None, ALL, P.BAD_REQUEST),
    (405, None, ALL, P.BAD_REQUEST),
    (401, "iMetal.0003", ALL, P.UNAUTHENTICATED),
    (401, "APIGW.0301", ALL, P.UNAUTHENTICATED),
    (401, "APIG.0301", ALL, P.UNAUTHENTICATED),
    (401, None, ALL, P.UNAUTHENTICATED),
    (403, "iMetal.0004", ALL, P.FORBIDDEN),
    (403, None, ALL, P.FORBIDDEN),
    (404, "iMetal.0100", ALL, P.UNKNOWN_SERVER),
    (404, "iMetal.0120", (POST,), P.UNKNOWN_SERVER),
    (404, None, (POST,), P.UNKNOWN_SERVER),
    (404, "iMetal.0120", (ASK, FETCH), P.FORGOTTEN),
    (404, None, (ASK, FETCH), P.FORGOTTEN),
    (410, None, (POST,), P.UNKNOWN_SERVER),
    (410, None, (ASK, FETCH), P.FORGOTTEN),
    (407, None, ALL, P.NOT_SENT),
    (408, None, ALL, P.UNREADABLE),
    (409, None, ALL, P.NOT_READY),
    (423, None, ALL, P.NOT_READY),
    (425, None, ALL, P.NOT_READY),
    (421, None, ALL, P.UNREADABLE),
    *((status, None, ALL, P.BAD_REQUEST) for status in (412, 413, 414, 415, 426, 428, 431, 451)),
    (429, "iMetal.0005", ALL, P.THROTTLED),
    (429, "APIGW.0308", ALL, P.THROTTLED),
    (429, "APIG.0308", ALL, P.THROTTLED),
    (429, None, ALL, P.THROTTLED),
    (400, "iMetal.0005", ALL, P.THROTTLED),
    (403, "iMetal.0005", ALL, P.THROTTLED),
    (500, "iMetal.0099", ALL, P.SERVICE_FAILED),
    (503, "imetal.0099", ALL, P.SERVICE_FAILED),
    (500, "APIGW.0201", ALL, P.UNREADABLE),
    (500, None, ALL, P.UNREADABLE),
    (502, None, ALL, P.UNREADABLE),
    (511, None, ALL, P.UNREADABLE),
    (301, None, ALL, P.UNREADABLE),
    (303, None, ALL, P.UNREADABLE),
    (304, None, ALL, P.UNREADABLE),
    (200, None, ALL, P.UNREADABLE),
    (206, None, ALL, P.UNREADABLE),
    (200, "iMetal.0101", ALL, P.NOT_READY),
    (200, "iMetal.0100", ALL, P.UNKNOWN_SERVER),
    (200, "iMetal.0004", ALL, P.FORBIDDEN),
    (202, "APIGW.0301", ALL, P.UNAUTHENTICATED),
    (200, "iMetal.0005", ALL, P.THROTTLED),
    (200, "APIG.0308", ALL, P.THROTTLED),
    (200, "iMetal.0099", ALL, P.SERVICE_FAILED),
    (200, "APIGW.0201", ALL, P.UNREADABLE),
    (600, None, ALL, P.UNREADABLE),
]


def problem(
    status: int,
    body: object = None,
    *,
    call: Call = POST,
    headers: Mapping[str, str] | None = None,
) -> Problem:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    reply = Reply(status, CIMultiDict(headers or {}), raw)
    secrets = Secrets()
    secrets.add(TOKEN)
    return problem_of(call, reply, metadata=NO_METADATA, secrets=secrets)


@pytest.mark.parametrize(
    ("status", "code", "call", "kind"),
    [(status, code, call, kind) for status, code, calls, kind in CASES for call in calls],
)
def test_each_refusal_means_what_the_table_says(
    status: int, code: str | None, call: Call, kind: ProblemKind
) -> None:
    body = OWN_WORDS | {"error_code": code} if code else OWN_WORDS
    answer = problem(status, body, call=call)
    assert (answer.kind, answer.http_status, answer.code) == (kind, status, code)


def test_no_row_of_the_table_is_without_a_case() -> None:
    first = {
        next(row for row in TABLE if row.matches(call, status, code, own=own))
        for status, code, calls, _ in CASES
        for call in calls
        for own in (True, code is not None)
    }
    assert first == set(TABLE)


def test_the_documented_rows_are_the_tables() -> None:
    shown = list(rows())
    assert len(shown) == len(TABLE)
    assert ("404", "iMetal.0100", "any", "unknown_server") in [row[:4] for row in shown]
    assert ("404", "any", "start_export", "unknown_server") in [row[:4] for row in shown]
    assert all(row.meaning for row in shown)


def test_the_message_is_the_services_own_words() -> None:
    body = {"error_code": "iMetal.0110", "error_msg": "disk 3: SMART\r\nfailure\x1b[31m"}
    assert problem(400, body).message == "disk 3: SMART failure [31m"


def test_a_refusal_without_words_gets_the_tables() -> None:
    body = {"error_code": "APIGW.0301"}
    assert problem(401, body).message == "the token is wrong or has expired"


def test_a_message_is_at_most_300_characters() -> None:
    assert len(problem(400, b"x" * 100_000).message) == 300


@pytest.mark.parametrize("before", ["", "x" * 250])
def test_a_message_never_repeats_the_token(before: str) -> None:
    body = {"error_code": "APIGW.0301", "error_msg": f"{before} decrypt {TOKEN} fail"}
    message = problem(401, body).message
    assert "canary" not in message
    assert "***" in message


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"request_id": "in-body"}, {"X-Request-Id": "in-header"}, "in-body"),
        ({"error_msg": "x"}, {"x-request-id": "in-header"}, "in-header"),
        (b"plain", {"X-Request-Id": "in-header"}, "in-header"),
        (b"plain", {}, None),
    ],
)
def test_the_request_id_is_the_bodys_or_the_headers(
    body: object, headers: dict[str, str], expected: str | None
) -> None:
    assert problem(500, body, headers=headers).request_id == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error_code": "APIGW.0308", "error_msg": "policy app over"}, ScopeKind.APP),
        ({"error_code": "APIGW.0308", "error_message": "policy ip over"}, ScopeKind.IP),
        (b"policy user over ratelimit,limit:10,time:1 second", ScopeKind.USER),
        ({"error_code": "iMetal.0005", "error_msg": "Too many"}, None),
        (b"Too Many Requests", None),
        (b"", None),
    ],
)
def test_a_429_of_any_shape_names_its_scope(body: object, expected: ScopeKind | None) -> None:
    assert problem(429, body).throttled_by is expected


def test_retry_after_comes_with_the_problem() -> None:
    assert problem(429, headers={"Retry-After": "7"}).retry_after_s == 7.0


@pytest.mark.parametrize("call", ALL)
def test_a_missing_permission_is_named_in_the_hint(call: Call) -> None:
    hint = problem(403, OWN_WORDS, call=call).hint
    assert hint is not None
    assert PERMISSIONS[call] in hint


# What comes from something on the way


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 412, 418, 426, 431, 451, 499])
@pytest.mark.parametrize("body", FOREIGN_BODIES)
def test_a_refusal_in_other_words_than_the_apis_is_none(status: int, body: bytes) -> None:
    for call in Call:
        answer = problem(status, body, call=call)
        assert (answer.kind, answer.blocked, answer.hint) == (P.UNREADABLE, True, None)
        assert answer.message


@pytest.mark.parametrize("body", FOREIGN_BODIES)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, P.THROTTLED),
        (407, P.NOT_SENT),
        (408, P.UNREADABLE),
        (409, P.NOT_READY),
        (423, P.NOT_READY),
        (425, P.NOT_READY),
        (502, P.UNREADABLE),
    ],
)
def test_some_statuses_mean_the_same_in_any_words(status: int, kind: P, body: bytes) -> None:
    answer = problem(status, body)
    assert (answer.kind, answer.blocked) == (kind, False)


def test_only_what_may_have_been_acted_on_is_in_doubt() -> None:
    soon = {"Retry-After": "5"}
    assert problem(503, b"busy", headers=soon).blocked
    assert problem(421, OWN_WORDS).blocked
    assert problem(511, PAGE).blocked
    assert problem(302, PAGE).blocked
    for status, headers in (
        (303, {}),
        (503, {}),
        (502, soon),
        (504, soon),
        (408, soon),
        (500, soon),
    ):
        assert not problem(status, PAGE, headers=headers).blocked


@pytest.mark.parametrize("status", [408, 409, 423, 500, 503])
def test_any_refusal_may_say_when_to_come_again(status: int) -> None:
    assert problem(status, b"later", headers={"Retry-After": "9"}).retry_after_s == 9.0
