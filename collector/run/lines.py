"""A journal's lines: one event each, chained by hash.

`{"event":"ExportStarted","at":...,...,"hash":"..."}`: `hash` is the SHA-256 of the previous line's
hash, as 64 hex digits, and of this line's bytes up to `,"hash"`.
"""

from __future__ import annotations

import dataclasses
import json
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from collector.engine.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.engine.events import Event

NO_HASH = "0" * 64
"""What stands for the previous line's hash in the first line."""

_BEFORE_HASH = b',"hash":"'
_AFTER_HASH = b'"}\n'
_TAIL = len(_BEFORE_HASH) + 64 + len(_AFTER_HASH)

_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "tuple[str, ...]": (list,),
    "Mapping[str, str]": (dict,),
}
"""What JSON makes of each kind of field, as `collector.engine.events` writes their types."""


class LineError(ValueError):
    """These bytes are no line of a journal, or not the one that follows.

    Attributes:
        formed: they end as a line does: nobody was kept from writing it to its end.
    """

    def __init__(self, message: str, *, formed: bool = True) -> None:
        super().__init__(message)
        self.formed = formed


class UnknownEventError(LineError):
    """The line is one, and holds what this version does not know."""


class _Codec:
    """How one class of event is written and read."""

    __slots__ = ("fields", "kind", "name", "optional", "types", "values")

    def __init__(self, name: str, kind: type[Event]) -> None:
        fields = dataclasses.fields(kind)
        self.name = name
        self.kind = kind
        self.fields = tuple(field.name for field in fields)
        self.types = tuple((field.name, _JSON_TYPES[str(field.type)]) for field in fields)
        # What an earlier version did not write yet has a default.
        self.optional = {field.name for field in fields if field.default is not dataclasses.MISSING}
        self.values: Callable[[Event], Any] = attrgetter(*self.fields)

    def record(self, event: Event) -> dict[str, Any]:
        values = self.values(event)
        record = {"event": self.name}
        record.update(zip(self.fields, values if len(self.fields) > 1 else (values,), strict=True))
        return record

    def event(self, record: dict[str, Any]) -> Event:
        for name, types in self.types:
            value = record.get(name, self)
            if value is self and name in self.optional:
                continue
            if not isinstance(value, types):
                what = "misses" if value is self else "has a wrong"
                raise LineError(f"{self.name} {what} {name!r}")
            if isinstance(value, list):
                record[name] = value = tuple(value)
            if isinstance(value, (tuple, dict)) and not _all_text(value):
                raise LineError(f"{self.name} has a wrong {name!r}")
        try:
            return self.kind(**record)
        except TypeError as error:
            unknown = ", ".join(sorted(set(record) - set(self.fields)))
            raise UnknownEventError(f"{self.name} has no {unknown}") from error


def _all_text(value: tuple[object, ...] | dict[str, object]) -> bool:
    contents = value.values() if isinstance(value, dict) else value
    return all(isinstance(content, str) for content in contents)


_CODECS = {name: _Codec(name, kind) for name, kind in EVENTS.items()}
_CODECS_BY_KIND = {codec.kind: codec for codec in _CODECS.values()}

# A mapping that is no dict (a read-only view, say) is written as one.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=dict).encode


def encode(event: Event, previous: str) -> tuple[bytes, str]:
    """Write an event as the line that follows another.

    Args:
        event: one of `EVENTS`.
        previous: the hash of the line before, or `NO_HASH`.

    Returns:
        The line with its newline, and its hash.

    Raises:
        KeyError: the event's class is none of `EVENTS`.
        TypeError: a field holds what JSON cannot.
        ValueError: a field holds a number that JSON cannot.
    """
    body = _encode(_CODECS_BY_KIND[type(event)].record(event))[:-1].encode("ascii")
    digest = sha256(previous.encode("ascii") + body).hexdigest()
    return b"".join((body, _BEFORE_HASH, digest.encode("ascii"), _AFTER_HASH)), digest


def check(line: bytes, previous: str) -> tuple[bytes, str]:
    """Take a line apart, with its newline, and check that it follows another.

    Returns:
        The event's JSON, and the line's hash.

    Raises:
        LineError: it is no line, was changed, or does not follow.
    """
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not tail.startswith(_BEFORE_HASH) or not tail.endswith(_AFTER_HASH):
        raise LineError("the line does not end in its hash", formed=False)
    digest = tail[len(_BEFORE_HASH) : -len(_AFTER_HASH)]
    expected = sha256(previous.encode("ascii") + body).hexdigest()
    if digest != expected.encode("ascii"):
        raise LineError("the hash is not that of this line after the one before")
    return body + b"}", expected


def decode(body: bytes) -> Event:
    """Read the event in a line's JSON.

    Raises:
        UnknownEventError: this version does not know it.
        LineError: there is none.
    """
    try:
        record = json.loads(body)
    except ValueError as error:  # also where it is no UTF-8
        raise LineError(f"the line is no JSON: {error}") from error
    name = record.pop("event", None) if isinstance(record, dict) else None
    codec = _CODECS.get(name) if isinstance(name, str) else None
    if codec is None:
        kind = UnknownEventError if isinstance(name, str) else LineError
        raise kind(f"there is no event {name!r}")
    return codec.event(record)
