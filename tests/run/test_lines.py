from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from collector.engine.events import EVENTS, Event, RunEnded, SelectionEnded
from collector.run.lines import NO_HASH, LineError, check, decode, encode
from collector.run.reading import Reading

text = st.text(st.characters(exclude_categories=[]), max_size=20)
number = st.integers(-(10**12), 10**12)
real = st.floats(allow_nan=False, allow_infinity=False)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": text,
    "int": number,
    "bool": st.booleans(),
    "float": real,
    "str | None": st.none() | text,
    "int | None": st.none() | number,
    "float | None": st.none() | real,
    "tuple[str, ...]": st.lists(text, max_size=3).map(tuple),
    "Mapping[str, str]": st.dictionaries(text, text, max_size=3),
}


def some(kind: type[Event]) -> st.SearchStrategy[Event]:
    fields = {field.name: VALUES[str(field.type)] for field in dataclasses.fields(kind)}
    if kind.__name__ == "RunStarted":
        fields["schema_version"] = st.just(1)
    return st.builds(kind, **fields)


started = some(EVENTS["RunStarted"])
others = st.sampled_from([kind for kind in EVENTS.values() if kind.__name__ != "RunStarted"])
journals = st.tuples(started, st.lists(others.flatmap(some), max_size=5)).map(
    lambda parts: [parts[0], *parts[1]]
)


def written(events: list[Event]) -> list[bytes]:
    lines = []
    head = NO_HASH
    for event in events:
        line, head = encode(event, head)
        lines.append(line)
    return lines


def read(content: bytes) -> tuple[list[Event], Reading]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.jsonl"
        path.write_bytes(content)
        reading = Reading(path)
        return list(reading), reading


@given(journals)
def test_events_come_back_as_they_were(events: list[Event]) -> None:
    back, reading = read(b"".join(written(events)))
    assert back == events
    assert reading.damage is None


@given(journals, st.data())
def test_a_journal_cut_anywhere_is_its_whole_lines(
    events: list[Event], data: st.DataObject
) -> None:
    lines = written(events)
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole = content[:cut].count(b"\n")
    back, reading = read(content[:cut])
    assert back == events[:whole]
    assert reading.size == len(b"".join(lines[:whole]))
    if cut == reading.size:
        assert reading.damage is None
    else:
        assert reading.damage is not None
        assert reading.damage.torn
        assert reading.damage.line == whole + 1


@given(journals, st.data())
def test_a_changed_byte_is_found_in_its_line(events: list[Event], data: st.DataObject) -> None:
    lines = written(events)
    content = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    line = b"".join(lines)[:place].count(b"\n")
    back, reading = read(bytes(content))
    assert back == events[:line]
    assert reading.damage is not None
    assert reading.damage.line == line + 1


@given(journals.filter(lambda events: len(events) > 2), st.data())
def test_a_missing_line_is_found_where_it_was(events: list[Event], data: st.DataObject) -> None:
    lines = written(events)
    gone = data.draw(st.integers(1, len(lines) - 2))
    _, reading = read(b"".join(lines[:gone] + lines[gone + 1 :]))
    assert reading.damage is not None
    assert reading.damage.line == gone + 1
    assert not reading.damage.torn


def test_a_hash_is_of_the_hash_before_and_the_bytes_before_it() -> None:
    line, head = encode(SelectionEnded(at="now", servers=2), "a" * 64)
    assert line.startswith(b'{"event":"SelectionEnded","at":"now","servers":2,"hash":"')
    assert check(line, "a" * 64)[1] == head
    with pytest.raises(LineError, match="hash"):
        check(line, "b" * 64)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"event":"Unheard","at":"now"}', "no event 'Unheard'"),
        (b'{"at":"now"}', "no event None"),
        (b'{"event":["RunEnded"]}', "no event"),
        (b"[]", "no event"),
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b'{"event":"RunEnded","at":"now"}', "RunEnded misses 'reason'"),
        (b'{"event":"RunEnded","at":"now","reason":3}', "RunEnded has a wrong 'reason'"),
        (b'{"event":"RunEnded","at":"now","reason":"","x":1}', "RunEnded has no x"),
    ],
)
def test_a_line_that_is_no_event_says_what_is_wrong(body: bytes, what: str) -> None:
    with pytest.raises(LineError, match=what):
        decode(body)


def test_a_journal_begins_with_the_start_of_its_run() -> None:
    ended = RunEnded(at="now", reason="finished")
    back, reading = read(b"".join(written([ended])))
    assert not back
    assert reading.damage is not None
    assert reading.damage.line == 1
