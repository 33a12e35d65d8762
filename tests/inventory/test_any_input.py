"""Whatever a file holds, `load` gives an inventory or tells mistakes: nothing else comes out."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.inventory import InventoryError, load, shape
from collector.inventory.shape_checks import misfits

ENVIRON = {"CLOUDDC_TOKEN": "x"}
FORMATS = ("a.yaml", "a.json", "a.toml", "a.csv", "-")

WORDS = [
    *("version", "projects", "servers", "id", "name", "tags", "region", "endpoint", "credentials"),
    *("kind", "token", "token_env", "defaults", "limits", "share", "downloads", "account"),
    *("bytes_per_second", "requests_per_second", "exports_in_flight", "cn-east-3", "http://h"),
    *("CLOUDDC_TOKEN", "project_id", "server_id", "[[projects]]", "1", "0"),
    *",;:[]{}-#&*!|>'\"=",
]

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(WORDS)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


texts = st.sampled_from(["", "a", "a/b", "..", "a\n", "\ud800", "50MB", "x" * 5000]) | leaves
servers = st.fixed_dictionaries(
    {"id": texts}, optional={"name": texts, "tags": st.dictionaries(texts.map(str), texts)}
)
limits = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("requests_per_second", "exports_in_flight", "share", "downloads", "bytes_per_second"),
        leaves | st.sampled_from([1, 0.5, 10**9, 10**30, "50MB", "1 apple"]),
    ),
)
almost_right = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "projects": st.lists(
            st.fixed_dictionaries(
                {"id": texts, "servers": st.lists(servers, max_size=2)},
                optional={"name": texts, "limits": limits},
            ),
            max_size=2,
        ),
    },
    optional={"defaults": st.fixed_dictionaries({}, optional={"limits": limits})},
)


def attempt(raw: bytes, name: str) -> None:
    try:
        load(io.BytesIO(raw), environ=ENVIRON, name=name)
    except InventoryError as error:
        caught = error
    else:
        return
    text = raw.decode(errors="replace")
    ends = sum(map(text.count, "\n\r\x85\u2028\u2029")) + 2  # as YAML counts lines
    assert caught.problems
    assert all(1 <= one.line <= ends and one.column >= 1 for one in caught.problems)
    assert len(str(caught).splitlines()) == min(len(caught.problems), 51)


def near_to_right(value: object) -> st.SearchStrategy[object]:
    """The same value where an inventory would look into it."""
    return st.sampled_from(
        [
            {"version": 1, "projects": value},
            {"version": 1, "projects": [value]},
            {"version": 1, "projects": [{"id": "p", "region": "cn-east-3", "servers": [value]}]},
            {"version": 1, "credentials": {"a": value}, "defaults": value, "projects": [value]},
        ]
    )


@given(values | values.flatmap(near_to_right))
def test_any_json_value_is_told_or_loaded(value: object) -> None:
    attempt(json.dumps(value).encode(), "a.json")


@given(values.flatmap(near_to_right) | almost_right)
def test_what_fits_the_shape_at_a_glance_fits_it_field_by_field(value: object) -> None:
    assert not shape.fits(value) or list(misfits(value)) == []


@given(values | values.flatmap(near_to_right))
def test_any_yaml_value_is_told_or_loaded(value: object) -> None:
    attempt(json.dumps(value, ensure_ascii=False).encode(errors="replace"), "a.yaml")


@given(st.lists(st.sampled_from([*WORDS, " ", "\n", "\n  ", "\r\n"]), max_size=30).map("".join))
@pytest.mark.parametrize("name", FORMATS)
def test_any_words_are_told_or_loaded(name: str, text: str) -> None:
    attempt(text.encode(), name)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_are_told_or_loaded(name: str, raw: bytes) -> None:
    attempt(raw, name)
