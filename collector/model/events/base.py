"""What all events are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collector.model.fields import Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, at a time."""

    is_fact: ClassVar[bool] = True
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Members that a line does not have where they are None."""
    at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Event):
    """Something that a crash may lose, and no promise hangs on."""

    is_fact: ClassVar[bool] = False
