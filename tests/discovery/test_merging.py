"""What is listed goes into a file; what it does not touch stays to the letter."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.discovery.listing import Found
from collector.discovery.merging import UnmergeableError, changes, merged
from collector.inventory import load
from collector.inventory.models import Discover, Server
from collector.inventory.yaml_text import document, entry, scalar
from collector.model.answers import Problem, ProblemKind
from collector.providers.directory import ListedServer

if TYPE_CHECKING:
    from collector.inventory import Inventory

DAY = "2026-11-29"
FILE = Path("fleet.yaml")

FLOW = """\
# The fleet of payments.   Do not sort!
version: 1

credentials:
  ops: {kind: token,   token_env: 'OPS'}     # by hand
projects:
- id: p1        # the first
  region: cn-east-3
  credentials: ops
  servers:      # in the order of collection

  - {id: s1, name: "bms-1",  tags: {role: db}}   # the master
  - { id: s2,health: OK }
  # s3 is special
  - {id: s3, alarm: critical, tags: {gone: '2026-01-01'}, rack: r1}  # its disk

  - id: s4
    name: bms-4
    health: Warning   # look at it
    tags:
      role: web
- id: p2
  region: cn-east-3
  servers: []
# the end
"""


def inventory(text: str) -> Inventory:
    return load(io.BytesIO(text.encode()), name="fleet.yaml", environ={}, sends=False)


def listed(
    *servers: ListedServer, number: int = 0, text: str = FLOW, alarms: bool = False
) -> Found:
    project = inventory(text).projects[number]
    discover = Discover(alarms_s=60.0) if alarms else None
    return Found(
        replace(project, discover=discover), servers={server.id: server for server in servers}
    )


def after(*found: Found, text: str = FLOW) -> str:
    made = [changes(one.project, one, new=False) for one in found]
    return merged(text, FILE, inventory(text), made, DAY)


S1, S2, S3, S4 = (ListedServer(f"s{n}", f"bms-{n}", health="OK") for n in range(1, 5))


def test_a_list_that_says_what_the_file_says_changes_no_byte() -> None:
    same = (
        ListedServer("s1", "other"),
        ListedServer("s2", "s2", health="OK"),
        ListedServer("s4", "x", health="Warning"),
    )
    found = listed(*same)
    found.problem = Problem(ProblemKind.CUT, "not all")  # so that s3 is not known to be back
    assert after(found) == FLOW


def test_what_is_listed_is_brought_up_to_date_and_the_rest_stays_to_the_letter() -> None:
    expected = (
        FLOW.replace(
            '{id: s1, name: "bms-1",  tags: {role: db}}',
            '{id: s1, name: "bms-1",  tags: {role: db}, health: OK}',
        )
        .replace(
            "alarm: critical, tags: {gone: '2026-01-01'}, rack: r1}",
            "alarm: critical, rack: r1, health: OK}",
        )
        .replace("health: Warning   # look", "health: OK   # look")
    )
    assert after(listed(S1, S2, S3, S4)) == expected


def test_a_server_that_is_gone_is_marked_and_never_taken_away() -> None:
    expected = (
        FLOW.replace("tags: {role: db}}", f'tags: {{role: db, gone: "{DAY}"}}}}')
        .replace("{ id: s2,health: OK }", f'{{ id: s2,health: OK, tags: {{gone: "{DAY}"}} }}')
        .replace("      role: web\n", f'      role: web\n      gone: "{DAY}"\n')
    )
    assert after(listed()) == expected


def test_new_servers_come_after_the_others_of_their_project() -> None:
    found = listed(S1, S2, S3, S4, ListedServer("s5", "bms-5", {"role": "a b"}, rack="r9"))
    text = after(found)
    line = '  - {id: s5, name: bms-5, tags: {role: "a b"}, rack: r9}\n'
    assert f"      role: web\n{line}- id: p2\n" in text


def test_a_project_without_servers_gets_a_list() -> None:
    text = after(listed(ListedServer("t1", "t1", model="X"), number=1))
    assert text == FLOW.replace("  servers: []\n", "  servers:\n    - {id: t1, model: X}\n")


def test_a_project_that_only_discovers_gets_a_list_beside_it() -> None:
    text = FLOW.replace("  servers: []\n", "  discover: {}   # all\n")
    assert after(listed(S1, number=1, text=text), text=text) == text.replace(
        "  discover: {}   # all\n",
        "  discover: {}   # all\n  servers:\n    - {id: s1, name: bms-1, health: OK}\n",
    )


def test_an_alarm_that_is_over_is_taken_away_where_alarms_were_asked_for() -> None:
    with_it = after(listed(S1, S2, S3, S4, alarms=False))
    assert "alarm: critical" in with_it
    without = after(listed(S1, S2, S3, S4, alarms=True))
    assert "{id: s3, rack: r1, health: OK}  # its disk" in without


def test_a_fact_on_a_line_of_its_own_goes_with_its_line() -> None:
    text = FLOW.replace("    health: Warning   # look at it\n", "    alarm: major\n")
    found = listed(S1, S2, S3, ListedServer("s4", "bms-4"), text=text, alarms=True)
    assert "    name: bms-4\n    tags:\n" in after(found, text=text)


@pytest.mark.parametrize("spoiled", ["problem", "state"])
def test_nothing_is_gone_where_not_all_was_listed(spoiled: str) -> None:
    found = listed(S1)
    if spoiled == "problem":
        found.problem = Problem(ProblemKind.CUT, "cut")
    else:
        found.state = "in-use"
    assert 'gone: "' not in after(found)


def test_lines_end_as_they_did() -> None:
    text = FLOW.replace("\n", "\r\n")
    new = after(listed(S1, S2, S3, S4, ListedServer("s5", "s5"), text=text), text=text)
    assert new.replace("\r\n", "").count("\n") == 0
    assert "  - {id: s5}\r\n- id: p2\r\n" in new


def test_letters_of_any_script_do_not_shift_places() -> None:
    text = FLOW.replace("bms-1", "máquina 机器 🖥").replace("the master", "дом 🏠")
    new = after(listed(S1, S2, S3, S4, text=text), text=text)
    assert '{id: s1, name: "máquina 机器 🖥",  tags: {role: db}, health: OK}   # дом 🏠' in new


def test_json_in_a_yaml_file_is_merged_too() -> None:
    text = (
        '{"version": 1, "projects": [{"id": "p1", "region": "cn-east-3", "servers": [\n'
        '  {"id": "s1", "name": "one"},\n'
        '  {"id": "s2"}\n]}]}\n'
    )
    new = after(listed(S1, S2, S3, text=text), text=text)
    assert new == (
        '{"version": 1, "projects": [{"id": "p1", "region": "cn-east-3", "servers": [\n'
        '  {"id": "s1", "name": "one", health: OK},\n'
        '  {"id": "s2", health: OK},\n'
        "  {id: s3, name: bms-3, health: OK}\n]}]}\n"
    )


def test_a_file_without_a_last_line_end_is_merged_too() -> None:
    text = FLOW.removesuffix("# the end\n").replace("  servers: []\n", "  servers: [{id: a}]")
    new = after(
        listed(ListedServer("a", "a"), ListedServer("b", "b"), number=1, text=text), text=text
    )
    assert new.endswith("  servers: [{id: a}, {id: b}]")


def test_a_new_project_comes_after_the_others() -> None:
    before = inventory(FLOW)
    found = listed(S1, number=1)
    found.project = replace(found.project, id="p3", name="p3")
    made = [changes(found.project, found, new=True)]
    assert merged(FLOW, FILE, before, made, DAY) == FLOW.replace(
        "  servers: []\n",
        "  servers: []\n- id: p3\n  region: cn-east-3\n  credentials: ops\n  servers:\n"
        "    - {id: s1, name: bms-1, health: OK}\n",
    )


def test_a_file_that_cannot_be_changed_in_place_stays_as_it_is() -> None:
    text = FLOW.replace("  - { id: s2,health: OK }\n", "  - {? id : s2}\n")
    found = listed(S1, ListedServer("s2", "x", health="Bad"), S3, S4, text=text)
    try:
        new = after(found, text=text)
    except UnmergeableError:
        return
    assert inventory(new).projects[0].servers[1].health == "Bad"


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(
    servers=st.lists(
        st.builds(
            Server,
            st.text("abc-019.:e ", min_size=1, max_size=9).filter(lambda t: t.strip(". ")),
            WORDS,
            st.dictionaries(WORDS, WORDS, max_size=3),
            health=st.none() | WORDS,
            rack=st.none() | WORDS,
        ),
        unique_by=lambda server: server.id,
        max_size=6,
    )
)
def test_what_is_written_is_read_again(servers: list[Server]) -> None:
    fields = {"id": "p1", "region": "cn-east-3"}
    entries = {"ops": {"kind": "token", "token_env": "OPS"}}
    text = "".join(document("made", entries, [(fields, map(entry, servers))]))
    assert list(inventory(text).projects[0].servers) == servers


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_the_same_text_in_yaml(text: str) -> None:
    import yaml  # noqa: PLC0415

    assert yaml.safe_load(f"{{key: {scalar(text)}}}") == {"key": text}
    assert yaml.safe_load(f"{{{scalar(text)}: 1}}") == {text: 1}


@st.composite
def _written(draw: st.DrawFn, number: int) -> str:
    """A server as somebody has written it."""
    fields = [f"id: s{number}"]
    fields += draw(
        st.lists(
            st.sampled_from(
                ["name: 'n #1'", "health: OK", 'rack: "r: 1"', "alarm: major", "tags: {a: b}"]
            ),
            unique=True,
        )
    )
    if draw(st.booleans()):
        fields.append(f"tags: {{gone: '{DAY}'}}" if "tags: {a: b}" not in fields else "model: M")
    fields = draw(st.permutations(fields))
    remark = draw(st.sampled_from(["", "  # why", "   "]))
    if draw(st.booleans()):
        space = draw(st.sampled_from(["", " "]))
        return f"    - {{{space}{', '.join(fields)}{space}}}{remark}\n"
    lines = [f"      {one}{remark}\n" for one in fields]
    blank = draw(st.sampled_from(["", "\n", "      # between\n"]))
    return "    - " + (blank.join(lines)).lstrip()


@given(data=st.data())
def test_servers_that_are_not_touched_stay_to_the_letter(data: st.DataObject) -> None:
    texts = [data.draw(_written(number)) for number in range(data.draw(st.integers(1, 5)))]
    head = "version: 1\nprojects:\n  - id: p1\n    region: cn-east-3\n    servers:\n"
    text = head + "".join(texts) + data.draw(st.sampled_from(["", "# end\n", "\n\n"]))
    if data.draw(st.booleans()):
        text = text.rstrip("\n")
    before = inventory(text).projects[0].servers
    now = [
        ListedServer(server.id, "n", health=data.draw(st.sampled_from([server.health, "Bad"])))
        for server in before
        if data.draw(st.booleans())
    ]
    new = [ListedServer("t1", "new", {"k": "v"})] if data.draw(st.booleans()) else []
    found = listed(*now, *new, text=text, alarms=data.draw(st.booleans()))
    result = after(found, text=text)
    (made,) = [changes(found.project, found, new=False)]
    touched = {*made.facts, *made.gone, *made.back}
    for server, written in zip(before, texts, strict=True):
        if server.id not in touched:
            assert written.rstrip() in result
    assert result.startswith(head)
    if not touched and not new:
        assert result == text
