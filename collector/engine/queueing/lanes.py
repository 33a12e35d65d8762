"""Where servers wait for their turn: a lane for each project and kind of call.

All that waits in a lane passes the same scopes, so a blocked scope holds up a lane and not the ones
beside it, and what a lane may do is looked up once, however many wait in it.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.engine.admission.permissions import Permission
    from collector.engine.admission.project_admission import ProjectAdmission
    from collector.engine.pacing.tracks import Track
    from collector.engine.polling.timing import FirstLook
    from collector.engine.queueing.ready import Line
    from collector.engine.queueing.running_exports import RunningExports
    from collector.model.answers import Call

DuePlace: TypeAlias = "tuple[int, float, int, int, Lane]"
"""Where a lane that is due stands in a line: its rank, its project's time, and two numbers."""
ReadyPlace: TypeAlias = "tuple[int, Lane]"
"""Where a lane stands that is worth a call to spare."""

NONE_DUE = 1_000
NOWHERE = 1_001
YIELDS_S = 30.0
"""How long a server that has failed leaves calls to those that have not, where they are scarce."""


def order(*, first: bool, failed: bool) -> int:
    """Return a server's place in its lane: what has failed before goes after what has not."""
    return 2 * (not first) + failed


def _rank(order: int) -> int:
    return order // 2


class Unasked:
    """Running exports that were never asked about, and are thought to take equally long.

    Attributes:
        waiting: when each began, its order and its server; a heap.
        first: when to look for the first time, after an export began.
    """

    __slots__ = ("first", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, int]] = []
        self.first: FirstLook | None = None


