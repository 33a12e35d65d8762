from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from collector.conversion import ConversionError
from collector.conversion.ansible_program import PROGRAM
from tests.support.converting import converted, ids, left_out, loaded, servers

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "ansible"
ID = "7d9c1e0e-52f1-4c0b-9c53-0d6a7f1b2a01"
NAME_IS_ID = "server_id=inventory_hostname"


def listing(hosts: dict[str, Any], **groups: Any) -> dict[str, Any]:  # noqa: ANN401  # whatever a group may be
    return {"_meta": {"hostvars": hosts}, "all": {"children": ["ungrouped", *groups]}, **groups}


def groups_of(conversion: Any) -> dict[str, set[str]]:  # noqa: ANN401  # a Conversion
    return {one["name"]: set(one.get("tags", ())) for one in servers(conversion)}


@pytest.mark.parametrize("example", ["basic.ini", "basic.yaml"])
def test_the_basic_example_is_the_same_in_both_forms(example: str) -> None:
    found = converted(EXAMPLES / example, "ansible", NAME_IS_ID)
    assert groups_of(found) == {
        "mail.example.com": set(),
        "foo.example.com": {"webservers"},
        "bar.example.com": {"webservers"},
        "one.example.com": {"dbservers"},
        "two.example.com": {"dbservers"},
        "three.example.com": {"dbservers"},
    }
    assert not found.left_out
    assert len(loaded(found).projects[0].servers) == 6


def test_a_host_has_the_groups_above_its_own() -> None:
    found = groups_of(converted(EXAMPLES / "groups.yaml", "ansible", NAME_IS_ID))
    assert found["one.example.com"] == {"dbservers", "east", "prod"}
    assert found["three.example.com"] == {"dbservers", "west", "test"}
    assert found["mail.example.com"] == set()


def test_ranges_are_hosts() -> None:
    found = converted(EXAMPLES / "ranges.ini", "ansible", NAME_IS_ID)
    wanted = {f"www{number:02}.example.com" for number in range(1, 51)}
    assert set(ids(found)) == wanted | {f"db-{letter}.example.com" for letter in "abcdef"}
    stride = converted(EXAMPLES / "stride.yaml", "ansible", NAME_IS_ID)
    assert ids(stride) == [f"www{number:02}.example.com" for number in range(1, 50, 2)]


def test_variables_of_groups_reach_their_hosts() -> None:
    found = converted(
        EXAMPLES / "variables.ini", "ansible", NAME_IS_ID, "tag:pods=escape_pods",
        "tag:port=ansible_port",
    )  # fmt: skip
    tags = {one["name"]: one.get("tags", {}) for one in servers(found)}
    assert tags["host2"] == {
        "atlanta": "yes", "raleigh": "yes", "southeast": "yes", "usa": "yes", "pods": "2",
    }  # fmt: skip
    assert tags["jumper"] == {"port": "5555"}
    assert tags["badwolf.example.com"] == {"port": "5309"}


def test_a_directory_is_read_with_its_variables_and_its_secrets_are_not() -> None:
    found = converted(EXAMPLES / "directory", "ansible", project=None, region=None)
    assert ids(found) == [ID]
    assert found.data["projects"][0]["id"] == "0f5181caba0024e72f89c0045e707b91"
    assert "encrypted with ansible-vault" in left_out(found)["host r12u05"]
    told = json.dumps(found.data) + str(found.left_out) + str(found.notes)
    assert "canary" not in told
    assert "62313365396662" not in told


def test_a_file_that_ansible_cannot_parse_is_listed_and_the_others_count(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "basic.ini", tmp_path / "basic")
    (tmp_path / "bad.yaml").write_text("all:\n  hosts:\n   a: {password: hunter22\n")
    found = converted(tmp_path, "ansible", NAME_IS_ID)
    assert len(ids(found)) == 6
    assert list(left_out(found)) == [str(tmp_path / "bad.yaml")]
    assert "hunter22" not in str(found.left_out)


def test_a_file_that_is_no_inventory_is_an_error_with_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("all:\n  hosts:\n   a: {password: hunter22\n")
    with pytest.raises(ConversionError, match=r"No inventory was parsed.*--list") as caught:
        converted(tmp_path / "bad.yaml", "ansible", NAME_IS_ID)
    assert "hunter22" not in str(caught.value)


