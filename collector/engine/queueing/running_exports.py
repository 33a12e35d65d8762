"""Exports of a project that run, and how many there may be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class RunningExports:
    """Exports of a project that are requested or running, and how many there may be.

    Attributes:
        ceiling: what a person allows; infinite where nobody wrote one.
    """

    ceiling: float = math.inf
    _servers: set[int] = field(default_factory=set)

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._servers)

    @property
    def full(self) -> bool:
        """Whether no more may run."""
        return self.running >= self.ceiling

    def count(self, server: int, *, runs: bool) -> None:
        """Record whether a server's export is requested or running."""
        if runs:
            self._servers.add(server)
        else:
            self._servers.discard(server)
