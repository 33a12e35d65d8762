from __future__ import annotations

import dataclasses
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from collector.archive.names import safe_name
from collector.model.answers import Call, ScopeKind
from collector.model.events import EVENTS, Event, RunEnded, SelectionEnded
from collector.model.fields import PROVIDER_NAME
from collector.rundir.journal.lines import NO_HASH, LineError, check, decode, encode, event_of
from collector.rundir.journal.reading import Reading
from collector.rundir.journal.values import (
    FEWEST_A_SECOND,
    LONGEST_S,
    MOST,
    MOST_A_SECOND,
    SOURCES,
    WIDEST_SPREAD,
)

AT = "2026-11-23T08:41:03Z"

text = st.text(st.characters(exclude_categories=[]), max_size=20)
whole_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
safe = st.text(max_size=20).map(lambda raw: safe_name(raw, fallback="x"))
time = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)).map(  # noqa: DTZ001  # Z is added
    lambda at: f"{at.isoformat(timespec='milliseconds')}Z"
)
any_time = st.datetimes().map(lambda at: f"{at.isoformat(timespec='seconds')}Z")
count = st.integers(0, MOST)
seconds = st.floats(0, LONGEST_S)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": text,
    "bool": st.booleans(),
    "tuple[str, ...]": st.lists(text, max_size=3).map(tuple),
    "Tags": st.dictionaries(whole_text, whole_text, max_size=3),
    "Options": st.dictionaries(text, st.just("OPS_TOKEN"), max_size=3),
    "Time": time,
    "AnyTime": any_time,
    "Id": st.from_regex(r"[a-z0-9-]{1,36}", fullmatch=True),
    "ExportId": st.from_regex(r"[a-z0-9/-]{1,36}", fullmatch=True),
    "Endpoint": st.sampled_from(
        ["https://a.example", "http://127.0.0.1:8080/x", "http://[::1]:8080"]
    ),
    "ProviderName": st.from_regex(PROVIDER_NAME, fullmatch=True),
    "ProviderNames": st.lists(
        st.from_regex(PROVIDER_NAME, fullmatch=True), min_size=1, max_size=3
    ).map(",".join),
    "Location": st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20),
    "ETag": st.from_regex(r'"[a-z0-9]{0,9}"', fullmatch=True),
    "FileName": safe,
    "DirectoryName": safe,
    "RunPath": st.lists(safe, min_size=1, max_size=3).map("/".join),
    "Digest": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    "ScopeWord": st.sampled_from([*ScopeKind]).map(str),
    "CallWord": st.sampled_from([*Call]).map(str),
    "Source": st.sampled_from(SOURCES),
    "Version": st.just(1),
    "Index": st.integers(0, 10**6),
    "Count": count,
    "Positive": st.integers(1, MOST),
    "Rate": st.floats(FEWEST_A_SECOND, MOST_A_SECOND),
    "Share": st.floats(0, 1, exclude_min=True),
    "Seconds": seconds,
    "Offset": st.floats(-LONGEST_S, LONGEST_S),
    "Spread": st.floats(0, WIDEST_SPREAD),
    "Amount": seconds,
}


def values_of(annotation: str) -> st.SearchStrategy[Any]:
    found = VALUES[annotation.removesuffix(" | None")]
    return st.none() | found if annotation.endswith(" | None") else found


def some(kind: type[Event]) -> st.SearchStrategy[Event]:
    fields = {field.name: values_of(str(field.type)) for field in dataclasses.fields(kind)}
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


@pytest.mark.parametrize("name", ["ServerSelected", "DurationsLearned"])
@given(data=st.data())
def test_what_earlier_versions_do_not_know_is_left_out_where_there_is_none(
    name: str, data: st.DataObject
) -> None:
    kind = EVENTS[name]
    event = data.draw(some(kind))
    line = encode(event, NO_HASH)[0]
    told = json.loads(line)
    missing = {one for one in kind.left_out if getattr(event, one) is None}
    assert kind.left_out - told.keys() == missing
    assert event_of(line) == event


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
    line, head = encode(SelectionEnded(at=AT, servers=2), "a" * 64)
    assert line.startswith(
        b'{"event":"SelectionEnded","at":"2026-11-23T08:41:03Z","servers":2,"hash":"'
    )
    assert check(line, "a" * 64)[1] == head
    with pytest.raises(LineError, match="hash"):
        check(line, "b" * 64)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"event":"Unheard","at":"2026-11-23T08:41:03Z"}', "unknown event 'Unheard'"),
        (b'{"at":"2026-11-23T08:41:03Z"}', "unknown event None"),
        (b'{"event":["RunEnded"]}', "unknown event"),
        (b"[]", "unknown event"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"event":"RunEnded","at":"2026-11-23T08:41:03Z"}', "RunEnded lacks 'reason'"),
        (
            b'{"event":"RunEnded","at":"2026-11-23T08:41:03Z","reason":3}',
            "RunEnded has an invalid 'reason'",
        ),
        (
            b'{"event":"RunEnded","at":"2026-11-23T08:41:03Z","reason":"","x":1}',
            "RunEnded has unknown fields: x",
        ),
    ],
)
def test_a_line_that_is_no_event_says_what_is_wrong(body: bytes, what: str) -> None:
    with pytest.raises(LineError, match=what):
        decode(body)


def test_a_journal_begins_with_the_start_of_its_run() -> None:
    ended = RunEnded(at=AT, reason="finished")
    back, reading = read(b"".join(written([ended])))
    assert not back
    assert reading.damage is not None
    assert reading.damage.line == 1
