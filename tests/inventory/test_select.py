from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.inventory import InventoryError

if TYPE_CHECKING:
    from collector.inventory import Inventory
    from tests.support.reader import Reader


@pytest.fixture
def inventory(reader: Reader) -> Inventory:
    return reader.load("""
version: 1
projects:
  - id: 0f51
    name: payments
    region: cn-east-3
    servers:
      - {id: a1, name: bms-001, tags: {role: db, rack: r1}}
      - {id: a2, name: bms-002, tags: {role: web, rack: r1}}
  - id: 4b1f
    name: search
    region: cn-east-3
    servers:
      - {id: b1, name: BMS-003, tags: {role: db}}
      - {id: b2}
""")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, "a1 a2 b1 b2"),
        ({"select": ["project=payments"]}, "a1 a2"),
        ({"select": ["project=4b1f"]}, "b1 b2"),
        ({"select": ["project=p*,tag:role=db"]}, "a1"),
        ({"select": ["tag:role=db", "name=bms-00[12]"]}, "a1 a2 b1"),
        ({"select": ["name=bms-*"]}, "a1 a2"),
        ({"select": ["name=b2"]}, "b2"),
        ({"select": ["id=?1"]}, "a1 b1"),
        ({"select": ["tag:rack=*"]}, "a1 a2"),
        ({"select": [" tag:role = db , project=search "]}, "b1"),
        ({"select": ["id=none"]}, ""),
        ({"exclude": ["tag:role=db"]}, "a2 b2"),
        ({"select": ["project=payments"], "exclude": ["id=a1"]}, "a2"),
        ({"first": ["project=search,id=b2", "id=a2"]}, "a2 b2 a1 b1"),
        ({"select": ["project=search"], "first": ["id=b2", "id=a2"]}, "b2 b1"),
    ],
)
def test_expressions_choose_servers(
    options: dict[str, list[str]], ids: str, inventory: Inventory
) -> None:
    chosen = inventory.select(**options)
    assert [one.server.id for one in chosen.servers] == ids.split()


def test_a_selection_keeps_the_expressions_and_who_goes_first(inventory: Inventory) -> None:
    chosen = inventory.select(["project=search"], first=["id=b2"])
    assert chosen.inventory is inventory
    assert chosen.select == ("project=search",)
    assert [(one.server.id, one.first) for one in chosen.servers] == [("b2", True), ("b1", False)]
    assert chosen.servers[0].project is inventory.projects[1]


@pytest.mark.parametrize(
    ("expression", "column", "words"),
    [
        ("", 1, "use key=value (keys: "),
        ("payments", 1, "use key=value (keys: "),
        ("project=", 1, "use key=value (keys: "),
        ("project=a,,id=b", 11, "use key=value (keys: "),
        ("=x", 1, "unknown key ''"),
        ("id=a,projct=b", 6, "did you mean 'project'?"),
        ("role=db", 1, "tag:role"),
        ("tag:=x", 1, "unknown key 'tag:'"),
        ("rack=r1", 1, "rack works only for discovered servers"),
        ("health=OK", 1, "health works only for discovered servers"),
        ("alarm=*", 1, "alarm works only for discovered servers"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused(
    expression: str, column: int, words: str, inventory: Inventory
) -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.select(exclude=[expression])
    (mistake,) = caught.value.problems
    assert mistake.file.startswith("--exclude ")
    assert mistake.column == column
    assert words in str(caught.value)


def test_all_mistakes_of_all_expressions_are_told_at_once(inventory: Inventory) -> None:
    with pytest.raises(InventoryError) as caught:
        inventory.select(["a=b,c=d"], exclude=["x"], first=["rack=1"])
    assert len(caught.value.problems) == 4