class Lane:
    """Servers of one project that want the same call.

    A server waits until a time, and from then on is *ready*. Of those that are ready, the ones
    whose `certain` time has come are *due*: their calls are worth as much as any other. The rest
    are worth a call that nobody else wants.

    Running exports that were never asked about wait for their *first look*. When that is hangs
    on how long exports of their group take, which they have in common: so these stand in the
    order in which they began, and what is learned moves all of them at once.

    Attributes:
        track: how its calls are paced.
        admission, credential, permission, breaker, exports: what else they have in common.
        number: its place among all lanes.
        eager_s: when the next call may leave that is not due, so that these go evenly.
        rank: that of the server that is due next; `NONE_DUE` where none is.
        wakes_s: when the next one becomes ready or due; infinite where none waits for a time.
        alarm_s: when it is going to be woken.
        home: the line that it stands in while nothing is known to hold it up.
        stands: as what it stands in a line: its rank, `NONE_DUE` where it is worth a call to spare,
            `NOWHERE` where it holds nothing to call for.
        place: where it stands there; any other place that is found is no longer true.
        others: the other lanes of its project.
    """

    __slots__ = (
        "_due", "_later", "_now_s", "_ready", "_unasked", "_unasked_ready", "admission", "alarm_s",
        "breaker", "call", "credential", "eager_s", "exports", "home", "number", "others",
        "permission", "place", "project", "rank", "stands", "track", "wakes_s",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        project: int,
        track: Track,
        *,
        admission: ProjectAdmission,
        permission: Permission,
        breaker: EndpointBreaker,
        exports: RunningExports,
    ) -> None:
        self.number = number
        self.project = project
        self.call: Call = track.call
        self.track = track
        self.admission = admission
        self.credential = admission.secret
        self.permission = permission
        self.breaker = breaker
        self.exports = exports
        self.eager_s = -math.inf
        self.rank = NONE_DUE
        self.home: Line
        self.stands = NOWHERE
        self.place: DuePlace | ReadyPlace | None = None
        self.others: tuple[Lane, ...] = ()
        self.wakes_s = self.alarm_s = math.inf
        self._now_s = -math.inf
        self._due: list[tuple[int, int]] = []
        self._ready: list[tuple[float, int, int]] = []
        self._later: list[tuple[float, float, int, int]] = []
        self._unasked: dict[int, Unasked] = {}
        """By group."""
        self._unasked_ready: Unasked | None = None
        """The group of which one is ready, and is due before those of others."""

    def __len__(self) -> int:
        waiting = len(self._due) + len(self._ready) + len(self._later)
        for group in self._unasked.values():
            waiting += len(group.waiting)
        return waiting

    def put(self, server: int, order: int, early_s: float, certain_s: float, now_s: float) -> None:
        """Let `server` wait until `early_s`, then before all of a later order or number."""
        if certain_s <= now_s:
            heapq.heappush(self._due, (order, server))
        elif early_s <= now_s:
            heapq.heappush(self._ready, (certain_s, order, server))
        else:
            heapq.heappush(self._later, (early_s, certain_s, order, server))
        self._look(now_s)

    def put_unasked(
        self, server: int, order: int, began_s: float, now_s: float, group: int = 0
    ) -> None:
        """Let `server` wait for the first look at its export, which began at `began_s`."""
        heapq.heappush(self._group(group).waiting, (began_s, order, server))
        self.wake(now_s)

    def look_first(self, first: FirstLook, now_s: float, group: int = 0) -> None:
        """Look for the first time at the exports of a group when `first` says, from now on."""
        self._group(group).first = first
        self.wake(now_s)

    def first(self, group: int) -> FirstLook | None:
        """Return when to look for the first time at the exports of a group."""
        return self._group(group).first

    def _group(self, number: int) -> Unasked:
        group = self._unasked.get(number)
        if group is None:
            group = self._unasked[number] = Unasked()
        return group

    def wake(self, now_s: float) -> None:
        """Make ready, or due, what has waited long enough."""
        while self._later and self._later[0][0] <= now_s:
            _, certain_s, order, server = heapq.heappop(self._later)
            heapq.heappush(self._ready, (certain_s, order, server))
        while self._ready and self._ready[0][0] <= now_s:
            _, order, server = heapq.heappop(self._ready)
            heapq.heappush(self._due, (order, server))
        for group in self._unasked.values():
            waiting, first = group.waiting, group.first
            while waiting and first is not None and first.certain_at(waiting[0][0]) <= now_s:
                _, order, server = heapq.heappop(waiting)
                heapq.heappush(self._due, (order, server))
        self._look(now_s)

    def put_off(self, early_s: float, certain_s: float, now_s: float) -> None:
        """Let the next one wait until `early_s`, which is to come."""
        order, server = self._pop()
        heapq.heappush(self._later, (early_s, certain_s, order, server))
        self._look(now_s)

    def hurry(self, now_s: float) -> None:
        """Make one due that waits, whatever time it waits for."""
        if self._ready or self._unasked_ready is not None:
            order, server = self._pop()
        elif self._later:
            _, _, order, server = heapq.heappop(self._later)
        else:
            groups = (one.waiting for one in self._unasked.values() if one.waiting)
            _, order, server = heapq.heappop(min(groups))
        heapq.heappush(self._due, (order, server))
        self._look(now_s)

    @property
    def has_unasked(self) -> bool:
        """Whether a server waits for the first look at its export."""
        return any(group.waiting for group in self._unasked.values())

    @property
    def is_ready(self) -> bool:
        """Whether there is a server that is worth a call to spare."""
        return bool(self._ready) or self._unasked_ready is not None

    @property
    def next(self) -> int:
        """The server that `take` would return."""
        if self._due:
            return self._due[0][1]
        group = self._next_unasked()
        return self._ready[0][2] if group is None else group.waiting[0][2]

    def take(self, now_s: float) -> int:
        """Return the server that is due next, or else the one that will be soonest.

        Raises:
            IndexError: if none is ready.
        """
        _, server = self._pop()
        self._look(now_s)
        return server

    def servers(self) -> list[int]:
        """Return all that wait, in no order."""
        heaps: tuple[list[Any], ...] = self._heaps()
        return [entry[-1] for heap in heaps for entry in heap]

    def remove(self, server: int) -> None:
        """Take one that waits out of its turn; this looks at each that does.

        Raises:
            ValueError: it does not wait here.
        """
        for heap in self._heaps():
            for place, entry in enumerate(heap):
                if entry[-1] == server:
                    del heap[place]
                    heapq.heapify(heap)
                    self._look(self._now_s)
                    return
        raise ValueError(server)

    def empty(self) -> list[int]:
        """Return all that wait, out of the lane, in no order."""
        servers = self.servers()
        for heap in self._heaps():
            heap.clear()
        self._look(self._now_s)
        return servers

    def empty_planned(self) -> list[int]:
        """Return those, out of the lane, that wait for a time of their own."""
        servers = [entry[-1] for heap in (self._ready, self._later) for entry in heap]
        self._ready.clear()
        self._later.clear()
        self._look(self._now_s)
        return servers

    @property
    def planned(self) -> int:
        """How many wait for a time of their own."""
        return len(self._ready) + len(self._later)

    def _pop(self) -> tuple[int, int]:
        """Take the next one out; return its order and its number."""
        if self._due:
            return heapq.heappop(self._due)
        group = self._next_unasked()
        _, order, server = heapq.heappop(self._ready if group is None else group.waiting)
        return order, server

    def _next_unasked(self) -> Unasked | None:
        """Return the group of one that was never asked about, if it comes before all others."""
        group = self._unasked_ready
        if group is None or group.first is None:
            return None
        first = not self._ready or group.first.certain_at(group.waiting[0][0]) < self._ready[0][0]
        return group if first else None

    def _heaps(self) -> tuple[list[Any], ...]:
        unasked = (group.waiting for group in self._unasked.values())
        return (self._due, self._ready, self._later, *unasked)

    def _look(self, now_s: float) -> None:
        """Find out what is next."""
        self._now_s = now_s
        due, ready, later = self._due, self._ready, self._later
        self.rank = _rank(due[0][0]) if due else NONE_DUE
        wakes_s = later[0][0] if later else math.inf
        if ready and ready[0][0] < wakes_s:
            wakes_s = ready[0][0]
        self._unasked_ready, due_s = None, math.inf
        for group in self._unasked.values():
            if group.waiting and group.first is not None:
                began_s = group.waiting[0][0]
                at_s = group.first.early_at(began_s)
                if at_s <= now_s:
                    at_s = group.first.certain_at(began_s)
                    if self._unasked_ready is None or at_s < due_s:
                        self._unasked_ready, due_s = group, at_s
                wakes_s = min(wakes_s, at_s)
        self.wakes_s = wakes_s
