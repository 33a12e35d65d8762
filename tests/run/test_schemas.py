from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from collector.model.events import EVENTS
from collector.rundir.journal.lines import NO_HASH, encode
from collector.rundir.schemas import journal_schema, manifest_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.model import events as e


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
