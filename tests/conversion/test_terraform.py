from __future__ import annotations

import json
from typing import Any

import pytest

from collector.conversion import ConversionError
from tests.support.converting import converted, ids, left_out, loaded, servers

BMS = "huaweicloud_bms_instance"


def shown(name: str, values: dict[str, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401  # whatever a resource holds
    kind = others.pop("type", BMS)
    return {
        "address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name,
        "provider_name": "registry.terraform.io/huaweicloud/huaweicloud", "schema_version": 0,
        "values": values, "sensitive_values": {}, **others,
    }  # fmt: skip


def show(*resources: dict[str, Any], modules: tuple[Any, ...] = ()) -> dict[str, Any]:
    root = {"resources": list(resources), "child_modules": list(modules)}
    return {"format_version": "1.0", "terraform_version": "1.9.5", "values": {"root_module": root}}


def kept(name: str, *instances: dict[str, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
    found = [{"schema_version": 0, **one} for one in instances]
    return {
        "mode": "managed", "type": BMS, "name": name, "instances": found,
        "provider": 'provider["registry.terraform.io/huaweicloud/huaweicloud"]', **others,
    }  # fmt: skip


def state(*resources: object) -> dict[str, Any]:
    return {
        "version": 4, "terraform_version": "1.9.5", "serial": 7, "lineage": "x",
        "outputs": {"password": {"value": "canary", "type": "string", "sensitive": True}},
        "resources": list(resources), "check_results": None,
    }  # fmt: skip


def test_resources_of_all_modules_are_shown() -> None:
    inner = {"address": "module.a.module.b", "resources": [shown("c", {"id": "id-c"})]}
    outer = {
        "address": "module.a", "resources": [shown("b", {"id": "id-b"})], "child_modules": [inner],
    }  # fmt: skip
    first = shown(
        "a", {"id": "id-a", "name": "bms-a", "tags": {"role": "db"}, "region": "cn-south-1"}
    )
    found = converted(show(first, modules=(outer,)), "terraform")
    assert ids(found) == ["id-a", "id-b", "id-c"]
    assert servers(found)[0] == {"id": "id-a", "name": "bms-a", "tags": {"role": "db"}}
    assert [one["region"] for one in found.data["projects"]] == ["cn-south-1", "cn-east-3"]
    assert not found.left_out
    assert len(loaded(found).projects) == 2


def test_a_state_file_gives_every_instance() -> None:
    document = state(
        kept("one", {"attributes": {"id": "id-1", "name": "bms-1"}}),
        kept(
            "many",
            {"index_key": 0, "attributes": {"id": "id-2"}},
            {"index_key": "b", "attributes": {"name": "no id"}},
            module="module.x",
        ),
    )
    found = converted(document, "terraform")
    assert ids(found) == ["id-1", "id-2"]
    assert left_out(found) == {f'module.x.{BMS}.many["b"]': "no server_id"}


def test_what_is_sensitive_is_not_copied() -> None:
    values = {"id": "id-1", "name": "canary-1", "tags": {"a": "canary-2"}, "key_pair": "canary-3"}
    marks = {"name": True, "tags": {"a": True}, "key_pair": True}
    of_show = converted(
        show(shown("x", values, sensitive_values=marks)), "terraform", "tag:k=key_pair"
    )
    paths = [[{"type": "get_attr", "value": one}] for one in marks]
    of_state = converted(
        state(kept("x", {"attributes": values, "sensitive_attributes": paths})),
        "terraform", "tag:k=key_pair",
    )  # fmt: skip
    for found in (of_show, of_state):
        assert servers(found) == [{"id": "id-1"}]
        assert "canary" not in json.dumps(found.data) + str(found.left_out)
        assert all("sensitive" in one.what for one in found.left_out)
        assert len(found.left_out) == 3


def test_other_resources_are_counted_and_not_converted() -> None:
    document = show(
        shown("a", {"id": "id-a"}),
        shown("b", {"id": "id-b"}, type="huaweicloud_compute_instance"),
        shown("c", {"id": "id-c"}, type="huaweicloud_vpc"),
        shown("d", {"id": "id-d"}, type="aws_physical_server"),
    )
    found = converted(document, "terraform")
    assert ids(found) == ["id-a"]
    (note,) = found.notes
    assert "1 huaweicloud_compute_instance, 1 huaweicloud_vpc, 1 aws_physical_server" in note


def test_a_type_that_is_mapped_is_a_server() -> None:
    document = show(
        shown("a", {"id": "id-a"}),
        shown("b", {"id": "x", "metadata": {"uuid": "id-b"}}, type="huaweicloud_compute_instance"),
    )
    found = converted(document, "terraform", "server_id=huaweicloud_compute_instance.metadata.uuid")
    assert ids(found) == ["id-b"]


def test_a_plan_gives_what_there_was_before() -> None:
    document = {
        "format_version": "1.2", "planned_values": show(shown("a", {}))["values"],
        "prior_state": show(shown("b", {"id": "id-b"})), "resource_changes": [],
    }  # fmt: skip
    assert ids(converted(document, "terraform")) == ["id-b"]


def test_a_resource_that_cannot_be_read_costs_no_other() -> None:
    document = show(shown("a", {"id": "id-a"}), {"type": 7})
    document["values"]["root_module"]["child_modules"] = [
        [],
        {"resources": [shown("c", {"id": "c"})]},
    ]
    found = converted(document, "terraform")
    assert ids(found) == ["id-a", "c"]
    assert set(left_out(found)) == {"a resource", "a module"}
    broken = converted(
        state({"type": BMS}, kept("a", {"attributes": {"id": "id-a"}}), 7), "terraform"
    )
    assert ids(broken) == ["id-a"]
    assert set(left_out(broken)) == {"resource 1", "resource 3"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"version": 3, "modules": []}, "version 3"),
        ({"encrypted_data": "x", "version": 4}, "encrypted"),
        ({"a": 1}, "neither a state file nor"),
        ([], "not what it should be"),
        ({"values": 7}, "cannot be read"),
        ({"version": "four"}, "not what it should be"),
    ],
)
def test_other_documents_are_refused(document: Any, said: str) -> None:  # noqa: ANN401  # any JSON
    with pytest.raises(ConversionError, match=said):
        converted(json.dumps(document), "terraform")


def test_nothing_was_applied_yet_is_no_error() -> None:
    assert ids(converted({"format_version": "1.0"}, "terraform")) == []


def test_deep_documents_are_refused() -> None:
    deep = b'{"version":4,"resources":' + b"[" * 300_000 + b"]" * 300_000 + b"}"
    with pytest.raises(ConversionError, match="nested too deeply"):
        converted(deep, "terraform")
    module: dict[str, Any] = {"resources": [shown("c", {"id": "c"})]}
    for _ in range(100):
        module = {"child_modules": [module]}
    assert ids(converted(show(modules=(module,)), "terraform")) == ["c"]
