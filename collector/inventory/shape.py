"""The shape of an inventory, version 1, as people write it.

It is defined once, by the types below. msgspec checks files against them, the published JSON Schema
is generated from them, and the hints in error messages are their descriptions.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from collector.durations import PATTERN, parse_duration
from collector.inventory.bounds import ID_MAX, ITEMS_MAX, TEXT_MAX
from collector.inventory.mistakes import MISTAKES_MAX
from collector.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.inventory.findings import Finding
    from collector.providers.rules import CredentialKind, InventoryRules

# An id goes into URLs: no control characters, no slash, and neither "." nor "..". Python's "$" fits
# before a last line's end too.
ID = r"^(?:[^/\x00-\x1f\x7f-\x9f]*[^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|\.{3,})$(?!\n)"
SIZE = r"^\d+(\.\d+)?\s*([kKmMgGtT]?[iI]?[bB])?$"

# The limits of a journal's values; a service that allows more needs no ceiling.
MOST_AT_ONCE = 10**9
MOST_BYTES = (1 << 63) - 1
FEWEST_A_SECOND, MOST_A_SECOND = 1e-6, 1e9

Version = Annotated[int, Meta(ge=1, le=1, description="version: 1", examples=[1])]
Name = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, description="a name")]
Provider = Annotated[
    str, Meta(min_length=1, max_length=TEXT_MAX, description="the name of a provider")
]
Region = Annotated[
    str, Meta(min_length=1, max_length=TEXT_MAX, description="one of the provider's regions")
]
Endpoint = Annotated[
    str, Meta(min_length=1, max_length=TEXT_MAX, description="an endpoint such as https://HOST")
]
Credentials = Annotated[
    str,
    Meta(min_length=1, max_length=TEXT_MAX, description="the name of an entry under credentials"),
]
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ID_MAX,
        pattern=ID,
        description="the vendor's id, as text without slashes or control characters",
    ),
]
Rate = Annotated[
    float,
    Meta(
        ge=FEWEST_A_SECOND,
        le=MOST_A_SECOND,
        description="a number of calls per second, from 0.000001 to 1000000000",
    ),
]
Count = Annotated[
    int, Meta(ge=1, le=MOST_AT_ONCE, description="a whole number, 1 or more, at most 1000000000")
]
Share = Annotated[
    float, Meta(gt=0, le=1, description="a share of each learned limit, above 0 and at most 1")
]
Size = Annotated[
    Annotated[int, Meta(ge=1)] | Annotated[str, Meta(pattern=SIZE)],
    Meta(description="bytes per second, such as 50MB or 1048576"),
]
Word = Annotated[str, Meta(max_length=TEXT_MAX)]
Tags = Annotated[
    dict[Word, Word], Meta(max_length=ITEMS_MAX, description="tags as key: value, both text")
]


Fact = Annotated[
    str, Meta(min_length=1, max_length=TEXT_MAX, description="text, as the API lists it")
]
Wanted = Annotated[
    Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    | Annotated[list[Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]], Meta(min_length=1)],
    Meta(description="text with shell wildcards, or a list of such"),
]
Duration = Annotated[
    Annotated[int, Meta(ge=1)] | Annotated[str, Meta(pattern=PATTERN)],
    Meta(description="a duration such as 24h or 90m"),
]


SERVERS = "a list of servers, each with at least an id"


class ServerShape(Struct, forbid_unknown_fields=True):
    """One physical server; the last four as the API listed them."""

    id: Id
    name: Name | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    health: Fact | UnsetType = UNSET
    rack: Fact | UnsetType = UNSET
    model: Fact | UnsetType = UNSET
    alarm: Fact | UnsetType = UNSET


class DiscoverShape(Struct, forbid_unknown_fields=True):
    """Which servers of the API's list belong to a project: those that match all of these."""

    manage_state: Wanted | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    health: Wanted | UnsetType = UNSET
    rack: Wanted | UnsetType = UNSET
    name: Wanted | UnsetType = UNSET
    with_alarms: Duration | UnsetType = UNSET


class LimitsShape(Struct, forbid_unknown_fields=True):
    """Ceilings for one project; absent means none."""

    requests_per_second: Rate | UnsetType = UNSET
    exports_in_flight: Count | UnsetType = UNSET
    share: Share | UnsetType = UNSET


class RunLimitsShape(LimitsShape, forbid_unknown_fields=True):
    """Ceilings for each project, and those of the whole run."""

    downloads: Count | UnsetType = UNSET
    bytes_per_second: Size | UnsetType = UNSET


