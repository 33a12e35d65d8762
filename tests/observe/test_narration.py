"""Every event as a log line, whatever its fields are called and hold."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, get_type_hints

import pytest

from collector.model import events as e
from collector.model import fields as names
from collector.model.state import RunState, apply
from collector.observe import logs
from collector.observe.narration import _LINES, Narrator
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
    assert _LINES[e.EVENTS[name]][1].partition("{")[0] in line


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


@pytest.mark.parametrize("kind", [e.CredentialStopped, e.PermissionMissing])
def test_what_fails_many_servers_is_said_once(
    kind: type[e.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", Stream(written))
    logs.set_up(verbosity=0, as_json=True)
    narrator = Narrator(state())
    for event in (of_servers(kind, 3), *[filled(e.ServerFailed, "m")] * 3):
        narrator.log(event)
    logs.set_up(verbosity=0, as_json=False)
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["servers"] == 3


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