def test_where_the_program_is_missing_the_way_without_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConversionError, match=r"not installed here; .*save its output"):
        converted(EXAMPLES / "basic.ini", "ansible", NAME_IS_ID)


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / PROGRAM).write_text(f"#!/bin/sh\n{text}\n")
    (folder / PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_program_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "echo $$ > pid; exec sleep 1000", monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("collector.conversion.ansible_program.WITHIN_S", 0.3)
    with pytest.raises(ConversionError, match="did not end"):
        converted(EXAMPLES / "basic.ini", "ansible", NAME_IS_ID)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_program_that_prints_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "exec yes", monkeypatch)
    monkeypatch.setattr("collector.conversion.ansible_program.BYTES_MAX", 1_000_000)
    with pytest.raises(ConversionError, match="more than 64 MB"):
        converted(EXAMPLES / "basic.ini", "ansible", NAME_IS_ID)


def test_a_name_that_ansible_takes_for_hosts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a,b").write_text("host1")
    with pytest.raises(ConversionError, match="comma"):
        converted(tmp_path / "a,b", "ansible", NAME_IS_ID)


def test_yaml_that_is_written_as_json_is_read_by_the_program(tmp_path: Path) -> None:
    document = {"all": {"children": {"web": {"hosts": {"a": {"server_id": ID}}}}}}
    (tmp_path / "hosts.json").write_text(json.dumps(document))
    found = converted(tmp_path / "hosts.json", "ansible")
    assert ids(found) == [ID]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"server_id": ID, "uuid": "other"}, ID),
        ({"clouddc_id": ID}, ID),
        ({"physical_server_id": ID}, ID),
        ({"uuid": ID}, ID),
        ({"server_id": "", "uuid": ID}, ID),
        ({"server_id": None, "uuid": ID}, ID),
        ({"instance_id": ID}, ID),
        ({"server_id": {"__ansible_unsafe": ID}}, ID),
        ({"server_id": 12345}, "12345"),
    ],
)
def test_the_id_is_found_under_its_usual_names(variables: object, expected: str) -> None:
    assert ids(converted(listing({"a": variables}), "ansible")) == [expected]


def test_a_host_that_is_called_by_its_id_has_one() -> None:
    assert ids(converted(listing({ID: {}}), "ansible")) == [ID]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no id in server_id"),
        ({"instance_id": "i-123"}, "no id in server_id"),
        ({"server_id": "{{ lookup('x') }}"}, "server_id is a template"),
        ({"server_id": {"__ansible_vault": "$ANSIBLE_VAULT;1.1"}}, "encrypted with ansible-vault"),
        ({"server_id": ["a"]}, "server_id is a list"),
        ({"server_id": 1e5}, "a number with a fraction"),
        ({"server_id": True}, "true or false"),
        ({"server_id": "a/b"}, "server_id 'a/b' is no id"),
        ({"server_id": "a\0b"}, "is no id"),
        ([], "its variables"),
    ],
)
def test_a_host_without_a_usable_id_is_listed_with_the_reason(variables: object, said: str) -> None:
    found = converted(listing({"bad": variables, "good": {"server_id": ID}}), "ansible")
    assert ids(found) == [ID]
    assert said in left_out(found)["host bad"]


@pytest.mark.parametrize("field", ["project_id", "region"])
def test_a_host_whose_place_cannot_be_read_is_not_put_elsewhere(field: str) -> None:
    variables = {"server_id": ID, field: {"__ansible_vault": "$ANSIBLE_VAULT;1.1"}}
    found = converted(listing({"a": variables, "b": {"server_id": "b"}}), "ansible")
    assert ids(found) == ["b"]
    assert left_out(found)["host a"] == (
        f"left out: {field} is encrypted with ansible-vault, and is left alone"
    )


def test_a_name_of_megabytes_is_not_told_whole() -> None:
    found = converted(listing({"x" * 1_000_000: {}}), "ansible")
    assert len(str(found.left_out)) < 1_000
    long = converted(listing({"x" * 1_000_000: {"server_id": ID}}), "ansible")
    assert servers(long) == [{"id": ID}]
    assert len(str(long.left_out)) < 1_000


