from __future__ import annotations

import contextlib
import dataclasses
import json
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.model import actions, answers, events
from collector.model.messages import Message, MessageError, from_json, to_json
from collector.rundir.journal.lines import NO_HASH, check, encode

AT = "2026-11-29T08:41:03.000Z"
BEGUN = events.DownloadBegun(
    at=AT, server=3, file_name="a.tar.gz", length=None, validator='"v"', resumed=1
)
REQUESTED = events.ExportRequested(at=AT, server=3)
METADATA = answers.ResponseMetadata(
    (answers.LimitTold(answers.ScopeKind.USER, 20, 1.0, remaining=3),), clock_offset_s=-0.5
)
MESSAGES: list[Message] = [
    actions.StartExport(3, 81.5, asks_limits=True, running=2, intent=REQUESTED),
    actions.AskStatus(3, 81.5, asks_limits=False, export_id="x1", within_s=2.0, is_probe=True),
    actions.FetchArchive(3, 81.5, asks_limits=False, export_id="x1", begun=BEGUN),
    actions.GiveUp(3, REQUESTED),
    actions.DiscardPart(3, "payments/bms-001", "a.tar.gz"),
    answers.ExportSaid("x1", answers.ExportState.RUNNING, "Running", percent=20, metadata=METADATA),
    answers.Stored("a.tar.gz", 10, "ab" * 32, 2, 1.6e9, None),
    answers.Problem(
        answers.ProblemKind.THROTTLED, "slow down", http_status=429,
        throttled_by=answers.ScopeKind.USER, retry_after_s=2.0,
    ),
    answers.ArchiveOpened(METADATA),
    answers.PartBegun("a.tar.gz", 10, None, continues=True),
    answers.BytesArrived(512),
    answers.BytesConsumed(),
    answers.ArchiveReceived(),
    BEGUN,
    events.ServerSelected(
        at=AT, server=0, project=0, id="s", name="n", tags={"role": "db"}, directory="p/s",
        first=False,
    ),
]  # fmt: skip


def wired(record: object) -> Any:  # noqa: ANN401  # whatever JSON makes of it
    return json.loads(json.dumps(record, allow_nan=False))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_message_is_the_same_after_its_way_through_json(message: Message) -> None:
    assert from_json(wired(to_json(message))) == message


def test_every_action_and_answer_is_tried() -> None:
    kinds = {*typing.get_args(actions.Action), *typing.get_args(answers.Answer)}
    assert kinds <= {type(message) for message in MESSAGES}


@pytest.mark.parametrize("event", [BEGUN, REQUESTED], ids=lambda one: type(one).__name__)
def test_event_reads_as_in_the_journal(event: events.Event) -> None:
    line, _ = encode(event, NO_HASH)
    assert wired(to_json(event)) == json.loads(check(line, NO_HASH)[0])


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"action": "Explode", "server": 1},
        {"action": "StartExport"},
        {"answer": "BytesArrived", "size": "many"},
        {"answer": "BytesArrived", "size": True},
        {"answer": "BytesArrived", "size": 1, "more": 2},
        {"answer": "Problem", "kind": "no kind", "message": "x"},
        {"answer": "Problem", "kind": "cut", "message": "x", "metadata": {"limits": [{}]}},
        {"action": "GiveUp", "server": 1, "intent": {"answer": "BytesConsumed"}},
    ],
    ids=str,
)
def test_record_that_is_no_message_is_refused(record: object) -> None:
    with pytest.raises(MessageError):
        from_json(record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, database=None)
@given(st.sampled_from(MESSAGES), st.data())
def test_message_with_anything_in_a_member_is_read_or_refused(
    message: Message, data: st.DataObject
) -> None:
    record = to_json(message)
    assert dataclasses.is_dataclass(message)
    if names := [field.name for field in dataclasses.fields(message)]:
        record[data.draw(st.sampled_from(names))] = data.draw(json_values)
    with contextlib.suppress(MessageError):
        from_json(record)
