from __future__ import annotations

import pytest

from collector.conversion import ConversionError
from tests.support.converting import converted, ids, left_out, loaded


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\nc\n",
        "a\r\nb\r\n\r\nc",
        "a\rb\rc",
        "\ufeffa, b,\n# nothing\nc # the last\n",
        '"a",\n"b",\n\'c\'\n',
        "a,b,c",
    ],
)
def test_ids_stand_on_lines_or_between_commas(text: str) -> None:
    found = converted(text, "list")
    assert ids(found) == ["a", "b", "c"]
    assert not found.left_out
    assert [one.name for one in loaded(found).projects[0].servers] == ["a", "b", "c"]


def test_a_list_of_windows_is_read() -> None:
    assert ids(converted("a\r\nb\r\n".encode("utf-16"), "list")) == ["a", "b"]


def test_what_is_no_id_is_listed_by_line() -> None:
    found = converted("a\n../x\nb c\na\n.\n" + "y" * 2000 + "\n", "list")
    assert ids(found) == ["a"]
    said = left_out(found)
    assert list(said) == ["line 3", "line 2", "line 4", "line 5", "line 6"] or set(said) == {
        "line 2", "line 3", "line 4", "line 5", "line 6",
    }  # fmt: skip
    assert "spaces" in said["line 3"]
    assert "more than 1,024 characters" in said["line 6"]
    assert len(said["line 6"]) < 200


def test_a_hash_within_an_id_begins_no_comment() -> None:
    assert ids(converted("a#1\n", "list")) == ["a#1"]


def test_a_list_has_no_columns_to_map() -> None:
    with pytest.raises(ConversionError, match="--from csv"):
        converted("a\n", "list", "server_id=1")


def test_without_a_project_every_line_says_what_to_give() -> None:
    found = converted("a\nb\n", "list", project=None)
    assert ids(found) == []
    assert {one.what for one in found.left_out} == {
        "no project: give --project ID, or --map project_id=... names where it is"
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "a/b"}, "--project 'a/b' is no id"),
        ({"region": "moon"}, "unknown region 'moon'; known are"),
        ({"endpoint": "ftp://x"}, "the endpoint is not an http or https URL"),
        ({"endpoint": "https://user:canary@host"}, "the endpoint contains credentials"),
    ],
)
def test_an_option_that_fits_no_server_is_refused_at_once(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(ConversionError, match=said) as caught:
        converted("a\n", "list", **options)
    assert "canary" not in str(caught.value)


def test_an_endpoint_that_is_no_regions_is_taken() -> None:
    found = converted("a\n", "list", region=None, endpoint="http://127.0.0.1:18080")
    assert loaded(found).projects[0].endpoint == "http://127.0.0.1:18080"


def test_more_than_an_inventory_holds_is_refused() -> None:
    text = "".join(f"{number:x}\n" for number in range(600_000))
    with pytest.raises(ConversionError, match="which no inventory holds"):
        converted(text, "list")
