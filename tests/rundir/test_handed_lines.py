"""Lines that no program of ours writes are damage, whatever they say."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from collector.inventory import shape
from collector.model import events as e
from collector.rundir.journal import values
from collector.rundir.journal.lines import LONGEST_LINE, NO_HASH, LongLineError, decode, encode
from collector.rundir.journal.reading import Reading, fold
from tests.support.handed import DAMAGED, NO_SELECTION
from tests.support.journals import chained, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def journal(
    tmp_path: Path, selection: list[e.Event], collected: Callable[[int], list[e.Event]]
) -> Path:
    """Of two servers in one project, `fleet`; the first is collected, the second is about to be."""
    here = [event for event in selection if number_of(event) in (None, 0, 1)]
    begun = collected(1)[:-1]
    path = tmp_path / "journal.jsonl"
    path.write_bytes(chained(map(in_fleet, [*here, *begun, *collected(0)])))
    return path


def number_of(event: e.Event) -> int | None:
    if isinstance(event, e.ProjectSelected) and event.project:
        return 7  # the second is left out
    return getattr(event, "server", None)


def in_fleet(event: e.Event) -> dict[str, Any]:
    fields = {"event": type(event).__name__, **dataclasses.asdict(event)}
    if isinstance(event, e.SelectionEnded):
        fields["servers"] = 2
    return {
        name: value.replace("project-0", "fleet") if isinstance(value, str) else value
        for name, value in fields.items()
    }


def test_the_journal_that_is_edited_is_whole(journal: Path) -> None:
    reading = Reading(journal)
    state = fold(reading)
    assert reading.damage is None
    assert (len(state.servers), state.collected, state.selected) == (2, 1, True)


@pytest.mark.parametrize("member", NO_SELECTION)
def test_what_cannot_be_selected_is_damage(journal: Path, member: str) -> None:
    rewrite(journal, NO_SELECTION[member])
    reading = Reading(journal)
    state = fold(reading)
    assert reading.damage is not None
    assert not reading.damage.torn
    assert len(reading.damage.what) < 200
    assert not state.selected


@pytest.mark.parametrize("member", DAMAGED)
def test_what_cannot_have_happened_is_damage(journal: Path, member: str) -> None:
    rewrite(journal, DAMAGED[member])
    reading = Reading(journal)
    state = fold(reading)
    assert reading.damage is not None
    assert not reading.damage.torn
    assert len(reading.damage.what) < 200
    assert state.selected


def test_lines_from_before_there_were_providers_mean_the_default_one(
    selection: list[e.Event],
) -> None:
    def before(event: e.Event) -> bytes:
        line = json.loads(encode(event, NO_HASH)[0])
        return json.dumps({k: v for k, v in line.items() if k not in ("hash", "provider")}).encode()

    for event in selection:
        assert decode(before(event)) == event


def test_what_an_inventory_may_say_can_be_read_again() -> None:
    assert shape.MOST_AT_ONCE <= values.MOST
    assert shape.MOST_BYTES <= values.MOST
    assert values.FEWEST_A_SECOND <= shape.FEWEST_A_SECOND
    assert shape.MOST_A_SECOND <= values.MOST_A_SECOND


def test_what_is_too_long_to_be_read_again_is_not_written(selection: list[e.Event]) -> None:
    server = next(event for event in selection if isinstance(event, e.ServerSelected))
    longest = dataclasses.replace(server, tags={"note": "x" * (LONGEST_LINE - 500)})
    assert len(encode(longest, NO_HASH)[0]) <= LONGEST_LINE
    with pytest.raises(LongLineError, match="bms-0"):
        encode(dataclasses.replace(server, tags={"note": "x" * LONGEST_LINE}), NO_HASH)


@pytest.mark.parametrize("filler", [b"x", b"[],", b'{"a":1},', b"\\u00e9"])
def test_a_line_as_long_as_can_be_takes_little_memory(tmp_path: Path, filler: bytes) -> None:
    body = b'{"event":"RunEnded","at":[' + filler * (LONGEST_LINE // len(filler) - 99) + b"1]}"
    path = tmp_path / "journal.jsonl"
    path.write_bytes(chained([body]) + chained([body]))
    tracemalloc.start()
    reading = Reading(path)
    fold(reading)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reading.damage is not None
    assert peak < 64 << 20
