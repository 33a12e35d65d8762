from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from collector.addresses import normal
from collector.inventory import load, schema, to_mapping
from collector.inventory.shape import fits
from collector.providers.clouddc.rules import RULES
from collector.sizes import parse_size

SAMPLES = Path(__file__).parents[2] / "inventories"
ENVIRON = {"CLOUDDC_TOKEN": "x"}


def document(changes: dict[str, Any]) -> dict[str, Any]:
    good = {"id": "p1", "region": "cn-east-3", "servers": [{"id": "s1"}]}
    return {"version": 1, "projects": [good]} | changes


@pytest.mark.parametrize("name", ["demo.yaml", "fleet.yaml", "fleet.json"])
def test_the_schema_allows_what_load_allows(name: str) -> None:
    data = yaml.safe_load((SAMPLES / name).read_text())
    for one in (schema(), schema({"clouddc": RULES})):
        jsonschema.Draft202012Validator.check_schema(one)
        jsonschema.validate(data, one, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"projects": []},
        {"colour": "red"},
        {"defaults": {"limits": {"share": 2}}},
        {"defaults": {"limits": {"bytes_per_second": "many"}}},
        {"projects": [{"id": "..", "region": "cn-east-3", "servers": []}]},
        {"projects": [{"id": "p1", "region": "cn-east-3", "servers": [{"id": "a/b"}]}]},
        {"credentials": {"a": {"kind": "token", "token": "x"}}},
        {"credentials": {"a": {"kind": "token"}}},
        {"credentials": {"a": {"kind": "token", "token_env": "A", "token_file": "b"}}},
        {"credentials": {"a": {"kind": "sdk", "profiles": "x"}}},
        {"credentials": {"a": {"kind": "command", "command": "vault read"}}},
        {"credentials": {"a": {"kind": "command", "command": []}}},
        {"credentials": {"a": {"kind": "command", "command": ["x"], "timeout": 0}}},
    ],
)
def test_the_schema_refuses_what_load_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            document(changes), schema({"clouddc": RULES}), jsonschema.Draft202012Validator
        )


def test_without_a_vendor_the_schema_leaves_credentials_open() -> None:
    data = document({"credentials": {"a": {"kind": "badge", "colour": "red"}}})
    jsonschema.validate(data, schema(), jsonschema.Draft202012Validator)


def test_what_is_shown_as_json_loads_again_as_the_same() -> None:
    one = load(SAMPLES / "fleet.yaml", environ=ENVIRON)
    shown = json.dumps(to_mapping(one.select())).encode()
    other = load(io.BytesIO(shown), environ=ENVIRON)
    assert other.projects == one.projects
    assert other.credentials == one.credentials
    assert (other.downloads, other.bytes_per_second) == (one.downloads, one.bytes_per_second)


def test_a_selection_is_shown_without_what_it_does_not_match() -> None:
    one = load(SAMPLES / "fleet.yaml", environ=ENVIRON)
    shown = to_mapping(one.select(["tag:role=db"], first=["name=bms-002"]))
    assert [
        (project["name"], [server["name"] for server in project["servers"]])
        for project in shown["projects"]
    ] == [("payments", ["bms-002", "bms-001"])]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500KB", 500_000),
        ("50 MB", 50_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5kib", 1536),
        ("1tb", 10**12),
        ("7B", 7),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1MB", "1 apple", "0", "0.1B", "1e9", "1iB", "٣MB", "9999999TiB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|than"):
        parse_size(text)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTP://LocalHost:18080/", "http://localhost:18080"),
        ("https://host:443", "https://host"),
        ("http://host:443/a/b//", "http://host:443/a/b"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_endpoints_have_one_form(url: str, same: str) -> None:
    assert normal(url) == same


@pytest.mark.parametrize(
    "url", ["host", "//host", "file:///x", "http://:80", "http://a@b", "http://h:99999", "http://["]
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is|has|contains|spells"):
        normal(url)


def test_the_published_vendor_has_an_endpoint_for_each_region() -> None:
    assert all(normal(url) == url for url in RULES.regions.values())


@pytest.mark.parametrize("id_", ["s1\n", "s/1", ".", "..", "", "s\x7f", "s" * 2000, "\ud800", 1])
def test_an_id_that_cannot_stand_in_a_url_does_not_fit(id_: object) -> None:
    good = {"id": "p1", "region": "cn-east-3", "servers": [{"id": "s1"}, {"id": "..."}]}
    assert fits({"version": 1, "projects": [good]})
    bad = {**good, "servers": [{"id": id_}]}
    assert not fits({"version": 1, "projects": [bad]})
