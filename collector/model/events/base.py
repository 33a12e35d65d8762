"""What all events are."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collector.model.fields import Time

T = TypeVar("T")


@dataclass_transform(
    kw_only_default=True, frozen_default=True, eq_default=False, field_specifiers=(field,)
)
def event(kind: type[T]) -> type[T]:
    """Make a class one of events: a frozen dataclass.

    How events are compared and shown is written once, in `Event`: made anew for each of forty
    classes, it would cost the start of nearly every command 6 ms.
    """
    return dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)(kind)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Event:
    """Something that happened, at a time."""

    is_fact: ClassVar[bool] = True
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Members that a line does not have where they are None."""
    at: Time

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, one.name) == getattr(other, one.name) for one in fields(self))

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        named = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
        return f"{type(self).__qualname__}({', '.join(named)})"

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, one.name) for one in fields(self))


@event
class Observation(Event):
    """Something that a crash may lose, and no promise hangs on."""

    is_fact: ClassVar[bool] = False
