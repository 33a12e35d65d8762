"""The JSON Schema (draft 2020-12) of a line of the journal, from the classes of events."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

from collector.model.events import EVENTS, SCHEMA_VERSION
from collector.rundir.journal.values import kind_of

if TYPE_CHECKING:
    from collector.rundir.journal.values import Schema


def journal_schema() -> Schema:
    """Describe a line of the journal: what the classes of events say, and the hash."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of a collector's journal, schema version {SCHEMA_VERSION}",
        "oneOf": [_line(name) for name in EVENTS],
    }


def _line(name: str) -> Schema:
    kind = EVENTS[name]
    fields = {field.name: kind_of(str(field.type)).schema for field in dataclasses.fields(kind)}
    properties = {"event": {"const": name}, **fields, "hash": kind_of("Digest").schema}
    return {
        "description": (inspect.getdoc(kind) or "").replace("\n", " "),
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in kind.left_out],
        "additionalProperties": False,
    }
