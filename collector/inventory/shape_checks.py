"""Checking a file against the shape, with error messages that say what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from collector.inventory.bounds import TEXT_MAX
from collector.inventory.findings import Finding, Path
from collector.inventory.mistakes import MISTAKES_MAX, quoted, suggestion
from collector.inventory.shape import InventoryShape, RunLimitsShape

if TYPE_CHECKING:
    from collections.abc import Iterator

LATER = ("discover", "notify")
PART = 1_000
"""Projects and servers that are checked together."""
SECRET_WORDS = frozenset(
    {
        *("ak", "apikey", "credential", "key", "pass", "passphrase"),
        *("passwd", "password", "pwd", "secret", "sk", "token"),
    }
)


class _Place(NamedTuple):
    """The position of a part within its file.

    Attributes:
        project: The index of its first project.
        server: The index of this project's first server.
    """

    project: int
    server: int

    def of(self, path: Path) -> Path:
        """Translate a path in the part to one in the file."""
        match path:
            case ["projects", int(project), "servers", int(server), *rest] if not project:
                return ("projects", self.project, "servers", self.server + server, *rest)
            case ["projects", int(project), *rest]:
                return ("projects", self.project + project, *rest)
        return path


def _parts(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], _Place]]:
    """Split a big file, so that checking can stop once there are enough mistakes.

    A part is like a file with some of the projects, or with some servers of one project.
    """
    projects = data.get("projects")
    if not isinstance(projects, list):
        return
    begun = weight = 0
    for number, project in enumerate(projects):
        servers = project.get("servers") if isinstance(project, dict) else None
        here = 1 + (len(servers) if isinstance(servers, list) else 0)
        if weight and weight + here > PART:
            yield {**data, "projects": projects[begun:number]}, _Place(begun, 0)
            begun, weight = number, 0
        if here <= PART or not isinstance(servers, list):
            weight += here
            continue
        for first in range(0, len(servers), PART):
            some = {**project, "servers": servers[first : first + PART]}
            yield {**data, "projects": [some]}, _Place(number, first)
        begun = number + 1
    if weight:
        yield {**data, "projects": projects[begun:]}, _Place(begun, 0)


class ShapeChecker:
    """Checks one file against `InventoryShape`."""

    def __init__(self) -> None:
        self._adapter = TypeAdapter(InventoryShape)

    def check(self, data: object) -> tuple[InventoryShape | None, list[Finding]]:
        """Return the file's content if it has the shape, else what is wrong with it."""
        if not isinstance(data, dict):
            instead = "start with version: 1, then credentials and projects"
            return None, [Finding((), f"the inventory {_not('a mapping', data)}", instead)]
        findings: dict[Finding, None] = {}
        parts = list(_parts(data))
        for part, place in parts if len(parts) > 1 else ():
            findings |= dict.fromkeys(self._wrong(part, place, data))
            if len(findings) > MISTAKES_MAX:
                break
        if findings:
            return None, list(findings)
        try:
            return self._adapter.validate_python(data), []
        except ValidationError:
            return None, list(self._wrong(data, None, data))

    def _wrong(
        self, part: dict[str, Any], place: _Place | None, data: dict[str, Any]
    ) -> Iterator[Finding]:
        """Yield what is wrong with a file's content, or with a part of it."""
        try:
            self._adapter.validate_python(part)
        except ValidationError as error:
            schema = self.schema()
            for one in error.errors(include_url=False, include_input=False):
                location = one["loc"] if place is None else place.of(one["loc"])
                yield _finding(one["type"], location, data, schema)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return self._adapter.json_schema()


def unknown_key(path: Path, known: list[str]) -> Finding:
    """Return the finding for a key that version 1 does not have at this place."""
    key = str(path[-1])
    if key in LATER:
        what, instead = f"{key} is not available in this version", "leave it out"
    elif key.lower().replace("-", "_").split("_")[-1] in SECRET_WORDS:
        what = f"{quoted(key)} looks like a secret; secrets do not belong in an inventory"
        instead = "put it in an environment variable or a file, and name that"
    elif path == ("limits",):
        what, instead = "limits cannot be at the top level", "write it under defaults or a project"
    elif path[-2:] == ("limits", key) and key in RunLimitsShape.__annotations__:
        what, instead = f"{key} is not a limit for one project", "write it under defaults: limits"
    else:
        what, instead = f"unknown key {quoted(key)}", suggestion(key, known)
    return Finding(path, what, instead, at_key=True)


def _finding(kind: str, location: Path, data: object, schema: dict[str, Any]) -> Finding:
    """Translate one of pydantic's errors, without any value from the file."""
    if location and location[-1] == "[key]":
        if kind == "string_too_long":
            instead = f"write at most {TEXT_MAX:,} characters"
            return Finding(location[:-1], "the key is too long", instead, at_key=True)
        return Finding(location[:-1], "the key is not text", "write it as text", at_key=True)
    key = quoted(str(location[-1])) if location else "the inventory"
    if kind == "extra_forbidden":
        known = list(_described(location[:-1], schema)["properties"])
        return unknown_key(location, known)
    instead = _described(location, schema).get("description", "what the schema says")
    if kind == "missing":
        return Finding(location[:-1], f"{key} is missing", f"add {instead}")
    instead = f"write {instead}"
    try:
        value = _value(location, data)
    except KeyError:  # pydantic shows only the valid part of such a key
        instead = "write whole characters"
        return Finding(location[:-1], "a key contains half a character", instead)
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        instead += ": put it in quotes"
    return Finding(location, f"{key} {_complaint(kind, value)}", instead)


_WANTED = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "int_type": "a whole number",
    "float_type": "a number",
}
"""The expected type, by pydantic's error."""


def _complaint(kind: str, value: object) -> str:
    if kind.endswith("_type"):
        return _not(_WANTED[kind], value) if kind in _WANTED else f"is {_kind(value)}"
    if value in ("", []):
        return "is empty"
    words = {
        "string_pattern_mismatch": "contains characters not allowed in a URL",
        "string_unicode": "contains half a character",
        "value_error": "is not a valid size",
        "string_too_long": "is too long",
        "too_long": "has too many entries",
    }
    return words.get(kind, "is out of range")


def _not(wanted: str, value: object) -> str:
    """Say that a value has the wrong type."""
    if value is None:
        return "is empty"
    kind = _kind(value)
    is_near = isinstance(value, float) and wanted == _WANTED["int_type"]
    return f"must be {wanted}" if is_near else f"must be {wanted}, not {kind}"


def _described(path: Path, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a JSON Schema that describes the values at a path."""
    here = schema
    for step in path:
        here = _resolved(here, schema)
        if isinstance(step, int):
            here = here["items"]
        elif "properties" in here:
            here = here["properties"].get(step, {})
        else:
            # In a mapping with free keys, the mapping's description covers its entries.
            here = {**here, **here.get("additionalProperties", {})}
    return {**_resolved(here, schema), **here}


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    return cast("dict[str, Any]", schema["$defs"][part["$ref"].rpartition("/")[2]])


def _value(path: Path, data: Any) -> object:  # noqa: ANN401 - whatever a file held
    for step in path:
        data = data[step]
    return data


def _kind(value: object) -> str:
    """Return the type of a value in everyday words."""
    words = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
        type(None): "empty",
    }
    return words.get(type(value), "a date or a time")
