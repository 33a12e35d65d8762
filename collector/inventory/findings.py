"""A mistake before its place is known, and what a format's reader hands over to find it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.inventory.mistakes import Mistake

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake whose place in the file is not known yet.

    Attributes:
        path: Keys and indices that lead to the value.
        what: What is wrong.
        instead: What would be right.
        at_key: The place is the last key of the path rather than its value.
    """

    path: Path
    what: str
    instead: str
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Attributes:
        line: Counted from 1.
        column: Counted from 1.
        exact: False if this is only where the surrounding thing begins.
    """

    line: int
    column: int
    exact: bool = True


Locate = Callable[[Sequence[Finding]], list[Place]]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as plain data.

    Attributes:
        data: Dicts, lists, text, numbers, bools, None and what else a format knows.
        locate: The place of each finding; slow, since it reads the file again.
        mistakes: What the format's reader found wrong and could read past.
    """

    data: Any
    locate: Locate
    mistakes: tuple[Mistake, ...] = ()
