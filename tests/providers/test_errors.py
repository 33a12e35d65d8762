from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from collector.engine.answers import UNHEARD, Call, Problem, ProblemKind, ScopeKind
from collector.providers.clouddc.errors import PERMISSIONS, TABLE, problem_of, rows
from collector.providers.clouddc.parsing import Reply
from collector.redaction import Secrets
from tests.providers.loopback import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

P = ProblemKind
POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE
ALL = tuple(Call)

CASES = [
    (400, "iMetal.0001", ALL, P.BAD_REQUEST),
    (400, "iMetal.0002", ALL, P.BAD_REQUEST),
    (400, "iMetal.0101", ALL, P.NOT_READY),
    (409, "IMETAL.0101", ALL, P.NOT_READY),
    (400, "iMetal.0110", ALL, P.BAD_REQUEST),
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
    (407, None, ALL, P.NOT_SENT),
    (408, None, ALL, P.UNREADABLE),
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
    (301, None, ALL, P.UNREADABLE),
    (304, None, ALL, P.UNREADABLE),
    (200, None, ALL, P.UNREADABLE),
    (206, None, ALL, P.UNREADABLE),
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
    return problem_of(call, reply, heard=UNHEARD, secrets=secrets)


@pytest.mark.parametrize(
    ("status", "code", "call", "kind"),
    [(status, code, call, kind) for status, code, calls, kind in CASES for call in calls],
)
def test_each_refusal_means_what_the_table_says(
    status: int, code: str | None, call: Call, kind: ProblemKind
) -> None:
    body = {"error_code": code, "error_msg": "words"} if code else None
    answer = problem(status, body, call=call)
    assert (answer.kind, answer.http_status, answer.code) == (kind, status, code)


def test_no_row_of_the_table_is_without_a_case() -> None:
    first = {
        next(row for row in TABLE if row.matches(call, status, code))
        for status, code, calls, _ in CASES
        for call in calls
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
    assert problem(401).message == "the token is wrong or has expired"


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
    hint = problem(403, call=call).hint
    assert hint is not None
    assert PERMISSIONS[call] in hint
