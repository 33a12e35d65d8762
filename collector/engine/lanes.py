"""Where servers wait for their turn: a lane for each project and kind of call.

All that waits in a lane passes the same scopes, so a blocked scope holds up a lane and not the ones
beside it, and what a lane may do is looked up once, however many wait in it.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.answers import Call, Scope


class Lane:
    """Servers of one project that want the same call.

    Attributes:
        served: when, in the order of all turns, this lane last had one.
    """

    __slots__ = ("_later", "_ready", "call", "project", "scopes", "served")

    def __init__(self, project: int, call: Call, scopes: tuple[Scope, ...]) -> None:
        self.project = project
        self.call = call
        self.scopes = scopes
        self.served = 0
        self._ready: list[tuple[int, int]] = []
        self._later: list[tuple[float, int, int]] = []

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def put(self, server: int, rank: int, at_s: float, now_s: float) -> None:
        """Let `server` wait until `at_s`, then before all with a higher rank or number."""
        if at_s <= now_s:
            heapq.heappush(self._ready, (rank, server))
        else:
            heapq.heappush(self._later, (at_s, rank, server))

    def wake(self, now_s: float) -> None:
        """Make ready what has waited long enough."""
        while self._later and self._later[0][0] <= now_s:
            _, rank, server = heapq.heappop(self._later)
            heapq.heappush(self._ready, (rank, server))

    @property
    def rank(self) -> int | None:
        """The rank of the server that is next; None where none is ready."""
        return self._ready[0][0] if self._ready else None

    @property
    def wakes_s(self) -> float:
        """When the next one becomes ready; infinite where none waits for a time."""
        return self._later[0][0] if self._later else math.inf

    def take(self) -> int:
        """Return the server that is next, out of the lane.

        Raises:
            IndexError: if none is ready.
        """
        return heapq.heappop(self._ready)[1]

    def empty(self) -> list[int]:
        """Return all that wait, out of the lane, in no order."""
        servers = [server for _, server in self._ready]
        servers += [server for _, _, server in self._later]
        self._ready.clear()
        self._later.clear()
        return servers
