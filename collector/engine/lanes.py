"""Where servers wait for their turn: a lane for each project and kind of call.

All that waits in a lane passes the same scopes, so a blocked scope holds up a lane and not the ones
beside it, and what a lane may do is looked up once, however many wait in it.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.engine.answers import Call
    from collector.engine.circuit import EndpointCircuit
    from collector.engine.gates import Exports, Secret
    from collector.engine.tracks import Track
    from collector.engine.waiting import Group

NONE_DUE = 1_000


class Lane:
    """Servers of one project that want the same call.

    A server waits until a time, and from then on is *ready*. Of those that are ready, the ones
    whose `certain` time has come are *due*: their calls are worth as much as any other. The rest
    are worth a call that nobody else wants.

    Attributes:
        track: how its calls are paced.
        secret, circuit, exports: what else they have in common.
        number: its place among all lanes.
        eager_s: when the next call may leave that is not due, so that these go evenly.
        rank: that of the server that is due next; `NONE_DUE` where none is.
        wakes_s: when the next one becomes ready or due; infinite where none waits for a time.
        alarm_s: when it is going to be woken.
        group: it and all lanes that pass the same scopes but for their projects'.
        stands: in its group, among which lanes; None where nothing of it may be called for.
    """

    __slots__ = (
        "_due", "_later", "_ready", "alarm_s", "call", "circuit", "eager_s", "exports", "group",
        "number", "project", "rank", "secret", "stands", "track", "wakes_s",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        project: int,
        track: Track,
        *,
        secret: Secret,
        circuit: EndpointCircuit,
        exports: Exports,
    ) -> None:
        self.number = number
        self.project = project
        self.call: Call = track.call
        self.track = track
        self.secret = secret
        self.circuit = circuit
        self.exports = exports
        self.eager_s = -math.inf
        self.rank = NONE_DUE
        self.group: Group
        self.stands: dict[Lane, None] | None = None
        self.wakes_s = self.alarm_s = math.inf
        self._due: list[tuple[int, int]] = []
        self._ready: list[tuple[float, int, int]] = []
        self._later: list[tuple[float, float, int, int]] = []

    def __len__(self) -> int:
        return len(self._due) + len(self._ready) + len(self._later)

    def put(self, server: int, rank: int, early_s: float, certain_s: float, now_s: float) -> None:
        """Let `server` wait until `early_s`, then before all with a higher rank or number."""
        if certain_s <= now_s:
            heapq.heappush(self._due, (rank, server))
        elif early_s <= now_s:
            heapq.heappush(self._ready, (certain_s, rank, server))
        else:
            heapq.heappush(self._later, (early_s, certain_s, rank, server))
        self._look()

    def wake(self, now_s: float) -> None:
        """Make ready, or due, what has waited long enough."""
        while self._later and self._later[0][0] <= now_s:
            _, certain_s, rank, server = heapq.heappop(self._later)
            heapq.heappush(self._ready, (certain_s, rank, server))
        while self._ready and self._ready[0][0] <= now_s:
            _, rank, server = heapq.heappop(self._ready)
            heapq.heappush(self._due, (rank, server))
        self._look()

    def put_off(self, early_s: float, certain_s: float) -> None:
        """Let the next one wait until `early_s`, which is to come."""
        if self._due:
            rank, server = heapq.heappop(self._due)
        else:
            _, rank, server = heapq.heappop(self._ready)
        heapq.heappush(self._later, (early_s, certain_s, rank, server))
        self._look()

    def hurry(self) -> None:
        """Make the next one due that waits, whatever time it waits for."""
        if self._ready:
            _, rank, server = heapq.heappop(self._ready)
        else:
            _, _, rank, server = heapq.heappop(self._later)
        heapq.heappush(self._due, (rank, server))
        self._look()

    @property
    def is_ready(self) -> bool:
        """Whether there is a server that is worth a call to spare."""
        return bool(self._ready)

    @property
    def next(self) -> int:
        """The server that `take` would return."""
        return self._due[0][1] if self._due else self._ready[0][2]

    def take(self) -> int:
        """Return the server that is due next, or else the one that will be soonest.

        Raises:
            IndexError: if none is ready.
        """
        server = heapq.heappop(self._due)[1] if self._due else heapq.heappop(self._ready)[2]
        self._look()
        return server

    def servers(self) -> list[int]:
        """Return all that wait, in no order."""
        return [entry[-1] for heap in (self._due, self._ready, self._later) for entry in heap]

    def remove(self, server: int) -> None:
        """Take one that waits out of its turn; this looks at each that does.

        Raises:
            ValueError: it does not wait here.
        """
        heaps: tuple[list[Any], ...] = (self._due, self._ready, self._later)
        for heap in heaps:
            for place, entry in enumerate(heap):
                if entry[-1] == server:
                    del heap[place]
                    heapq.heapify(heap)
                    self._look()
                    return
        raise ValueError(server)

    def empty(self) -> list[int]:
        """Return all that wait, out of the lane, in no order."""
        servers = self.servers()
        self._due.clear()
        self._ready.clear()
        self._later.clear()
        self._look()
        return servers

    def _look(self) -> None:
        """Take note of what is next."""
        due, ready, later = self._due, self._ready, self._later
        self.rank = due[0][0] if due else NONE_DUE
        wakes_s = later[0][0] if later else math.inf
        self.wakes_s = ready[0][0] if ready and ready[0][0] < wakes_s else wakes_s