def test_only_mapped_variables_are_copied() -> None:
    variables = {"server_id": ID, "ansible_password": "canary", "rack": "r12", "token": "canary"}
    found = converted(listing({"a": variables}), "ansible", "tag:rack=rack")
    assert servers(found) == [{"id": ID, "name": "a", "tags": {"rack": "r12"}}]
    assert "canary" not in json.dumps(found.data)


def test_nested_variables_are_named_with_dots() -> None:
    variables = {"cloud": {"ids": {"server": ID}}, "a.b": "flat"}
    found = converted(
        listing({"a": variables}), "ansible", "server_id=cloud.ids.server", "tag:x=a.b"
    )
    assert servers(found) == [{"id": ID, "name": "a", "tags": {"x": "flat"}}]


def test_variables_that_were_exported_with_their_groups_are_inherited() -> None:
    found = converted(
        listing(
            {"a": {"server_id": ID}, "b": {"server_id": "b", "region": "cn-south-1"}},
            inner={"hosts": ["a", "b"], "vars": {"project_id": "p-inner"}},
            outer={"children": ["inner"], "vars": {"project_id": "p-outer", "region": "cn-east-3"}},
        ),
        "ansible", project=None, region=None,
    )  # fmt: skip
    places = [(one["id"], one["region"]) for one in found.data["projects"]]
    assert places == [("p-inner", "cn-east-3"), ("p-inner", "cn-south-1")]


def test_groups_in_a_circle_end() -> None:
    document = listing(
        {"a": {"server_id": ID}},
        one={"hosts": ["a"], "children": ["two"]},
        two={"children": ["one"]},
    )
    assert set(servers(converted(document, "ansible"))[0]["tags"]) == {"one", "two"}


def test_a_script_may_list_its_hosts_bare() -> None:
    document = {"web": ["a"], "db": {"hosts": ["b"]}, "_meta": {"hostvars": {}}}
    found = converted(document, "ansible", NAME_IS_ID)
    assert groups_of(found) == {"a": {"web"}, "b": {"db"}}


def test_a_group_that_is_none_costs_no_other() -> None:
    document = listing({"a": {"server_id": ID}}, bad={"hosts": 7}, web={"hosts": ["a"]})
    found = converted(document, "ansible")
    assert servers(found)[0]["tags"] == {"web": "yes"}
    assert list(left_out(found)) == ["group bad"]


def test_a_host_of_a_thousand_groups_keeps_its_place_and_loses_its_tags() -> None:
    many = {f"g{number}": {"hosts": ["a"]} for number in range(1_001)}
    found = converted(listing({"a": {"server_id": ID}}, **many), "ansible")
    assert servers(found) == [{"id": ID, "name": "a"}]
    assert left_out(found)["host a"] == "its groups: more than 1,000"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"_meta": ', "not valid JSON"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(3_100_000)) + b"}", "more than 3,000,000"),
        (b"not json", "not the JSON of ansible-inventory"),
        (b"", "empty"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n1234", "encrypted with ansible-vault"),
    ],
    ids=["cut", "deep", "values", "words", "empty", "vault"],
)
def test_what_is_no_listing_is_refused_in_one_line(raw: bytes, said: str) -> None:
    with pytest.raises(ConversionError, match=said) as caught:
        converted(raw, "ansible")
    assert len(str(caught.value)) < 300


def test_halves_of_characters_are_replaced() -> None:
    hosts = {"a\ud800": {"server_id": "1"}, "\U0001f600": {"server_id": "2", "x": "\\ud800\udc80"}}
    found = converted(listing(hosts), "ansible", "tag:x=x")
    assert servers(found) == [
        {"id": "1", "name": "a\ufffd"},
        {"id": "2", "name": "\U0001f600", "tags": {"x": "\\ud800\ufffd"}},
    ]
    assert len(loaded(found).projects[0].servers) == 2


def test_the_listing_of_powershell_is_read() -> None:
    document = json.dumps(listing({"a": {"server_id": ID}}))
    assert ids(converted(document.encode("utf-16"), "ansible")) == [ID]
