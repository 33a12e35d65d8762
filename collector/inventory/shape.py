"""The shape of version 1, as people write it, and what to say where a file has another one.

The shape is told once, in the types below. pydantic checks files against them, the published JSON
Schema is made from them, and the hints of mistakes are their descriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NotRequired, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    with_config,
)

# pydantic reads the one of typing only from Python 3.12 on
from typing_extensions import TypedDict

from collector.inventory.bounds import ID_MAX, ITEMS_MAX, TEXT_MAX
from collector.inventory.findings import Finding, Path
from collector.inventory.mistakes import MISTAKES_MAX, quoted, suggestion
from collector.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.providers.rules import CredentialKind, InventoryRules

STRICT = ConfigDict(extra="forbid", strict=True)
LATER = ("discover", "notify")
PART = 1_000
"""Projects and servers that are looked at together."""
SECRET_WORDS = frozenset(
    {
        *("ak", "apikey", "credential", "key", "pass", "passphrase"),
        *("passwd", "password", "pwd", "secret", "sk", "token"),
    }
)

# An id goes into URLs: no control characters, no slash, and neither "." nor "..".
ID = r"^(?:[^/\x00-\x1f\x7f-\x9f]*[^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|\.{3,})$"


# A journal takes no other numbers, and a service that allows these needs no ceiling.
MOST_AT_ONCE = 10**9
MOST_BYTES = (1 << 63) - 1
FEWEST_A_SECOND, MOST_A_SECOND = 1e-6, 1e9


def _bytes(value: object) -> int:
    if isinstance(value, str):
        value = parse_size(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_BYTES:
        return value
    raise ValueError("not a size")


def _text(words: str) -> Any:  # noqa: ANN401 - the metadata of a type
    return Field(min_length=1, max_length=TEXT_MAX, description=words)


Version = Annotated[int, Field(ge=1, le=1, description="version: 1", examples=[1])]
Name = Annotated[str, _text("a name")]
Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=ID_MAX,
        pattern=ID,
        description="the vendor's id, as text without slashes or control characters",
    ),
]
Rate = Annotated[
    float,
    Field(
        ge=FEWEST_A_SECOND,
        le=MOST_A_SECOND,
        allow_inf_nan=False,
        description="calls a second, above 0: from 0.000001 to 1000000000",
    ),
]
Count = Annotated[
    int, Field(ge=1, le=MOST_AT_ONCE, description="a whole number, 1 or more, at most 1000000000")
]
Share = Annotated[
    float, Field(gt=0, le=1, description="a part of any learned limit, above 0 and at most 1")
]
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*([kKmMgGtT]?[iI]?[bB])?$"},
            ]
        }
    ),
    Field(description="bytes a second, such as 50MB or 1048576"),
]
Word = Annotated[str, Field(max_length=TEXT_MAX)]
Tags = Annotated[
    dict[Word, Word], Field(max_length=ITEMS_MAX, description="tags as key: value, both text")
]


@with_config(STRICT)
class ServerShape(TypedDict):
    """One physical server."""

    id: Id
    name: NotRequired[Name]
    tags: NotRequired[Tags]


@with_config(STRICT)
class LimitsShape(TypedDict):
    """Ceilings for one project; absent means none of our own."""

    requests_per_second: NotRequired[Rate]
    exports_in_flight: NotRequired[Count]
    share: NotRequired[Share]


@with_config(STRICT)
class RunLimitsShape(LimitsShape):
    """Ceilings for each project, and those of the whole run."""

    downloads: NotRequired[Count]
    bytes_per_second: NotRequired[Size]


@with_config(STRICT)
class ProjectShape(TypedDict):
    """One project at one endpoint."""

    id: Id
    name: NotRequired[Name]
    provider: NotRequired[Annotated[str, _text("the name of a provider")]]
    region: NotRequired[Annotated[str, _text("a region that the provider has")]]
    endpoint: NotRequired[Annotated[str, _text("an endpoint such as https://HOST")]]
    credentials: NotRequired[Annotated[str, _text("the name of an entry under credentials")]]
    limits: NotRequired[Annotated[LimitsShape, Field(description="limits for this project")]]
    servers: Annotated[
        list[ServerShape], Field(description="a list of servers, each with an id at least")
    ]


@with_config(STRICT)
class DefaultsShape(TypedDict):
    """What holds for each project that says nothing else."""

    provider: NotRequired[Annotated[str, _text("the name of a provider")]]
    credentials: NotRequired[Annotated[str, _text("the name of an entry under credentials")]]
    limits: NotRequired[Annotated[RunLimitsShape, Field(description="limits for each project")]]


@with_config(STRICT)
class InventoryShape(TypedDict):
    """An inventory, version 1."""

    version: Version
    credentials: NotRequired[
        Annotated[
            dict[str, dict[str, Any]],
            Field(description="entries such as ops: {kind: token, token_env: OPS_TOKEN}"),
        ]
    ]
    defaults: NotRequired[
        Annotated[DefaultsShape, Field(description="credentials and limits for each project")]
    ]
    projects: Annotated[
        list[ProjectShape],
        Field(min_length=1, description="a list of projects, each with id, region and servers"),
    ]


class _Place(NamedTuple):
    """Where a part of a file stands in it.

    Attributes:
        project: The number of its first project.
        server: That of the first server of this project.
    """

    project: int
    server: int

    def of(self, path: Path) -> Path:
        """Where in the file a path of the part leads."""
        match path:
            case ["projects", int(project), "servers", int(server), *rest] if not project:
                return ("projects", self.project, "servers", self.server + server, *rest)
            case ["projects", int(project), *rest]:
                return ("projects", self.project + project, *rest)
        return path


def _parts(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], _Place]]:
    """Take a big file apart: of one in which all is wrong, not all is looked for.

    A part is a file of its own with some of the projects, or with some servers of one project.
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


