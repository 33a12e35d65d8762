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

from collector.errors import CollectorError
from collector.model.events import EVENTS
from collector.rundir.journal.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.model.events import Event

NO_HASH = "0" * 64
"""Stands for the previous line's hash in the first line."""

_BEFORE_HASH = b',"hash":"'
_AFTER_HASH = b'"}\n'
_TAIL = len(_BEFORE_HASH) + 64 + len(_AFTER_HASH)

LONGEST_LINE = 1 << 20
"""In bytes, with the newline. Parsing JSON of this size takes at most some ten MiB."""

_SHOWN = 60
"""Characters of an odd value that a message shows."""


class LineError(ValueError):
    """These bytes are not a journal's line, or not the next one.

    Attributes:
        formed: they end as a line does: the write was not interrupted.
    """

    def __init__(self, message: str, *, formed: bool = True) -> None:
        super().__init__(message)
        self.formed = formed


class UnknownEventError(LineError):
    """The line is valid, but this version does not know its content."""


class LongLineError(CollectorError):
    """The event is too long to be read back."""

    def __init__(self, event: Event) -> None:
        what = getattr(event, "name", "") or getattr(event, "id", "")
        super().__init__(
            f"{type(event).__name__} {what[:_SHOWN]!r} needs a journal line of more than "
            f"{LONGEST_LINE >> 20} MiB; shorten its names and tags in the inventory"
        )


class _Codec:
    """How one class of event is written and read."""

    __slots__ = ("fields", "kind", "name", "optional", "ranges", "values")

    def __init__(self, name: str, kind: type[Event]) -> None:
        fields = dataclasses.fields(kind)
        self.name = name
        self.kind = kind
        self.fields = tuple(field.name for field in fields)
        kinds = [(field.name, kind_of(str(field.type))) for field in fields]
        self.ranges = tuple((field, one.types, one.holds) for field, one in kinds)
        # Fields that earlier versions did not write have defaults.
        self.optional = {field.name for field in fields if field.default is not dataclasses.MISSING}
        self.values: Callable[[Event], Any] = attrgetter(*self.fields)

    def record(self, event: Event) -> dict[str, Any]:
        values = self.values(event)
        record = {"event": self.name}
        record.update(zip(self.fields, values if len(self.fields) > 1 else (values,), strict=True))
        for name in self.kind.left_out:
            if record[name] is None:
                del record[name]
        return record

    def event(self, record: dict[str, Any]) -> Event:
        for name, types, holds in self.ranges:
            value = record.get(name, self)
            if type(value) not in types:
                if value is self and name in self.optional:
                    continue
                what = "lacks" if value is self else "has an invalid"
                raise LineError(f"{self.name} {what} {name!r}")
            if holds is not None and value is not None and not holds(value):
                raise LineError(f"{self.name} has an invalid {name!r}: {_shown(value)}")
            if type(value) is list:
                record[name] = tuple(value)
        try:
            return self.kind(**record)
        except TypeError as error:
            unknown = ", ".join(sorted(set(record) - set(self.fields)))
            raise UnknownEventError(f"{self.name} has unknown fields: {_cut(unknown)}") from error


def _shown(value: object) -> str:
    return _cut(ascii(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_CODECS = {name: _Codec(name, kind) for name, kind in EVENTS.items()}
_CODECS_BY_KIND = {codec.kind: codec for codec in _CODECS.values()}

# A mapping that is not a dict (a read-only view, say) is written as one.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=dict).encode


def encode(event: Event, previous: str) -> tuple[bytes, str]:
    """Write an event as the line that follows another.

    Args:
        event: one of `EVENTS`.
        previous: the hash of the line before, or `NO_HASH`.

    Returns:
        The line with its newline, and its hash.

    Raises:
        KeyError: the event's class is not in `EVENTS`.
        TypeError: a field has a value that JSON cannot hold.
        ValueError: a field has a number that JSON cannot hold.
        LongLineError: it is too long to be read back.
    """
    body = _encode(_CODECS_BY_KIND[type(event)].record(event))[:-1].encode("ascii")
    if len(body) + _TAIL > LONGEST_LINE:
        raise LongLineError(event)
    digest = sha256(previous.encode("ascii") + body).hexdigest()
    return b"".join((body, _BEFORE_HASH, digest.encode("ascii"), _AFTER_HASH)), digest


def check(line: bytes, previous: str) -> tuple[bytes, str]:
    """Split a line, newline included, and check that it follows another.

    Returns:
        The event's JSON, and the line's hash.

    Raises:
        LineError: it is not a line, was changed, or does not follow.
    """
    body, tail = line[:-_TAIL], line[-_TAIL:]
    expected = sha256(previous.encode() + body).hexdigest()
    if tail == b'%b%b"}\n' % (_BEFORE_HASH, expected.encode()):
        return body + b"}", expected
    if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
        raise LineError(f"the line has more than {LONGEST_LINE} bytes", formed=False)
    if not tail.startswith(_BEFORE_HASH) or not tail.endswith(_AFTER_HASH):
        raise LineError("the line does not end with its hash", formed=False)
    raise LineError("the hash does not match this line and the one before")


def event_of(line: bytes) -> Event:
    """Read the event of a line, whatever line it follows.

    Raises:
        LineError: there is none.
    """
    return decode(line[:-_TAIL] + b"}")


def decode(body: bytes) -> Event:
    """Read the event from a line's JSON.

    Raises:
        UnknownEventError: this version does not know it.
        LineError: there is none.
    """
    record = parsed(body)
    name = record.pop("event", None) if isinstance(record, dict) else None
    codec = _CODECS.get(name) if isinstance(name, str) else None
    if codec is None:
        kind = UnknownEventError if isinstance(name, str) else LineError
        raise kind(f"unknown event {_shown(name)}")
    return codec.event(record)


def parsed(body: bytes) -> Any:  # noqa: ANN401  # whatever the line holds
    """Parse a line's JSON, whatever event it is.

    Raises:
        LineError: it is not JSON, or not as this program writes it.
    """
    try:
        return _decode(body.decode())
    except RecursionError as error:
        raise LineError("the line is nested too deeply") from error
    except ValueError as error:  # also if it is not UTF-8, or a number has too many digits
        raise LineError(f"the line is not JSON: {_cut(str(error))}") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a key is listed twice")
    return found


_decode = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=_once_each).decode
