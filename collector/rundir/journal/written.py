"""Lines exactly as this program writes them, read in a fraction of the time that others take.

A line is decoded by a type that is made of its class of event, and encoded again: if the bytes are
the same, it has each member once, in its place and of its type, and nothing else. What each member
may hold is then asked of `values.py`, as it is for any line. A line that differs in one byte, or
holds what it may not, is left to `lines.py`, which says what is wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import astuple

from collector.model.events import EVENTS
from collector.rundir.journal.values import MINUTE, fits_seconds, is_time, kind_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from collector.model.events import Event
    from collector.rundir.journal.values import Kind

MOST_ALIKE: Final = 10_000
"""Values that are remembered, so that all that are alike are one object."""

T = TypeVar("T")
_Set = Callable[[Any, Any], None]
_Holds = Callable[[Any], object]


class _Class(NamedTuple):
    """A class of event: how its members are set, and what each may hold where types do not say.

    The first of them is `at`, which is asked about by itself. Members are set by their slots: that
    takes a third of the time of a frozen class's `__init__`.
    """

    kind: type[Event]
    setters: tuple[_Set, ...]
    holds: tuple[tuple[int, _Holds], ...]
    may_lack: bool
    tags: int | None


class Written:
    """Reads lines of one journal; what many of them say alike is one object."""

    def __init__(self) -> None:
        self._classes, self._decode = _table()
        self._minute = "1970-01-01T00:00:00Z"[:MINUTE]
        self._known: dict[Hashable, Any] = {}

    def event(self, body: bytes) -> Event | None:
        """Return the event that a line's JSON holds; None if the line is otherwise."""
        try:
            record = self._decode(body)
        except (ValueError, RecursionError):
            return None
        if _encode(record) != body:
            return None
        one = self._classes[type(record)]
        members: Any = astuple(record)
        if one.may_lack:
            members = [None if value is UNSET else value for value in members]
        if not self._may_be(members, one.holds):
            return None
        event = _new(one.kind)
        for set_, value in zip(one.setters, members, strict=True):
            set_(event, value)
        if one.tags is not None:  # servers, whose times and tags are alike
            one.setters[0](event, self._alike(members[0], members[0]))
            tags = members[one.tags]
            one.setters[one.tags](event, self._alike(tuple(tags.items()), tags))
        return event

    def _may_be(self, members: Sequence[Any], holds: Iterable[tuple[int, _Holds]]) -> bool:
        """Whether each member holds what it may."""
        at = members[0]
        if not (at.startswith(self._minute) and fits_seconds(at, MINUTE)):
            if not is_time(at):
                return False
            self._minute = at[:MINUTE]  # of a time in the same one its seconds are asked alone
        for place, is_held in holds:
            value = members[place]
            if value is not None and not is_held(value):
                return False
        return True

    def _alike(self, key: Hashable, value: T) -> T:
        """Return the first of all values that are alike, as far as there are not too many."""
        known: T = self._known.get(key, value)
        if known is value and len(self._known) < MOST_ALIKE:
            self._known[key] = value
        return known


def _class_of(kind: type[Event]) -> _Class:
    fields = dataclasses.fields(kind)
    names = [field.name for field in fields]
    kinds = [kind_of(str(field.type)) for field in fields]
    return _Class(
        kind,
        tuple(getattr(kind, name).__set__ for name in names),
        tuple(
            (place, one.holds)
            for place, one in enumerate(kinds)
            if place and one.holds is not None and one.bounds is None
        ),
        bool(kind.left_out),
        names.index("tags") if "tags" in names else None,
    )


def _made(kind: type[Event]) -> type[msgspec.Struct]:
    """Make the type of a line of this class."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in dataclasses.fields(kind):
        of = _type_of(kind_of(str(field.type)))
        is_left_out = field.name in kind.left_out
        fields.append((field.name, of | UnsetType, UNSET) if is_left_out else (field.name, of))
    return msgspec.defstruct(
        kind.__name__, fields, tag_field="event", tag=kind.__name__, gc=False, kw_only=True,
        forbid_unknown_fields=True,
    )  # fmt: skip


def _type_of(kind: Kind) -> Any:  # noqa: ANN401  # a type, as annotations have it
    """Return the type of a member whose values JSON makes of these types."""
    first, *others = kind.types
    named: Any = first
    if first is list:
        named = tuple[str, ...]
    elif first is dict:
        named = dict[str, str]
    if kind.bounds is not None:
        least, most = kind.bounds
        named = Annotated[int, Meta(ge=least, le=most)]
    for other in others:
        named = named | None if other is type(None) else named | other
    return named


@cache
def _table() -> tuple[Mapping[type, _Class], Callable[[bytes], msgspec.Struct]]:
    """Return all classes by the types of their lines, and what decodes a line as one of these."""
    classes = {_made(kind): _class_of(kind) for kind in EVENTS.values()}
    return classes, msgspec.json.Decoder(Union[tuple(classes)]).decode  # noqa: UP007  # of many


_encode = msgspec.json.Encoder().encode
_new = object.__new__
