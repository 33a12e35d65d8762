"""Scopes that have refused a call for no known reason: the next call is to explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.engine.pacing.scope import ScopePace

FEW = 16
"""No call is hurried to explain a refusal while more scopes than these are in doubt: each is one of
few calls then, and to look at all of them in each turn would cost more than it gains."""


class Doubts:
    """The paces in doubt; where there are many, also some that were explained since."""

    __slots__ = ("_most", "_paces")

    def __init__(self) -> None:
        self._paces: dict[ScopePace, None] = {}
        self._most = FEW

    def add(self, pace: ScopePace) -> None:
        """Add a pace, if a call of its was refused for no known reason."""
        if pace.in_doubt:
            self._paces[pace] = None
            if len(self._paces) > self._most:
                self._drop_explained()
                self._most = max(FEW, 2 * len(self._paces))

    def __bool__(self) -> bool:
        if self._paces and self.are_few:
            self._drop_explained()
        return bool(self._paces)

    def __iter__(self) -> Iterator[ScopePace]:
        return iter(self._paces)

    @property
    def are_few(self) -> bool:
        """Whether they are few enough to look at each."""
        return len(self._paces) <= FEW

    def _drop_explained(self) -> None:
        self._paces = {pace: None for pace in self._paces if pace.in_doubt}