class Shape:
    """The check of one file against `InventoryShape`."""

    def __init__(self) -> None:
        self._adapter = TypeAdapter(InventoryShape)

    def check(self, data: object) -> tuple[InventoryShape | None, list[Finding]]:
        """The file's content where it has the shape, else what is wrong with it."""
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
        """What is wrong with a file's content, or with a part of it."""
        try:
            self._adapter.validate_python(part)
        except ValidationError as error:
            schema = self.schema()
            for one in error.errors(include_url=False, include_input=False):
                location = one["loc"] if place is None else place.of(one["loc"])
                yield _finding(one["type"], location, data, schema)

    def schema(self) -> dict[str, Any]:
        """JSON Schema, draft 2020-12, of the shape."""
        return self._adapter.json_schema()


def unknown_key(path: Path, known: list[str]) -> Finding:
    """What to say about a key that no version-1 inventory has at this place."""
    key = str(path[-1])
    if key in LATER:
        what, instead = f"{key} is not available in this version", "leave it out"
    elif key.lower().replace("-", "_").split("_")[-1] in SECRET_WORDS:
        what = f"{quoted(key)} looks like a secret, which never stands in an inventory"
        instead = "put it into an environment variable or a file, and name that"
    elif path == ("limits",):
        what, instead = "limits cannot be at the top level", "write it under defaults or a project"
    elif path[-2:] == ("limits", key) and key in RunLimitsShape.__annotations__:
        what, instead = f"{key} is not a limit of one project", "write it under defaults: limits"
    else:
        what, instead = f"unknown key {quoted(key)}", suggestion(key, known)
    return Finding(path, what, instead, at_key=True)


def _finding(kind: str, location: Path, data: object, schema: dict[str, Any]) -> Finding:
    """One of pydantic's errors in our words, without any value of the file."""
    if location and location[-1] == "[key]":
        if kind == "string_too_long":
            instead = f"write at most {TEXT_MAX:,} characters"
            return Finding(location[:-1], "the key is too long", instead, at_key=True)
        return Finding(location[:-1], "the key is not text", "write it as text", at_key=True)
    key = quoted(str(location[-1])) if location else "the inventory"
    if kind == "extra_forbidden":
        known = list(_described(location[:-1], schema)["properties"])
        return unknown_key(location, known)
    instead = _described(location, schema).get("description", "what the inventory's schema says")
    if kind == "missing":
        return Finding(location[:-1], f"{key} is missing", f"add {instead}")
    instead = f"write {instead}"
    try:
        value = _value(location, data)
    except KeyError:  # pydantic names a key by what is left of it
        instead = "write whole characters"
        return Finding(location[:-1], "a key holds half a character", instead)
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
"""What should stand where pydantic found a value of another type."""


def _complaint(kind: str, value: object) -> str:
    if kind.endswith("_type"):
        return _not(_WANTED[kind], value) if kind in _WANTED else f"is {_kind(value)}"
    if value in ("", []):
        return "is empty"
    words = {
        "string_pattern_mismatch": "cannot stand in a URL",
        "string_unicode": "holds half a character",
        "value_error": "is not a valid size",
        "string_too_long": "is too long",
        "too_long": "holds too many entries",
    }
    return words.get(kind, "is out of range")


def _not(wanted: str, value: object) -> str:
    """Say that a value is of another type than the one that is wanted."""
    if value is None:
        return "is empty"
    kind = _kind(value)
    is_near = isinstance(value, float) and wanted == _WANTED["int_type"]
    return f"must be {wanted}" if is_near else f"must be {wanted}, not {kind}"


def _described(path: Path, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that describes the values at a path."""
    here = schema
    for step in path:
        here = _resolved(here, schema)
        if isinstance(step, int):
            here = here["items"]
        elif "properties" in here:
            here = here["properties"].get(step, {})
        else:
            # An entry of a mapping with free keys is described where the mapping is.
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
    """What a value is, in the words of people who write files."""
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


def schema(rules: Mapping[str, InventoryRules] | None = None) -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of an inventory.

    Args:
        rules: By the provider's name, whose kinds of credentials to describe; without any, an entry
            may be anything that has a `kind`.
    """
    found = Shape().schema()
    entry: dict[str, Any] = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}},
    }
    if rules:
        entries = [
            _entry_schema(name, kind)
            for one in rules.values()
            for name, kind in one.kinds.items()
            if kind.readable
        ]
        entry = {"anyOf": [one for i, one in enumerate(entries) if one not in entries[:i]]}
        for holder in ("ProjectShape", "DefaultsShape"):
            found["$defs"][holder]["properties"]["provider"]["enum"] = sorted(rules)
    found["properties"]["credentials"]["additionalProperties"] = entry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "Inventory, version 1",
    }


def _entry_schema(name: str, kind: CredentialKind) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    groups = [{"oneOf": [{"required": [one]} for one in group]} for group in kind.one_of]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *kind.required],
        "properties": {
            "kind": {"const": name},
            "account": text,
            **dict.fromkeys(kind.fields, text),
        },
        **({"allOf": groups} if groups else {}),
    }
