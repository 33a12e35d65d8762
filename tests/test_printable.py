"""Text made safe to print."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.printable import escaped, one_line, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_a_line_is_printable_and_one(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@given(ANY_TEXT)
def test_lines_stay_lines(text: str) -> None:
    assert len(visible(text).split("\n")) == len(text.split("\n"))


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_made_visible_in_json_reads_back_as_it_was(value: dict[str, str]) -> None:
    assert json.loads(visible(json.dumps(value, ensure_ascii=False, indent=1))) == value


def test_half_a_character_in_json_reads_back_as_it_was() -> None:
    assert json.loads(visible(json.dumps("\ud800a\udc9b", ensure_ascii=False))) == "\ud800a\udc9b"


@pytest.mark.parametrize(
    "hidden",
    ["\x00", "\t", "\r", "\n", "\x1b", "\x7f", "\x85", "\x9b", "\u00ad", "\u061c", "\u200b",
     "\u200e", "\u2028", "\u2029", "\u202e", "\u2066", "\u3164", "\ufeff", "\ufffe", "\ue000",
     "\ud800", "\U000e0041", "\u034f", "\u2800"],
    ids=ascii,
)  # fmt: skip
def test_what_cannot_be_seen_is_written_out(hidden: str) -> None:
    assert one_line(f"a{hidden}b") == f"a{escaped(hidden)}b"
    assert escaped(hidden).startswith("\\u")


@pytest.mark.parametrize("seen", ["plain", "né", "日本", "\U0001f600", "e\u0301", "[/b] \\ {} %s"])
def test_what_can_be_seen_stays_as_it_is(seen: str) -> None:
    assert one_line(seen) == visible(seen) == seen
