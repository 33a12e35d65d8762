"""Every event as a log line, whatever its fields are called and hold."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, ClassVar, get_type_hints

import pytest

from collector.model import events as e
from collector.model import fields as names
from collector.model.state import RunState, apply
from collector.observe import logs
from collector.observe.event_text import short
from collector.observe.narration import _LINES, Narrator
from collector.observe.repeats import TOLD
from collector.observe.streams import Stream

AT = "2026-11-23T08:41:03Z"
HOSTILE = "a\n{0}%s{at}\x1b[31m"


def filled(kind: type[e.Event], text: str = HOSTILE) -> e.Event:
    """An event with something in every field."""
    values: dict[Any, Any] = {
        str: text, int: 0, float: 0.5, bool: True, str | None: text, int | None: 7,
        float | None: 0.5, tuple[str, ...]: (text, text), Mapping[str, str]: {text: text},
    }  # fmt: skip
    hints = get_type_hints(kind, {**vars(e), **vars(names), "ClassVar": ClassVar})
    fields = {field.name: values[hints[field.name]] for field in dataclasses.fields(kind)}
    return kind(**fields | {"at": AT})


def narrated(event: e.Event, form: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is logged of an event, where all is logged that there is."""
    written = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", Stream(written))
        logs.set_up(verbosity=2, as_json=form == "json")
        Narrator(state()).log(event)
        logs.set_up(verbosity=0, as_json=False)
    return written.getvalue()


def state() -> RunState:
    """A run with a project and a server."""
    begun = RunState()
    for event in (
        filled(e.RunStarted, "r"), filled(e.ProjectSelected, "p"), filled(e.ServerSelected, "s"),
    ):  # fmt: skip
        apply(begun, event)
    return begun


@pytest.mark.parametrize("name", e.EVENTS)
def test_every_event_is_told_in_one_line_of_plain_words(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = narrated(filled(e.EVENTS[name]), "console", monkeypatch).splitlines()
    assert line.isprintable()
    assert name not in line
    assert re.match(r"\d\d:\d\d:\d\d  \S", line)
    assert AT not in line
    assert not re.search(r"\w=", line)
    assert len(line) < 600


@pytest.mark.parametrize("name", e.EVENTS)
def test_every_event_is_told_in_one_object_whose_own_members_stay_its_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = narrated(filled(e.EVENTS[name]), "json", monkeypatch).splitlines()
    assert line.isprintable()
    told = json.loads(line)
    assert {"event", "level", "timestamp"} <= told.keys()
    assert told["run"] == "r"
    assert told.get("server", "s") == "s"
    assert told.get("project", "p") == "p"


def test_every_kind_of_event_has_words_of_its_own() -> None:
    assert set(_LINES) == set(e.EVENTS.values())
    words = [words for _, words in _LINES.values()]
    assert len(set(words)) == len(words)


def of_servers(kind: type[e.Event], servers: int) -> e.Event:
    fields = {
        field.name: getattr(filled(kind, "m"), field.name) for field in dataclasses.fields(kind)
    }
    return kind(**fields | {"servers": servers})


def told_of(events: list[e.Event], form: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of events, and of how many more there were in the end."""
    written = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", Stream(written))
        logs.set_up(verbosity=0, as_json=form == "json")
        narrator = Narrator(state())
        for event in events:
            narrator.log(event)
        narrator.remind()
        narrator.remind()
        logs.set_up(verbosity=0, as_json=False)
    return written.getvalue().splitlines()


def failing(number: int, message: str = "no export of server {}") -> e.ServerFailed:
    event = filled(e.ServerFailed, message.format(number))
    assert isinstance(event, e.ServerFailed)
    return dataclasses.replace(event, stage="export", code=None, hint="ask somebody")


@pytest.mark.parametrize("kind", [e.CredentialStopped, e.PermissionMissing])
def test_what_fails_many_servers_is_said_once_to_people(
    kind: type[e.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [of_servers(kind, 3), *[filled(e.ServerFailed, "m")] * 3]
    (line,) = told_of(events, "console", monkeypatch)
    assert "3 servers fail" in line
    first, *others = map(json.loads, told_of(events, "json", monkeypatch))
    assert first["servers"] == 3
    assert [line["event"] for line in others] == ["server failed"] * 3


def test_of_many_failures_for_one_reason_people_are_told_a_few_and_how_many_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[e.Event] = [failing(number) for number in range(150)]
    *first, last = told_of(events, "console", monkeypatch)
    assert [line[10:] for line in first] == [
        f"p/s failed at export: no export of server {number}" for number in range(TOLD)
    ]
    assert last[10:] == "and 147 more failed at export, e.g. no export of server 0"
    assert len(told_of(events, "json", monkeypatch)) == 150


def test_failures_for_different_reasons_are_each_told(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[e.Event] = [failing(1, word) for word in ("cold", "wet", "dark", "far", "late")]
    assert len(told_of(events, "console", monkeypatch)) == 5


def test_a_failure_names_its_project_and_server_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = told_of([failing(6, "Insufficient permissions")], "console", monkeypatch)
    assert line[10:] == "p/s failed at export: Insufficient permissions"


@pytest.mark.parametrize("kind", [e.CredentialStopped, e.PermissionMissing])
def test_what_fails_no_server_more_is_not_said_by_itself(
    kind: type[e.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", Stream(written))
    logs.set_up(verbosity=0, as_json=True)
    Narrator(state()).log(of_servers(kind, 0))
    logs.set_up(verbosity=0, as_json=False)
    assert written.getvalue() == ""


def test_the_run_that_an_export_was_taken_from_is_told_beside_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = json.loads(narrated(filled(e.ExportReused, "other"), "json", monkeypatch))
    assert (told["run"], told["of_run"]) == ("r", "other")


def test_what_is_to_be_said_once_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", Stream(written))
    logs.set_up(verbosity=0, as_json=True)
    log = logging.getLogger("collector.somewhere")
    for said in ("chmod 600 a", "chmod 600 a", "chmod 600 b"):
        log.warning(said, extra={"once": True})
        log.warning("again")
    logs.set_up(verbosity=0, as_json=False)
    lines = [json.loads(line)["event"] for line in written.getvalue().splitlines()]
    assert lines == ["chmod 600 a", "again", "again", "chmod 600 b", "again"]


def test_what_is_too_long_for_a_line_is_cut_to_its_length() -> None:
    assert short("x" * 240, 240) == "x" * 240
    assert short("x" * 241, 240) == "x" * 237 + "..."
