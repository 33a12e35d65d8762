"""JSON Schemas (draft 2020-12) of what a run leaves for other programs to read."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

from collector.model.events import EVENTS, SCHEMA_VERSION
from collector.rundir.journal.values import kind_of
from collector.rundir.manifest import MANIFEST_VERSION

if TYPE_CHECKING:
    from collector.rundir.journal.values import Schema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "string", "description": "UTC, ISO 8601", "pattern": r"^\d{4}-.*Z$"}
_TIME_OR_NULL: Schema = {**_TIME, "type": ["string", "null"]}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_TAGS: Schema = {"type": "object", "additionalProperties": _TEXT}
_NULL: Schema = {"type": "null"}


def journal_schema() -> Schema:
    """Describe a line of the journal: what the classes of events say, and the hash."""
    return {
        "$schema": _DRAFT,
        "title": f"A line of a collector's journal, schema version {SCHEMA_VERSION}",
        "oneOf": [_line(name) for name in EVENTS],
    }


def _line(name: str) -> Schema:
    kind = EVENTS[name]
    fields = {field.name: kind_of(str(field.type)).schema for field in dataclasses.fields(kind)}
    return _object(
        {"event": {"const": name}, **fields, "hash": _SHA256},
        description=(inspect.getdoc(kind) or "").replace("\n", " "),
    )


def manifest_schema() -> Schema:
    """Describe the manifest."""
    return {
        "$schema": _DRAFT,
        "title": f"A collector's manifest, schema version {MANIFEST_VERSION}",
        **_object(
            {
                "schema_version": {"const": MANIFEST_VERSION},
                "collector": _object({"version": _TEXT}),
                "run": _run(),
                "totals": _object(
                    {
                        **_totals(),
                        "requests": _COUNT,
                        "throttled": _COUNT,
                        "counters": {"enum": ["exact", "at_least"]},
                    }
                ),
                "projects": {"type": "array", "items": _project()},
            }
        ),
        "$defs": {
            "export": _export(),
            "archive": _archive(),
            "error": _error(),
            "waiting": _waiting(),
            "estimate": _estimate(),
        },
    }


def _object(
    properties: Schema, *, description: str | None = None, may_lack: tuple[str, ...] = ()
) -> Schema:
    """Describe an object that has all of these members, but for some, and no other."""
    return {
        **({"description": description} if description else {}),
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in may_lack],
        "additionalProperties": False,
    }


def _run() -> Schema:
    states = ["running", "complete", "partial", "failed", "interrupted", "deadline"]
    return _object(
        {
            "id": _TEXT,
            "state": {"enum": states},
            "started_at": _TIME,
            "finished_at": {**_TIME_OR_NULL, "description": "null while running"},
            "inventory": _object({"path": _TEXT, "sha256": _SHA256}),
            "select": _TEXTS,
            "resumed": _COUNT,
            "host": _TEXT,
            "user": _TEXT,
            "argv": _TEXTS,
            "clock_offset_s": {
                "type": ["number", "null"],
                "description": "this machine's clock less the service's; null before any answer",
            },
            "estimate": {"oneOf": [{"$ref": "#/$defs/estimate"}, _NULL]},
            "journal": _object({"lines": _COUNT, "head": _SHA256}),
        },
        may_lack=("estimate",),  # the first version wrote none
    )


def _estimate() -> Schema:
    return _object(
        {
            "at": _TIME,
            "servers": _COUNT,
            "seconds": {"type": "number", "minimum": 0},
            "requests": _COUNT,
            "bytes": _COUNT,
            "took_s": {"type": ["number", "null"], "description": "null while running"},
            "requests_made": {"type": "integer"},
            "bytes_collected": {"type": "integer", "description": "less than 0: some were lost"},
        },
        description="what was expected when the latest process began, and what came of it",
    )


def _totals() -> Schema:
    return dict.fromkeys(("servers", "collected", "failed", "pending", "bytes"), _COUNT)


def _project() -> Schema:
    return _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "endpoint": _TEXT,
            "directory": _TEXT,
            "totals": _object(_totals()),
            "servers": {
                "type": "array",
                "items": {
                    "oneOf": [
                        _server("collected", export="export", archive="archive"),
                        _server("failed", error="error"),
                        _server("pending", waiting="waiting"),
                    ]
                },
            },
        }
    )


def _server(state: str, **parts: str) -> Schema:
    """Describe a server's row in one of its states: the parts that it then has are not null."""
    row: Schema = {"id": _TEXT, "name": _TEXT, "tags": _TAGS, "state": {"const": state}}
    for part in ("export", "archive", "error", "waiting"):
        row[part] = {"$ref": f"#/$defs/{part}"} if part in parts else _NULL
    if "export" not in parts:
        row["export"] = {"oneOf": [{"$ref": "#/$defs/export"}, _NULL]}
    return _object(row)


def _export() -> Schema:
    return _object(
        {
            "id": _TEXT,
            "requested_at": _TIME,
            "completed_at": _TIME_OR_NULL,
            "polls": _COUNT,
            "attempts": _COUNT,
            "source": {"enum": ["started", "reused"]},
            "run": {**_TEXT_OR_NULL, "description": "the run that started it, where reused"},
            "age_s": {
                "type": ["number", "null"],
                "minimum": 0,
                "description": "how old it was when it was taken over, where reused",
            },
        },
        description="the server's latest export; null if none was started",
        may_lack=("run", "age_s"),  # the first version wrote neither
    )


def _archive() -> Schema:
    return _object(
        {
            "path": {**_TEXT, "description": "relative to the run's directory"},
            "file_name": _TEXT,
            "bytes": _COUNT,
            "sha256": _SHA256,
            "members": _COUNT,
            "covers": _object({"from": _TIME_OR_NULL, "to": _TIME_OR_NULL}),
            "finished_at": _TIME,
            "resumed": _COUNT,
        },
        description="null unless collected",
    )


def _error() -> Schema:
    return _object(
        {
            "stage": {"enum": ["export", "status", "download", "verify", "store"]},
            "code": {**_TEXT_OR_NULL, "description": "null where the service gave none"},
            "http_status": {"type": ["integer", "null"]},
            "message": _TEXT,
            "request_id": _TEXT_OR_NULL,
            "attempts": _COUNT,
            "hint": _TEXT,
        },
        description="null unless failed",
    )


def _waiting() -> Schema:
    return _object(
        {
            "phase": {"enum": ["queued", "exporting", "downloading"]},
            "since": _TIME,
            "reason": {
                "enum": ["deadline", "stopped", "endpoint_down", "disk", None],
                "description": "null while only its turn is awaited",
            },
            "last_error": {
                "oneOf": [{"$ref": "#/$defs/error"}, _NULL],
                "description": "why an earlier try failed, or why the endpoint is down",
            },
        },
        description="null unless pending",
        may_lack=("last_error",),  # earlier versions wrote none
    )
