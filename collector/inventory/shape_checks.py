"""Explain why a file does not have the shape of an inventory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import inspect

from collector.inventory.bounds import TEXT_MAX
from collector.inventory.findings import Finding
from collector.inventory.mistakes import quoted, suggestion
from collector.inventory.shape import SIZE, InventoryShape, RunLimitsShape, bytes_of, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.inventory.findings import Path

LATER = ("notify",)
SECRET_WORDS = frozenset(
    {
        *("ak", "apikey", "credential", "key", "pass", "passphrase"),
        *("passwd", "password", "pwd", "secret", "sk", "token"),
    }
)
WHOLE = "a whole number"


def misfits(data: object) -> Iterator[Finding]:
    """Yield everything in which a file's content differs from the shape, field by field."""
    if isinstance(data, dict):
        yield from _in((), data, inspect.type_info(InventoryShape))
    else:
        instead = "start with version: 1, then credentials and projects"
        yield Finding((), f"the inventory {_not('a mapping', data)}", instead)


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
    elif path[-2:] == ("limits", key) and key in RunLimitsShape.__struct_fields__:
        what, instead = f"{key} is not a limit for one project", "write it under defaults: limits"
    else:
        what, instead = f"unknown key {quoted(key)}", suggestion(key, known)
    return Finding(path, what, instead, at_key=True)


def _in(path: Path, value: object, wanted: inspect.Type, words: str = "") -> Iterator[Finding]:
    """Yield what is wrong with a value.

    Args:
        path: where it stands.
        value: it, without which every finding has to do: it may be a secret.
        wanted: what should stand there.
        words: the same for a person.
    """
    if isinstance(wanted, inspect.Metadata):
        words, wanted = _words(wanted, words), wanted.type
    match value, wanted:
        case dict(), inspect.StructType():
            yield from _fields(path, value, wanted)
        case dict(), inspect.DictType(max_length=most) if most is None or len(value) <= most:
            yield from _entries(path, value, wanted, words)
        case list(), inspect.ListType() if len(value) >= (wanted.min_length or 0):
            for number, item in enumerate(value):
                yield from _in((*path, number), item, wanted.item_type)
        case _:
            if complaint := _complaint(value, wanted):
                instead = f"write {words or _members(wanted)}"
                if isinstance(wanted, inspect.StrType) and isinstance(value, bool | int | float):
                    instead += ": put it in quotes"
                yield Finding(path, f"{quoted(str(path[-1]))} {complaint}", instead)


def _fields(path: Path, value: dict[str, Any], wanted: inspect.StructType) -> Iterator[Finding]:
    known = [field.name for field in wanted.fields]
    for field in wanted.fields:
        if field.name in value:
            yield from _in((*path, field.name), value[field.name], field.type)
        elif field.required:
            words = _words(field.type) if isinstance(field.type, inspect.Metadata) else field.name
            yield Finding(path, f"{quoted(field.name)} is missing", f"add {words}")
    for key in value:
        if key not in known:
            yield _half_a_key(path) if _is_cut(key) else unknown_key((*path, key), known)


def _entries(
    path: Path, value: dict[str, Any], wanted: inspect.DictType, words: str
) -> Iterator[Finding]:
    longest = getattr(wanted.key_type, "max_length", None)
    for key, item in value.items():
        if _is_cut(key):
            yield _half_a_key(path)
        elif longest is not None and len(key) > longest:
            instead = f"write at most {TEXT_MAX:,} characters"
            yield Finding((*path, key), "the key is too long", instead, at_key=True)
        yield from _in((*path, key), item, wanted.value_type, words)


def _members(wanted: inspect.Type) -> str:
    """What to write in a list of mappings."""
    fields = wanted.fields if isinstance(wanted, inspect.StructType) else ()
    return f"a mapping with {' and '.join(one.name for one in fields if one.required)}"


def _half_a_key(path: Path) -> Finding:
    return Finding(path, "a key contains half a character", "write whole characters")


def _words(wanted: inspect.Metadata, otherwise: str = "") -> str:
    return str((wanted.extra_json_schema or {}).get("description", otherwise))


def _complaint(value: object, wanted: inspect.Type) -> str | None:
    """What to say of a value; None where nothing is wrong with it."""
    match wanted:
        case inspect.StrType():
            return _of_text(value, wanted)
        case inspect.IntType() | inspect.FloatType():
            return _of_number(value, wanted)
        case inspect.UnionType():
            return _of_either(value, wanted)
        case inspect.ListType():
            return "is empty" if value == [] else _not("a list", value)
        case inspect.DictType() | inspect.StructType():
            return "has too many entries" if isinstance(value, dict) else _not("a mapping", value)
        case _:
            return None


def _of_text(value: object, wanted: inspect.StrType) -> str | None:
    if not isinstance(value, str):
        return _not("text", value)
    if _is_cut(value):
        return "contains half a character"
    if len(value) < (wanted.min_length or 0):
        return "is empty"
    if wanted.max_length is not None and len(value) > wanted.max_length:
        return "is too long"
    if wanted.pattern is not None and not re.search(wanted.pattern, value):
        return "contains characters not allowed in a URL"
    return None


def _of_number(value: object, wanted: inspect.IntType | inspect.FloatType) -> str | None:
    is_whole = isinstance(wanted, inspect.IntType)
    if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
        return _not(WHOLE if is_whole else "a number", value)
    return None if _is_within(value, wanted) else "is out of range"


def _of_either(value: object, wanted: inspect.UnionType) -> str | None:
    """What to say of a value that may be of two types: texts, a duration or a size."""
    texts = next((one for one in wanted.types if isinstance(one, inspect.ListType)), None)
    if texts is not None:
        items = value if isinstance(value, list) and value else [value]
        if not all(isinstance(one, str) for one in items):
            return "is empty" if value in (None, []) else "must be text, or a list of texts"
        kind = texts.item_type
        complaints = (_complaint(one, kind) for one in items)
        return next(filter(None, complaints), None)
    patterns = {getattr(one, "pattern", None) for one in wanted.types}
    return _of_size(value) if SIZE in patterns else _of_duration(value)


def _of_duration(value: object) -> str | None:
    try:
        seconds_of(value)
    except ValueError:
        return "is empty" if value in ("", None) else "is not a valid duration"
    return None


def _of_size(value: object) -> str | None:
    try:
        bytes_of(value)
    except ValueError:
        return "is empty" if value == "" else "is not a valid size"
    return None


def _is_within(value: float, wanted: inspect.IntType | inspect.FloatType) -> bool:
    """Whether a number is in range; one that is none is not."""
    return (
        (wanted.gt is None or value > wanted.gt)
        and (wanted.ge is None or value >= wanted.ge)
        and (wanted.le is None or value <= wanted.le)
    )


def _is_cut(text: str) -> bool:
    """Whether there is half a character in a text, as JSON can have it."""
    return any("\ud800" <= one <= "\udfff" for one in text) if not text.isascii() else False


def _not(wanted: str, value: object) -> str:
    """Say that a value has the wrong type."""
    if value is None:
        return "is empty"
    is_near = isinstance(value, float) and wanted == WHOLE
    return f"must be {wanted}" if is_near else f"must be {wanted}, not {_kind(value)}"


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
