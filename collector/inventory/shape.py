"""The shape of an inventory, version 1, as people write it.

It is defined once, by the types below. pydantic checks files against them, the published JSON
Schema is generated from them, and the hints in error messages are their descriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    with_config,
)

# pydantic reads the one of typing only from Python 3.12 on
from typing_extensions import TypedDict

from collector.inventory.bounds import ID_MAX, ITEMS_MAX, TEXT_MAX
from collector.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.rules import CredentialKind, InventoryRules

STRICT = ConfigDict(extra="forbid", strict=True)
# An id goes into URLs: no control characters, no slash, and neither "." nor "..".
ID = r"^(?:[^/\x00-\x1f\x7f-\x9f]*[^/.\x00-\x1f\x7f-\x9f][^/\x00-\x1f\x7f-\x9f]*|\.{3,})$"


# The limits of a journal's values; a service that allows more needs no ceiling.
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
        description="a number of calls per second, from 0.000001 to 1000000000",
    ),
]
Count = Annotated[
    int, Field(ge=1, le=MOST_AT_ONCE, description="a whole number, 1 or more, at most 1000000000")
]
Share = Annotated[
    float, Field(gt=0, le=1, description="a share of each learned limit, above 0 and at most 1")
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
    Field(description="bytes per second, such as 50MB or 1048576"),
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
    """Ceilings for one project; absent means none."""

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
    region: NotRequired[Annotated[str, _text("one of the provider's regions")]]
    endpoint: NotRequired[Annotated[str, _text("an endpoint such as https://HOST")]]
    credentials: NotRequired[Annotated[str, _text("the name of an entry under credentials")]]
    limits: NotRequired[Annotated[LimitsShape, Field(description="limits for this project")]]
    servers: Annotated[
        list[ServerShape], Field(description="a list of servers, each with at least an id")
    ]


@with_config(STRICT)
class DefaultsShape(TypedDict):
    """Defaults for each project."""

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


def schema(rules: Mapping[str, InventoryRules] | None = None) -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of an inventory.

    Args:
        rules: By the provider's name, whose kinds of credentials to describe; without any, an entry
            may be anything that has a `kind`.
    """
    found = TypeAdapter(InventoryShape).json_schema()
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
