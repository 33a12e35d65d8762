"""Lines that no program of ours writes are damage, whatever they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.run.lines import NO_HASH, encode
from collector.run.reading import Reading, fold
from tests.acceptance.handed import DAMAGED, NO_SELECTION
from tests.acceptance.journals import events_of, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.engine import events as e


@pytest.fixture
def journal(tmp_path: Path, started: e.RunStarted, events_of_two_servers: list[e.Event]) -> Path:
    path = tmp_path / "journal.jsonl"
    lines, head = [], NO_HASH
    for event in [started, *events_of_two_servers]:
        line, head = encode(event, head)
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return path


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
    before = len(events_of(journal))
    rewrite(journal, DAMAGED[member])
    reading = Reading(journal)
    state = fold(reading)
    assert reading.damage is not None
    assert not reading.damage.torn
    assert len(reading.damage.what) < 200
    assert state.selected
    assert reading.damage.line in (before, before + 1) or "number" in member
