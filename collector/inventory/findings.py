"""Mistakes without their place yet, and what a format's reader provides to find it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.inventory.mistakes import Mistake

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake whose place in the file is still unknown.

    Attributes:
        path: The keys and indices that lead to the value.
        what: What is wrong.
        instead: What to write instead.
        at_key: The place is that of the path's last key, not of its value.
    """

    path: Path
    what: str
    instead: str
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the file.

    Attributes:
        line: Counted from 1.
        column: Counted from 1.
        exact: False if this is only the start of what surrounds it.
    """

    line: int
    column: int
    exact: bool = True


Locate = Callable[[Sequence[Finding]], list[Place]]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as plain data.

    Attributes:
        data: Dicts, lists, text, numbers, bools, None and whatever else the format has.
        locate: Returns the place of each finding; slow, since it reads the file again.
        mistakes: Problems that the format's reader could read past.
    """

    data: Any
    locate: Locate
    mistakes: tuple[Mistake, ...] = ()
