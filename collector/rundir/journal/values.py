"""What each field of an event may hold, since a journal may come from anybody.

Types are not enough: a path could lead out of the run, and a number or time out of range could
crash a command elsewhere. Every value that this program writes is within these ranges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from collector import addresses
from collector.archive.names import LIMIT_BYTES, are_safe_names, is_safe_name
from collector.model.answers import Call, ScopeKind
from collector.model.events import SCHEMA_VERSION
from collector.model.fields import PROVIDER_NAME
from collector.rundir.layout import DIRECTORY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Schema = dict[str, Any]

MOST = (1 << 63) - 1
"""No system has larger files, and no count comes near."""
MOST_NUMBERED = 10**9
"""Servers and projects."""
LONGEST_S = 1e15
FEWEST_A_SECOND, MOST_A_SECOND = 1e-6, 1e9
WIDEST_SPREAD = 100.0
EXPORT_ID_MAX = 512
ETAG_MAX = 16 << 10
LOCATION_MAX = 16 << 10
FIRST_YEAR, YEARS_END = "1970", "2200"
SOURCES = ("told", "estimated", "remembered", "refuted")

_fits_a_time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII).fullmatch
_is_surely_a_time = re.compile(
    r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    r"(?:\.\d{1,6})?Z",
    re.ASCII,
).fullmatch
"""Most times, whatever the month and the year."""
_as_time = datetime.fromisoformat
_ID = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_PROVIDER = re.compile(PROVIDER_NAME)
_HALF = re.compile(r"[\ud800-\udfff]")
_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field may hold.

    Attributes:
        types: what JSON makes of it; exactly these, since true is not a number.
        holds: true of a value of such a type that is in range; None if any is.
        schema: the same as a JSON Schema, as far as that can express it.
        bounds: the least and the most that a whole number may be; None of others.
    """

    types: tuple[type, ...]
    holds: Callable[[Any], object] | None
    schema: Schema
    bounds: tuple[int, int] | None = None


def kind_of(annotation: str) -> Kind:
    """Return what a field may hold, given its type as written in `collector.model.events`."""
    name = annotation.removesuffix(" | None")
    kind = _KINDS[name]
    if name == annotation:
        return kind
    schema = {**kind.schema, "type": [kind.schema["type"], "null"]}
    return replace(kind, types=(*kind.types, type(None)), schema=schema)


def is_time(text: str) -> bool:
    """Whether it is a UTC time that a machine's clock may show."""
    return FIRST_YEAR <= text < YEARS_END and _is_any_time(text)


def is_export_id(text: str) -> bool:
    """Whether a service may have given an export this id; it is used in URLs and records."""
    return (
        0 < len(text) <= EXPORT_ID_MAX
        and text.isprintable()
        and text == text.strip()
        and "\ufffd" not in text
    )


def is_etag(text: str) -> bool:
    """Whether it is a strong ETag."""
    return len(text) <= ETAG_MAX and _ETAG.fullmatch(text) is not None


def is_location(text: str) -> bool:
    """Whether a provider may have said that an archive lies there."""
    return 0 < len(text) <= LOCATION_MAX and text.isprintable()


def _is_any_time(text: str) -> bool:
    if _is_surely_a_time(text) is not None:
        return True
    if _fits_a_time(text) is None:
        return False
    try:
        _as_time(text)
    except ValueError:
        return False
    return True


def _is_endpoint(text: str) -> bool:
    try:
        return addresses.normal(text) == text
    except ValueError:
        return False


def _is_run_path(text: str) -> bool:
    return are_safe_names(text, DIRECTORY_BYTES)


