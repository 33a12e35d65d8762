"""JSON of other programs, opened only where something is taken from: the rest stays bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from collector.conversion.fields import ConversionError
from collector.inventory.bounds import VALUES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

NOTHING: Final = msgspec.Raw()
"""What stands for a member that is missing."""
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""Escapes of JSON; the group is half of a character, as Python writes what was no UTF-8."""
_TEMPLATES: Final = ("{{", "{%")


class Unusable(Exception):  # noqa: N818  # a state of affairs: caught by who asked
    """Why a value is not taken."""


def opened(raw: bytes, kind: type[T], name: str) -> T:
    """Return the outermost level of a document.

    Raises:
        ConversionError: it is not JSON, or not of this kind.
    """
    if raw.count(b",") > VALUES_MAX:  # what has none of them is nested, and that has an end
        raise ConversionError(f"{name}: more than {VALUES_MAX:,} values; convert fewer at a time")
    try:
        return _decoded(raw, kind)
    except RecursionError:
        raise ConversionError(f"{name}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConversionError(f"{name}: {explained(error, raw)}") from None


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], raw)
        if whole == raw:
            raise
        return msgspec.json.decode(whole, type=kind)


def explained(error: Exception, raw: bytes) -> str:
    """Return why something is not read, with the line if that is known."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        return f"not what it should be: {text}"
    before, separator, at = text.rpartition("(byte ")
    if not separator:
        return f"this is not valid JSON: {text}"
    place = int(at.rstrip(")"))
    line = raw.count(b"\n", 0, place) + 1
    return f"this is not valid JSON: {before.strip()} (line {line})"


def part(raw: msgspec.Raw, kind: type[T]) -> T:
    """Return a part of a document.

    Raises:
        Unusable: it is not of this kind.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise Unusable("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unusable(str(error)) from None


def first_text(
    values: Mapping[str, msgspec.Raw], candidates: Iterable[str]
) -> tuple[str, str] | None:
    """Return the first candidate that has a value, and the value as text.

    A candidate is a key, or keys with dots between them.

    Raises:
        Unusable: that value is not text.
    """
    for name in candidates:
        raw = _at(values, name)
        if raw is None:
            continue
        try:
            text = _text(part(raw, Any))
        except Unusable as unusable:
            raise Unusable(f"{name} {unusable}") from None
        if text:
            return name, text
    return None


def _at(values: Mapping[str, msgspec.Raw], name: str) -> msgspec.Raw | None:
    if name in values or "." not in name:
        return values.get(name)
    above, _, below = name.partition(".")
    while True:
        if above in values:
            try:
                return _at(part(values[above], dict[str, msgspec.Raw]), below)
            except Unusable:
                return None
        following, dot, below = below.partition(".")
        if not dot:
            return None
        above = f"{above}.{following}"


def _text(value: object) -> str:
    """Return a value as text; empty for none.

    Raises:
        Unusable: it is a secret, a template, or of a kind that is no text.
    """
    if isinstance(value, dict):
        if "__ansible_vault" in value:
            raise Unusable("is encrypted with ansible-vault, and is left alone")
        value = value.get("__ansible_unsafe", value)
    if value is None:
        return ""
    if isinstance(value, str):
        if any(mark in value for mark in _TEMPLATES):
            raise Unusable("is a template, which only Ansible can fill in")
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unusable(f"is {_kind(value)}, not text")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float):
        return "a number with a fraction or an exponent"
    return "a list" if isinstance(value, list) else "a mapping"
