"""Lines that are read the quick way: the same events as the slow way, or none at all."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from collector.model import events as e
from collector.rundir.journal.lines import NO_HASH, LineError, check, decode, encode
from collector.rundir.journal.written import Written
from tests.support.big_run import BigRun, events

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = BigRun(servers=40, projects=3, failed=9, pending=4, hostile=True)


def bodies(run: BigRun) -> Iterator[bytes]:
    for event in events(run):
        yield check(encode(event, NO_HASH)[0], NO_HASH)[0]


def types_of(event: e.Event) -> list[type]:
    return [type(getattr(event, field.name)) for field in dataclasses.fields(event)]


def test_events_are_the_same_as_the_slow_way_reads_them() -> None:
    quick = Written()
    found = 0
    for body in bodies(RUN):
        event = quick.event(body)
        if event is not None:
            found += 1
            assert event == decode(body)
            assert types_of(event) == types_of(decode(body))
    assert found > 150


def test_what_most_lines_say_is_read_the_quick_way() -> None:
    quick = Written()
    for body in bodies(dataclasses.replace(RUN, hostile=False)):
        assert quick.event(body) is not None, body


BODIES = sorted(set(bodies(RUN)), key=len)[:400]
BITS = [b'"', b"\\", b",", b":", b"{", b"}", b" ", b"0", b"-1", b".5", b"null", b"true", b"1e9",
        b'"at":"x",', b"\xff", b"\x00", b"\\u0041", b"NaN", b"/../", b".part"]  # fmt: skip


@given(st.data())
def test_a_line_that_was_altered_is_read_as_the_slow_way_reads_it_or_not_at_all(
    data: st.DataObject,
) -> None:
    body = data.draw(st.sampled_from(BODIES))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(body)))
        end = begin + data.draw(st.integers(0, 4))
        body = body[:begin] + data.draw(st.sampled_from(BITS)) + body[end:]
    event = Written().event(body)
    if event is not None:
        assert event == decode(body)
        assert types_of(event) == types_of(decode(body))


STARTED = b'{"event":"ExportStarted","at":"2026-11-23T08:41:03Z","server":3,"export_id":"x"}'
ENDED = (
    b'{"event":"ExportCompleted","at":"2026-11-23T08:41:03Z","server":3,"polls":1,"location":null}'
)


@pytest.mark.parametrize(
    "body",
    [
        STARTED.replace(b'"server":3', b'"server":3,"server":3'),
        STARTED.replace(b'"server":3', b'"server":3,"server" :4'),
        STARTED.replace(b'"server":3,', b""),
        STARTED.replace(b"3,", b"3.0,"),
        STARTED.replace(b"3,", b"true,"),
        STARTED.replace(b"3,", b"-3,"),
        STARTED.replace(b"3,", b"1000000001,"),
        STARTED.replace(b"3,", b"9" * 400 + b","),
        STARTED.replace(b"3,", b'"3",'),
        STARTED.replace(b"3,", b"null,"),
        STARTED.replace(b"2026", b"2300"),
        STARTED.replace(b"-23T", b"-32T"),
        STARTED.replace(b'"x"', b'""'),
        STARTED.replace(b'"x"', b'"x","more":1'),
        STARTED.replace(b'"x"', b'"' + b"x" * 513 + b'"'),
        STARTED.replace(b"ExportStarted", b"ExportStarte"),
        STARTED + b"}",
        STARTED[:-1],
        b"[" + STARTED + b"]",
        b'{"event":"RunEnded","at":"2026-11-23T08:41:03Z","reason":"\xff"}',
        b'{"event":"RunEnded","at":"2026-11-23T08:41:03Z","reason":"\x01"}',
        b"[" * 100_000,
        b"",
        b"null",
    ],
)
def test_what_is_no_line_of_ours_is_not_read_the_quick_way(body: bytes) -> None:
    assert Written().event(STARTED) is not None
    assert Written().event(ENDED) is not None
    assert Written().event(body) is None
    with pytest.raises(LineError):
        decode(body)


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a//b", "a/b.part", "a/con", "manifest.json", "a/Journal.jsonl", "a/.x", "a/x.",
     "a/journal.damaged-1.jsonl", "a/" + "x" * 256],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_run_is_not_read_the_quick_way(path: str) -> None:
    (stored,) = [
        one for one in events(BigRun(servers=1, projects=1)) if isinstance(one, e.ArchiveStored)
    ]
    line, _ = encode(dataclasses.replace(stored, path=path), NO_HASH)
    body = check(line, NO_HASH)[0]
    assert Written().event(body) is None
    with pytest.raises(LineError, match="invalid 'path'"):
        decode(body)


def test_what_servers_have_in_common_is_kept_once() -> None:
    quick = Written()
    selected = [
        found
        for body in bodies(BigRun(servers=600, projects=2))
        if isinstance(found := quick.event(body), e.ServerSelected)
    ]
    assert len({id(one.tags) for one in selected}) == 60
    assert len({id(one.at) for one in selected}) == 1
    assert json.dumps(selected[0].tags) == '{"role": "db", "rack": "r0"}'