def _are_texts(values: list[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_tags(values: dict[str, object]) -> bool:
    for key, value in values.items():
        if not isinstance(value, str):
            return False
        if not (key.isascii() and value.isascii()) and (_HALF.search(key) or _HALF.search(value)):
            return False
    return True


def _are_options(values: dict[str, object]) -> bool:
    return all(isinstance(value, str) and value and "\0" not in value for value in values.values())


def _text(holds: Callable[[str], object] | None = None, **schema: object) -> Kind:
    return Kind((str,), holds, {"type": "string", **schema})


def _whole(least: int, most: int) -> Kind:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Kind((int,), lambda value: least <= value <= most, schema, (least, most))


def _real(least: float, most: float) -> Kind:
    schema = {"type": "number", "minimum": least, "maximum": most}
    return Kind((int, float), lambda value: least <= value <= most, schema)  # false for a NaN


def _mapping(holds: Callable[[dict[str, object]], bool]) -> Kind:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    return Kind((dict,), holds, schema)


MINUTE = len("2026-11-23T08:41:")
"""Characters of a time before its seconds."""
fits_seconds = re.compile(r"[0-5]\d(?:\.\d{1,6})?Z", re.ASCII).fullmatch
"""Whether what follows is seconds, as in a time that `is_time`."""

_TIME_SCHEMA: Schema = {"description": "UTC, ISO 8601", "pattern": r"^\d{4}-.*Z$"}
_NAME_SCHEMA: Schema = {
    "description": "a safe name",
    "pattern": r"^[^/\u0000-\u001f.][^/\u0000-\u001f]*$",
}

_KINDS: Mapping[str, Kind] = {
    "str": _text(),
    "bool": Kind((bool,), None, {"type": "boolean"}),
    "tuple[str, ...]": Kind((list,), _are_texts, {"type": "array", "items": {"type": "string"}}),
    "Tags": _mapping(_are_tags),
    "Options": _mapping(_are_options),
    "Time": _text(is_time, **_TIME_SCHEMA),
    "AnyTime": _text(_is_any_time, **_TIME_SCHEMA),
    "Id": _text(
        _ID.fullmatch,
        description="no slash, no control character, neither . nor ..",
        minLength=1,
    ),
    "ExportId": _text(is_export_id, minLength=1, maxLength=EXPORT_ID_MAX),
    "Endpoint": _text(_is_endpoint, pattern="^https?://"),
    "ProviderName": _text(_PROVIDER.fullmatch, pattern=f"^{PROVIDER_NAME}$"),
    "ProviderNames": _text(
        lambda text: all(map(_PROVIDER.fullmatch, text.split(","))),
        description="between commas, where there are several",
        pattern=f"^{PROVIDER_NAME}(,{PROVIDER_NAME})*$",
    ),
    "Location": _text(is_location, minLength=1, maxLength=LOCATION_MAX),
    "ETag": _text(
        is_etag,
        maxLength=ETAG_MAX,
        pattern='^".*"$',
    ),
    "FileName": _text(lambda text: is_safe_name(text, LIMIT_BYTES), **_NAME_SCHEMA),
    "DirectoryName": _text(lambda text: is_safe_name(text, DIRECTORY_BYTES), **_NAME_SCHEMA),
    "RunPath": _text(
        _is_run_path,
        description="relative to the run's directory, with slashes; each part a safe name",
        pattern=r"^[^/\u0000-\u001f.][^/\u0000-\u001f]*(/[^/\u0000-\u001f.][^/\u0000-\u001f]*)*$",
    ),
    "Digest": _text(_DIGEST.fullmatch, pattern="^[0-9a-f]{64}$"),
    "ScopeWord": _text(set(ScopeKind).__contains__, enum=[*map(str, ScopeKind)]),
    "CallWord": _text(set(Call).__contains__, enum=[*map(str, Call)]),
    "Source": _text(SOURCES.__contains__, enum=[*SOURCES]),
    "Version": _whole(1, SCHEMA_VERSION),
    "Index": _whole(0, MOST_NUMBERED),
    "Count": _whole(0, MOST),
    "Positive": _whole(1, MOST),
    "Rate": _real(FEWEST_A_SECOND, MOST_A_SECOND),
    "Share": Kind(
        (int, float),
        lambda value: 0 < value <= 1,
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    ),
    "Seconds": _real(0.0, LONGEST_S),
    "Offset": _real(-LONGEST_S, LONGEST_S),
    "Spread": _real(0.0, WIDEST_SPREAD),
    "Amount": _real(0.0, LONGEST_S),
}
"""By the names of `collector.model.fields`, and of what they are made of."""
