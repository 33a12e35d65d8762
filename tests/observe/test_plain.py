"""A run in the lines of a pipe."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from collector.observe.plain import WIDTH, Plain
from collector.observe.streams import Stream
from tests.support.glances import HOSTILE, counts_of, glance_of

if TYPE_CHECKING:
    from collector.report.glance import Glance


def told(*glances: Glance, ends: bool = False, as_json: bool = False) -> list[str]:
    """What is written of a run that is looked at so often; without the time of day."""
    written = io.StringIO()
    stderr = Stream(written)
    stderr.as_json = as_json
    plain = Plain(stderr)
    for glance in glances:
        plain.tell(glance)
    if ends:
        plain.end(glances[-1])
    lines = written.getvalue().splitlines()
    return lines if as_json else [line[10:] for line in lines]


def quiet(**members: Any) -> Glance:  # noqa: ANN401  # a glance's own
    return glance_of(troubles=[], **members)


def test_a_line_says_how_far_how_fast_and_how_long_still() -> None:
    (line,) = told(quiet(counts=counts_of(658, 64, 32, 1_234, 12)))
    assert line == (
        "1,234 of 2,000 collected, 12 failed, 96 in flight, 658 waiting; 25 to 40 min left; "
        "18.4 of 20 calls/s"
    )
    (line,) = told(quiet(counts=counts_of(0, 6, 0, 14)))
    assert line == (
        "14 of 20 collected, 6 in flight; 25 to 40 min left; 18.4 of 20 calls/s; 38.2 MB/s; "
        "12.4 GB so far"
    )


def test_where_nothing_has_changed_a_line_says_so_and_what_is_waited_for() -> None:
    later = {"at": "2026-11-29T21:52:32.000Z", "time_left": None}
    _, line = told(
        quiet(counts=counts_of(0, 64, 1, 20)), quiet(counts=counts_of(0, 64, 1, 20), **later)
    )
    assert line == "nothing new for 20 s; waiting for 64 exports and 1 download; 18.4 of 20 calls/s"


def test_what_holds_a_run_up_is_told_when_it_begins_and_while_nothing_changes() -> None:
    down = glance_of(troubles=["https://bms.example has not answered for 3 min"])
    moved = glance_of(troubles=down.troubles, bytes=down.bytes + 1)
    lines = told(down, moved, moved)
    assert [line.startswith("! https://bms") for line in lines] == [
        False, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["x" * 10_000, HOSTILE, "名" * 500])
def test_no_line_is_longer_than_it_may_be(text: str) -> None:
    for line in told(glance_of(troubles=[text]), ends=True):
        assert len(line) + 10 <= WIDTH * 6  # what is not printable is written out
        assert line.isprintable()


def test_the_last_line_says_how_far_the_run_came_and_how_long_it_took() -> None:
    last = told(quiet(counts=counts_of(0, 0, 0, 48, 2)), ends=True)[-1]
    assert last == "48 of 50 collected, 2 failed; 12.4 GB in 12 min"
    last = told(quiet(counts=counts_of(1, 2, 3, 40, 4)), ends=True)[-1]
    assert last == "40 of 50 collected, 4 failed, 6 pending; 12.4 GB in 12 min"


def test_programs_get_the_same_as_facts_and_nothing_that_is_not_known() -> None:
    first, second = map(
        json.loads,
        told(glance_of(), quiet(limit=None, time_left=None, deadline_at=None), as_json=True),
    )
    assert first["time_left_s"] == [1500.0, 2400.0]
    assert first["limit_per_s"] == 20.0
    assert first["limit_source"] == "told"
    assert first["held_up"] == glance_of().troubles
    assert (
        not {"time_left_s", "limit_per_s", "limit_source", "held_up", "deadline_at"} & second.keys()
    )
    assert second["event"] == "progress"