class ProjectShape(Struct, forbid_unknown_fields=True, kw_only=True):
    """One project at one endpoint."""

    id: Id
    name: Name | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    region: Region | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET
    credentials: Credentials | UnsetType = UNSET
    limits: Annotated[LimitsShape, Meta(description="limits for this project")] | UnsetType = UNSET
    servers: Annotated[list[ServerShape], Meta(description=SERVERS)] | UnsetType = UNSET
    discover: (
        Annotated[
            DiscoverShape,
            Meta(description="which servers the API is asked for: {} for all of the project"),
        ]
        | UnsetType
    ) = UNSET


class DefaultsShape(Struct, forbid_unknown_fields=True):
    """Defaults for each project."""

    provider: Provider | UnsetType = UNSET
    credentials: Credentials | UnsetType = UNSET
    limits: Annotated[RunLimitsShape, Meta(description="limits for each project")] | UnsetType = (
        UNSET
    )


class InventoryShape(Struct, forbid_unknown_fields=True, kw_only=True):
    """An inventory, version 1."""

    version: Version
    credentials: (
        Annotated[
            dict[str, dict[str, Any]],
            Meta(description="entries such as ops: {kind: token, token_env: OPS_TOKEN}"),
        ]
        | UnsetType
    ) = UNSET
    defaults: (
        Annotated[DefaultsShape, Meta(description="credentials and limits for each project")]
        | UnsetType
    ) = UNSET
    projects: Annotated[
        list[ProjectShape],
        Meta(min_length=1, description="a list of projects, each with id, region and servers"),
    ]


def check(data: object) -> list[Finding]:
    """Return what is wrong with the shape of a file's content: `MISTAKES_MAX` findings at most."""
    if fits(data):
        return []
    from collector.inventory.shape_checks import misfits  # noqa: PLC0415  # where something is wrong

    return list(dict.fromkeys(islice(misfits(data), MISTAKES_MAX)))


def fits(data: object) -> bool:
    """Tell at a glance whether a file's content has the shape, as most have."""
    try:
        read = msgspec.convert(data, InventoryShape)
        msgspec.json.encode(read)  # fails for halves of characters
        limits = read.defaults.limits if read.defaults else UNSET
        if limits and limits.bytes_per_second is not UNSET:
            bytes_of(limits.bytes_per_second)
        for project in read.projects:
            if project.discover and project.discover.with_alarms is not UNSET:
                seconds_of(project.discover.with_alarms)
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def bytes_of(value: object) -> int:
    """Return how many bytes a size in a file means.

    Raises:
        ValueError: it is not a size, or out of range.
    """
    if isinstance(value, str):
        value = parse_size(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_BYTES:
        return value
    raise ValueError("not a size")


def seconds_of(value: object) -> float:
    """Return how many seconds a duration in a file means.

    Raises:
        ValueError: it is not a duration, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("not a duration")  # noqa: TRY004  # of the file, not of the program
    seconds = parse_duration(str(value))
    if seconds <= 0:
        raise ValueError("no time at all")
    return seconds


def schema(rules: Mapping[str, InventoryRules] | None = None) -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of an inventory.

    Args:
        rules: By the provider's name, whose kinds of credentials to describe; without any, an entry
            may be anything that has a `kind`.
    """
    made = msgspec.json.schema(InventoryShape)
    shapes = cast("dict[str, Any]", made["$defs"])
    found = shapes.pop(InventoryShape.__name__)
    shapes[ProjectShape.__name__]["anyOf"] = [
        {"required": [one]} for one in ("servers", "discover")
    ]
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
        for holder in (ProjectShape, DefaultsShape):
            shapes[holder.__name__]["properties"]["provider"]["enum"] = sorted(rules)
    found["properties"]["credentials"]["additionalProperties"] = entry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": shapes,
        **found,
        "title": "Inventory, version 1",
    }


def _entry_schema(name: str, kind: CredentialKind) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    words = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    duration = {
        "anyOf": [
            {"type": "string", "pattern": PATTERN},
            {"type": "number", "exclusiveMinimum": 0},
        ]
    }
    groups = [{"oneOf": [{"required": [one]} for one in group]} for group in kind.one_of]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *kind.required],
        "properties": {
            "kind": {"const": name},
            "account": text,
            **dict.fromkeys(kind.fields, text),
            **dict.fromkeys(kind.lists, words),
            **dict.fromkeys(kind.seconds, duration),
        },
        **({"allOf": groups} if groups else {}),
    }
