"""What the types of a report are made of, and how they become JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Time = Annotated[str, Meta(description="UTC, ISO 8601", pattern=r"^\d{4}-.*Z$")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Part(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A JSON object with these members and no others: those without a default are always there.

    Parts refer to no cycles, so the garbage collector need not look at them.
    """

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes: the members in their order, nested ones included."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members


def json_text(value: object) -> str:
    """Write a part, or one of its members, as `json.dumps(..., ensure_ascii=False)` does."""
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    except UnicodeEncodeError:  # a surrogate of an argument's odd byte
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, allow_nan=False)
