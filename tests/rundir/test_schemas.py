from __future__ import annotations

import copy
import functools
import json
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from collector.model import events as e
from collector.model.events import EVENTS
from collector.report.building import Report
from collector.report.manifest import Manifest
from collector.report.schema import manifest_schema
from collector.rundir import manifest
from collector.rundir.journal.lines import NO_HASH, encode
from collector.rundir.journal.schema import journal_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.model.state import RunState

VERSION_1 = Path(__file__).with_name("manifest_version_1.json")
"""What the first version promised: it stays as it is."""
ODD: tuple[Any, ...] = (
    None, True, -1, 1.5, "x", "failed", "disk", "2026-11-23T08:41:03Z", "a" * 64, ["x"], {"x": "y"},
)  # fmt: skip


def test_schemas_are_schemas() -> None:
    for schema in (journal_schema(), manifest_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
        json.dumps(schema)


def test_the_journal_schema_describes_every_event() -> None:
    described = [line["properties"]["event"]["const"] for line in journal_schema()["oneOf"]]
    assert described == [*EVENTS]


def test_the_lines_of_a_journal_are_valid_and_others_are_not(
    selection: list[e.Event],
    collected: Callable[[int], list[e.Event]],
    failed: Callable[..., e.ServerFailed],
) -> None:
    validator = jsonschema.Draft202012Validator(journal_schema())
    for event in [*selection, *collected(0), failed(1)]:
        line = json.loads(encode(event, NO_HASH)[0])
        validator.validate(line)
        del line["at"]
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(line)


@pytest.fixture
def written(
    selection: list[e.Event],
    collected: Callable[[int], list[e.Event]],
    failed: Callable[..., e.ServerFailed],
    folded: Callable[[list[e.Event]], RunState],
) -> dict[str, Any]:
    """A manifest that has every member there is."""
    at = "2026-11-23T08:41:03Z"
    history = [
        *selection,
        e.RunEstimated(at=at, servers=4, seconds=200.5, requests=12, bytes=16),
        e.ExportReused(at=at, server=0, export_id="x0", requested_at=at, run="another", age_s=3.5),
        *collected(0)[2:],
        failed(1),
        *collected(2)[:2],
        e.EndpointWentDown(at=at, endpoint="https://clouddc.cn-south-1.example.com", message="no"),
        e.RunEnded(at=at, reason="deadline"),
    ]
    report = Report(folded(history), lines=12, head="a" * 64)
    made: dict[str, Any] = json.loads(json.dumps(manifest.document(report)))
    first, second = made["projects"]
    first["servers"].append(second["servers"][0])
    made["projects"] = [first]
    return made


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401  # any JSON
    """Yield the way to each value within one."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for name, member in value.items() if isinstance(value, dict) else ():
        yield (*where, name)
        yield from places(member, (*where, name))


def mutated(document: Any, deeper_than: int) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # any JSON
    """Yield copies of a document, each with one odd value, one member more, or one fewer."""
    for *way, last in places(document):
        if len(way) < deeper_than:
            continue
        for change in (*ODD, "gone", "more"):
            changed = copy.deepcopy(document)
            around = functools.reduce(operator.getitem, way, changed)
            if change == "gone":
                del around[last]
            elif change != "more":
                around[last] = change
            elif isinstance(around, dict):
                around["another"] = 1
            yield f"{way} {last}: {change}", changed


@pytest.mark.parametrize(("server", "within"), [(0, 0), (1, 4), (2, 4)])
def test_the_manifest_schema_takes_and_refuses_what_the_first_version_did(
    written: dict[str, Any], server: int, within: int
) -> None:
    """Of one server at a time; the rest of the manifest is mutated once."""
    first = jsonschema.Draft202012Validator(json.loads(VERSION_1.read_bytes()))
    derived = jsonschema.Draft202012Validator(manifest_schema())
    project = written["projects"][0]
    project["servers"] = [project["servers"][server]]
    derived.validate(written)
    first.validate(written)
    taken = 0
    for what, document in mutated(written, within):
        taken += first.is_valid(document)
        assert derived.is_valid(document) == first.is_valid(document), what
    assert taken > 20


def test_the_types_take_what_is_written(written: dict[str, Any]) -> None:
    assert msgspec.convert(written, Manifest).as_json() == written
    for members in (written["run"], written["projects"][0]["servers"][0]["export"]):
        for name in ("estimate", "run", "age_s"):
            members.pop(name, None)
    assert msgspec.convert(written, Manifest).run.estimate is None
