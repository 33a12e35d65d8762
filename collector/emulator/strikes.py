"""Faults that come by turns: which one is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class Turn(Protocol):
    """A fault that lets some calls pass, and then hits some."""

    @property
    def skip(self) -> int:
        """How many calls pass before it hits any."""

    @property
    def times(self) -> int | None:
        """How many it hits; None means all from then on."""


F = TypeVar("F", bound=Turn)


class Strikes(Generic[F]):
    """Several faults of the same calls, and how many calls each has seen."""

    def __init__(self, faults: Sequence[F]) -> None:
        self._faults = faults
        self._seen = [0] * len(faults)

    def strike(self) -> F | None:
        """Return the fault that hits this call, if any: the first in the list that is due.

        Those after it in the list do not see the call, and so strike later.
        """
        for index, fault in enumerate(self._faults):
            seen = self._seen[index]
            if fault.times is not None and seen >= fault.skip + fault.times:
                continue
            self._seen[index] += 1
            if seen >= fault.skip:
                return fault
        return None
