"""Servers that are missing for one reason are one group, however their messages name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.report import manifest as m
from collector.report.reasons import Grouping, grouped

if TYPE_CHECKING:
    from collections.abc import Callable


def failed(number: int, message: str, **facts: object) -> m.Failed:
    told: dict[str, object] = {
        "stage": "download", "code": None, "http_status": None, "request_id": f"r-{number}",
        "attempts": 4, "hint": "resume the run",
    } | facts  # fmt: skip
    name = str(told.pop("name", f"bms-{number}"))
    error = m.Error(message=message, **told)  # type: ignore[arg-type]  # fields by name
    return m.Failed(f"id-{number}", name, {}, "failed", None, None, error, None)


def pending(
    number: int, message: str | None = None, *, reason: m.Reason | None = "stopped"
) -> m.Pending:
    error = message and m.Error("status", None, None, message, None, 1, "wait")
    waiting = m.Waiting("exporting", "2026-01-01T00:00:00Z", reason, error or None)
    return m.Pending(f"id-{number}", f"bms-{number}", {}, "pending", None, None, None, waiting)


COLLECTED = m.Collected(
    "id", "bms", {}, "collected",
    m.Export("x", "2026-01-01T00:00:00Z", None, 1, 1, "started"),
    m.Archive("a", "a", 1, "0" * 64, 1, m.Covers(None, None), "2026-01-01T00:00:00Z", 0),
    None, None,
)  # fmt: skip


def test_150_servers_whose_archives_were_cut_at_150_places_are_one_group() -> None:
    groups = grouped([failed(one, f"truncated at byte {8000 + 37 * one}") for one in range(150)])
    assert [len(group.members) for group in groups] == [150]
    assert groups[0].message == "truncated at byte 8000"
    assert groups[0].members[3].name == "bms-3"


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("the service knows no server bms-1", "the service knows no server bms-2"),
        ("request r-77aa0 failed", "request r-12bc9 failed"),
        ("no file '/data/x y/a.tar'", "no file '/other/b.tar.gz'"),
        ("cannot write /a/b.part: full", "cannot write ../c/d-e.part: full"),
        ("got 1.5 MB of 20 GB in 3 min", "got 900 KB of 1,024.7 MiB in 40 s"),
        ("sha256 is 12ab34cd56ef, not 99aa88bb", "sha256 is deadbeef01, not 0123456789abcdef"),
        (
            "export 0f5181ca-dead-beef-9c00-45e707b91aaa is gone",
            "export 1f5181ca-dead-beef-9c00-45e707b91bbb is gone",
        ),
        ("cannot reach 10.0.0.1:8080", "cannot reach 192.168.17.4:443"),
        ("cannot reach fe80::1", "cannot reach 2001:db8:1:2::17"),
        ('the status "odd" is unknown', 'the status "no less odd" is unknown'),
        ("the server's “name” isn't known", "the server's “other” isn't known"),
        ("at 2026-01-01T10:11:12.123Z", "at 2027-12-31T23:59:59Z"),
    ],
)
def test_messages_that_differ_by_what_is_one_servers_own_are_alike(one: str, another: str) -> None:
    assert len(grouped([failed(1, one), failed(2, another)])) == 1


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("the archive is cut", "the archive is no gzip"),
        ("the server's disk isn't ready", "the server's bus isn't ready"),
        ("it ends at byte 3", "it begins at byte 3"),
        ("bad face", "bad deed"),
        ("https://one.example/a answers nobody", "https://two.example/a answers nobody"),
    ],
)
def test_messages_that_say_different_things_are_two_groups(one: str, another: str) -> None:
    assert len(grouped([failed(1, one), failed(2, another)])) == 2


@pytest.mark.parametrize(
    "facts", [{"stage": "verify"}, {"code": "X.1"}, {"http_status": 503}, {"hint": "call support"}]
)
def test_another_stage_code_status_or_hint_is_another_reason(facts: dict[str, object]) -> None:
    assert len(grouped([failed(1, "it failed"), failed(2, "it failed", **facts)])) == 2


def test_a_name_without_digits_is_taken_out_where_it_is_a_word() -> None:
    rows = [
        failed(1, "no alarms of mars in marshland", name="mars", hint="look at mars"),
        failed(2, "no alarms of venus in marshland", name="venus", hint="look at venus"),
    ]
    assert len(grouped(rows)) == 1


def test_a_name_that_may_be_any_word_is_left_alone() -> None:
    rows = [failed(1, "cut at byte 3", name="at"), failed(2, "cut at byte 5", name="cu")]
    assert len(grouped(rows)) == 1


def test_failed_servers_come_before_pending_ones_and_large_groups_before_small_ones() -> None:
    rows = [
        *(pending(one) for one in range(5)),
        failed(10, "rare"),
        *(failed(20 + one, "frequent") for one in range(3)),
        *(pending(30 + one, "the endpoint is down") for one in range(6)),
        COLLECTED,
    ]
    groups = grouped(rows)
    assert [(one.state, one.message, len(one.members)) for one in groups] == [
        ("failed", "frequent", 3),
        ("failed", "rare", 1),
        ("pending", "the endpoint is down", 6),
        ("pending", "", 5),
    ]
    assert [(one.stage, one.phase, one.waits_for) for one in groups[2:]] == [
        ("status", "exporting", "stopped"),
        ("exporting", "exporting", "stopped"),
    ]


def test_servers_are_grouped_one_after_the_other_and_known_by_whatever_one_likes() -> None:
    grouping: Grouping[int] = Grouping()
    first = grouping.add(failed(1, "cut at byte 1"), 1)
    assert grouping.add(COLLECTED, 2) is None
    assert grouping.add(failed(3, "cut at byte 3"), 3) is first
    assert [one.members for one in grouping.groups()] == [[1, 3]]


def test_a_message_of_10_kb_costs_no_more_than_its_beginning() -> None:
    rows = [failed(one, "'" * 5_000 + "/" * 5_000 + str(one)) for one in range(2_000)]
    assert len(grouped(rows)) == 1


OWN: dict[str, Callable[[int], st.SearchStrategy[str]]] = {
    "number": lambda _: st.integers(0, 10**12).map(str),
    "size": lambda _: st.tuples(
        st.floats(0, 999.9), st.sampled_from(["KB", " MB", "GiB", " bytes"])
    ).map(lambda one: f"{one[0]:.1f}{one[1]}"),
    "uuid": lambda _: st.uuids().map(str),
    "hash": lambda _: st.binary(min_size=16, max_size=32).map(lambda one: "0" + one.hex()),
    "quoted": lambda _: st.text(st.characters(exclude_characters="'"), max_size=20).map(
        lambda one: f"'{one}'"
    ),
    "path": lambda _: st.lists(
        st.text("abcxyz0-_.", min_size=1, max_size=8), min_size=1, max_size=4
    ).map(lambda one: "/" + "/".join(one)),
    "name": lambda number: st.just(f"bms-{number}"),
    "id": lambda number: st.just(f"id-{number}"),
}
"""What belongs to one server, in messages."""
WORDS = st.text("klmnopqrstuvwxyz", min_size=2, max_size=8)


@given(st.data())
def test_whatever_is_one_servers_own_makes_no_group_of_its_own(data: st.DataObject) -> None:
    template = data.draw(st.lists(WORDS | st.sampled_from(sorted(OWN)), min_size=1, max_size=6))

    def message(number: int) -> str:
        return " ".join(data.draw(OWN[word](number)) if word in OWN else word for word in template)

    rows = [failed(number, message(number)) for number in range(3)]
    assert len(grouped(rows)) == 1


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=30)), max_size=30))
def test_every_missing_server_is_in_one_group_whatever_it_was_told(
    told: list[tuple[bool, str]],
) -> None:
    rows = [
        failed(number, message) if has_failed else pending(number, message)
        for number, (has_failed, message) in enumerate(told)
    ]
    groups = grouped(rows)
    assert sorted(row.id for group in groups for row in group.members) == sorted(
        row.id for row in rows
    )
    for group in groups:
        assert group.message in {
            row.latest_error.message if row.latest_error else "" for row in rows
        }
        assert {row.state for row in group.members} == {group.state}


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True))
def test_messages_of_different_words_are_never_one_group(messages: list[str]) -> None:
    rows = [failed(number, message) for number, message in enumerate(messages)]
    assert len(grouped(rows)) == len(messages)
