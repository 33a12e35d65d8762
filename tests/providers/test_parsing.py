from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model.answers import NO_METADATA, ExportSaid, ExportState
from collector.providers.clouddc.parsing import ErrorBody, error_body, export_said, percent
from collector.providers.http.words import one_line


def said(**fields: object) -> ExportSaid | None:
    return export_said(json.dumps(fields).encode(), NO_METADATA, asked_for="e1")


def started(**fields: object) -> ExportSaid | None:
    return export_said(json.dumps(fields).encode(), NO_METADATA)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30%", 30.0),
        ("30", 30.0),
        (30, 30.0),
        (30.0, 30.0),
        (" 30 % ", 30.0),
        ("99.5%", 99.5),
        (0, 0.0),
        ("100%", 100.0),
        (None, None),
        ("", None),
        ("%", None),
        ("half", None),
        (-1, None),
        ("-1%", None),
        (101, None),
        ("101%", None),
        (float("nan"), None),
        (float("inf"), None),
        ("nan", None),
        (10**40, None),
        (True, None),
        ([30], None),
    ],
    ids=repr,
)
def test_a_percentage_is_read_from_every_form_and_from_no_nonsense(
    value: object, expected: float | None
) -> None:
    assert percent(value) == expected


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("processing", ExportState.RUNNING),
        ("Running", ExportState.RUNNING),
        ("IN PROGRESS", ExportState.RUNNING),
        ("completed", ExportState.COMPLETED),
        ("Complete", ExportState.COMPLETED),
        ("SUCCESS", ExportState.COMPLETED),
        ("Succeeded", ExportState.COMPLETED),
        ("successful", ExportState.COMPLETED),
        (" finished ", ExportState.COMPLETED),
        ("done", ExportState.COMPLETED),
        ("failed", ExportState.FAILED),
        ("FAIL", ExportState.FAILED),
        ("Failure", ExportState.FAILED),
        ("ERROR", ExportState.FAILED),
        ("aborted", ExportState.FAILED),
        ("Cancelled", ExportState.FAILED),
        ("canceled", ExportState.FAILED),
    ],
)
def test_a_status_word_is_known_in_any_letter_case(word: str, state: ExportState) -> None:
    answer = said(status=word)
    assert answer is not None
    assert (answer.state, answer.known, answer.word) == (state, True, word.strip())


def test_a_word_nobody_knows_means_that_the_export_runs() -> None:
    answer = said(status="Packaging", percentage="40%")
    assert answer == ExportSaid("e1", ExportState.RUNNING, "Packaging", known=False, percent=40.0)


def test_a_word_that_no_terminal_should_see_is_made_harmless() -> None:
    answer = said(status="\x1b[31mboo\nhoo\ud800" + "x" * 1000)
    assert answer is not None
    assert answer.word.isprintable()
    assert len(answer.word) <= 80


@pytest.mark.parametrize(
    ("value", "expected"), [("1", "1"), (7, "7"), (7.0, "7"), ("a/../b", "a/../b")]
)
def test_an_export_id_is_a_string_or_a_number(value: object, expected: str) -> None:
    answer = started(export_id=value, status="processing")
    assert answer is not None
    assert answer.export_id == expected


@pytest.mark.parametrize("value", [None, "", "  ", True, [1], {}, "a\nb", "\ud800", "x" * 513])
def test_a_start_without_a_usable_export_id_is_no_answer(value: object) -> None:
    assert started(export_id=value, status="processing") is None


def test_a_start_needs_no_status() -> None:
    assert started(export_id="e7") == ExportSaid("e7", ExportState.RUNNING, "")


def test_a_status_needs_no_export_id() -> None:
    answer = said(status="processing")
    assert answer is not None
    assert answer.export_id == "e1"


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_a_status_answer_without_a_status_is_none(value: object) -> None:
    assert said(status=value, percentage="30%") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'"completed"',
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"status": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_no_answer(body: bytes) -> None:
    assert export_said(body, NO_METADATA, asked_for="e1") is None
    assert export_said(body, NO_METADATA) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_any_of_its_encodings(encoding: str) -> None:
    body = '{"status": "completed"}'.encode(encoding)
    assert export_said(body, NO_METADATA, asked_for="e1") is not None


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["status", "export_id", "percentage", "error_code", "error_msg"]),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_raises(body: bytes) -> None:
    export_said(body, NO_METADATA)
    export_said(body, NO_METADATA, asked_for="e1")
    error_body(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"error_code": "iMetal.0100", "error_msg": "not found"}',
            ErrorBody("iMetal.0100", "not found", own=True),
        ),
        (
            b'{"error_code": "APIGW.0301", "error_msg": "no", "request_id": "r1"}',
            ErrorBody("APIGW.0301", "no", "r1", own=True),
        ),
        (
            b'{"status_code": 429, "request_id": "r", "error_code": "X.1", "error_message": "o"}',
            ErrorBody("X.1", "o", "r", own=True),
        ),
        (b"Too Many Requests\n", ErrorBody(None, "Too Many Requests")),
        (b'"Too Many Requests"', ErrorBody(None, "Too Many Requests")),
        (b"", ErrorBody()),
        (b"[1]", ErrorBody(None, "[1]")),
        (b"{}", ErrorBody()),
        (b'{"error_code": 17, "error_msg": ["a"]}', ErrorBody("17", "", own=True)),
        (
            b"<!DOCTYPE html><TITLE>502 Bad Gateway</TITLE>",
            ErrorBody(None, 'a page titled "502 Bad Gateway" came in place of an answer'),
        ),
        (
            b"\x1f\x8b\x08\x00",
            ErrorBody(None, "4 bytes that are not text came instead of an answer"),
        ),
        (b"a\x1b[31mb", ErrorBody(None, "7 bytes that are not text came instead of an answer")),
        (b"<Error><Code>x</Code>", ErrorBody(None, "a page came in place of an answer")),
    ],
)
def test_an_error_body_is_read_in_every_shape(body: bytes, expected: ErrorBody) -> None:
    assert error_body(body) == expected


@given(st.text(), st.integers(10, 300))
def test_one_line_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert line == line.strip()


def test_one_line_says_that_it_left_something_out() -> None:
    assert one_line("word " * 100, 20) == "word word word wo..."
