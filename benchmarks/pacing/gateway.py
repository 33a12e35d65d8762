"""Simulated limits: what a gateway lets pass, which the engine has to find out.

A refused call does not count. The bound is computed with the very same objects, so that whatever
they let pass is what the bound may use as well.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from collector.model.answers import Scope

SLACK = 1e-9
"""A token that is nearly there is there."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another program in the same quota: sends evenly while busy, then nothing, in turn.

    It has the right of way: its calls pass and count whatever we do, so that what is left for us
    is known to the bound.

    Attributes:
        part: of the quota, that it takes while it is busy.
    """

    part: float = 0.5
    busy_s: float = 10.0
    idle_s: float = 10.0

    def calls(self, limit: int, window_s: float) -> Iterator[float]:
        """Return when its calls arrive."""
        gap_s = window_s / (limit * self.part)
        each = max(1, round(self.busy_s / gap_s))
        began_s = 0.0
        while True:
            for number in range(each):
                yield began_s + number * gap_s
            began_s += self.busy_s + self.idle_s


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit` calls in `window_s` for each scope of a kind.

    Attributes:
        windows: fixed, sliding or bucket.
        only: the one call that counts; absent: all.
        changes: when the limit becomes another, in order.
        of: the name of the one scope that has it; absent: each of the kind.
    """

    kind: ScopeKind
    limit: int
    window_s: float
    windows: str = "sliding"
    only: Call | None = None
    changes: tuple[tuple[float, int], ...] = ()
    neighbour: Neighbour | None = None
    of: str | None = None

    def holds(self, scope: Scope, call: Call) -> bool:
        """Whether a call that passes a scope is counted there."""
        return (
            scope.kind is self.kind and self.only in (None, call) and self.of in (None, scope.name)
        )

    @property
    def rate(self) -> float:
        """Calls a second, at first."""
        return self.limit / self.window_s

    def limit_at(self, at_s: float) -> int:
        """Return the limit at a time."""
        return next(
            (limit for since_s, limit in reversed(self.changes) if since_s <= at_s), self.limit
        )


class Quota:
    """One scope's count under a limit; asked at times that never go back."""

    def __init__(self, spec: Limit) -> None:
        self.spec = spec
        self.limit = spec.limit
        self._changes = deque(spec.changes)
        self._neighbour = (
            spec.neighbour.calls(spec.limit, spec.window_s) if spec.neighbour else iter(())
        )
        self._neighbour_s = next(self._neighbour, math.inf)

    def free_at(self, at_s: float) -> float:
        """Return `at_s` if a call passes then, else the soonest time when one might."""
        self._advance(at_s)
        free_s = self._free_at(at_s)
        if free_s > at_s and self._changes:
            return min(free_s, self._changes[0][0])
        return free_s

    def take(self, at_s: float) -> None:
        """Count a call that passes."""
        self._count(at_s)

    def remaining(self, at_s: float) -> int:
        """Return how many more would pass now."""
        self._advance(at_s)
        return max(0, self._remaining(at_s))

    def _advance(self, at_s: float) -> None:
        while self._changes and self._changes[0][0] <= at_s:
            changed_s, limit = self._changes.popleft()
            self._change(changed_s, limit)
        while self._neighbour_s <= at_s:
            self._count(self._neighbour_s)
            self._neighbour_s = next(self._neighbour, math.inf)

    def _change(self, at_s: float, limit: int) -> None:  # noqa: ARG002  # the bucket's needs it
        self.limit = limit

    def _free_at(self, at_s: float) -> float:
        raise NotImplementedError

    def _remaining(self, at_s: float) -> int:
        raise NotImplementedError

    def _count(self, at_s: float) -> None:
        raise NotImplementedError


class SlidingQuota(Quota):
    """At most `limit` in any stretch of `window_s`."""

    def __init__(self, spec: Limit) -> None:
        super().__init__(spec)
        self._leave_s: deque[float] = deque()

    def _free_at(self, at_s: float) -> float:
        free = self._remaining(at_s)
        return at_s if free > 0 else self._leave_s[-free]

    def _remaining(self, at_s: float) -> int:
        leave_s = self._leave_s
        while leave_s and leave_s[0] <= at_s:
            leave_s.popleft()
        return self.limit - len(leave_s)

    def _count(self, at_s: float) -> None:
        self._leave_s.append(at_s + self.spec.window_s)


class FixedQuota(Quota):
    """At most `limit` in each window; windows follow one another from `phase_s` on."""

    def __init__(self, spec: Limit, phase_s: float) -> None:
        super().__init__(spec)
        self._ends_s = phase_s
        self._used = 0

    def _free_at(self, at_s: float) -> float:
        return at_s if self._remaining(at_s) > 0 else self._ends_s

    def _remaining(self, at_s: float) -> int:
        if at_s >= self._ends_s:
            whole = math.floor((at_s - self._ends_s) / self.spec.window_s) + 1
            self._ends_s += whole * self.spec.window_s
            if self._ends_s <= at_s:
                self._ends_s += self.spec.window_s
            self._used = 0
        return self.limit - self._used

    def _count(self, at_s: float) -> None:
        self._remaining(at_s)
        self._used += 1


class BucketQuota(Quota):
    """A bucket of `limit` tokens, full at first and filled evenly."""

    def __init__(self, spec: Limit) -> None:
        super().__init__(spec)
        self._tokens = float(spec.limit)
        self._filled_s = 0.0

    def _free_at(self, at_s: float) -> float:
        self._fill(at_s)
        if self._tokens >= 1 - SLACK:
            return at_s
        return at_s + (1 - self._tokens) * self.spec.window_s / self.limit

    def _remaining(self, at_s: float) -> int:
        self._fill(at_s)
        return math.floor(self._tokens + SLACK)

    def _count(self, at_s: float) -> None:
        self._fill(at_s)
        self._tokens -= 1

    def _change(self, at_s: float, limit: int) -> None:
        self._fill(at_s)
        self.limit = limit
        self._tokens = min(self._tokens, float(limit))

    def _fill(self, at_s: float) -> None:
        filled = (at_s - self._filled_s) * self.limit / self.spec.window_s
        self._tokens = min(float(self.limit), self._tokens + filled)
        self._filled_s = at_s


class Running:
    """How many exports run at once in a project: a POST over it is refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._ends_s: list[float] = []

    def free_at(self, at_s: float) -> float:
        """Return `at_s` if one more may start then, else when the next one ends."""
        while self._ends_s and self._ends_s[0] <= at_s:
            heapq.heappop(self._ends_s)
        return at_s if len(self._ends_s) < self.limit else self._ends_s[0]

    def start(self, ends_s: float) -> None:
        """Count an export until it ends."""
        heapq.heappush(self._ends_s, ends_s)


Gate = Quota | Running


class Gateway:
    """All limits, each scope's count made when it is first met.

    Args:
        limits: on calls.
        exports_running: on exports that run at once in a project; absent: none.
        scopes: of a project's call.
        seed: of the phase of fixed windows.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        *,
        exports_running: int | None,
        scopes: Callable[[int, Call], tuple[Scope, ...]],
        seed: int,
    ) -> None:
        self._limits = limits
        self._exports_running = exports_running
        self._scopes = scopes
        self._seed = seed
        self._quotas: dict[tuple[int, str], Quota] = {}
        self._running: dict[int, Running] = {}
        self._passed: dict[tuple[int, Call], tuple[Quota, ...]] = {}

    def blocks(self, project: int, call: Call, at_s: float) -> Gate | None:
        """Return the first that lets the call not pass now; None: it passes."""
        for quota in self.quotas(project, call):
            if quota.free_at(at_s) > at_s:
                return quota
        if call is Call.START_EXPORT and (running := self._running_of(project)) is not None:
            return running if running.free_at(at_s) > at_s else None
        return None

    def free_at(self, project: int, call: Call, at_s: float) -> float:
        """Return `at_s` if the call passes then, else the soonest time when it might."""
        free_s = max((q.free_at(at_s) for q in self.quotas(project, call)), default=at_s)
        if call is Call.START_EXPORT and (running := self._running_of(project)) is not None:
            free_s = max(free_s, running.free_at(at_s))
        return free_s

    def take(self, project: int, call: Call, at_s: float, duration_s: float) -> None:
        """Count a call that passes, and the export that it starts."""
        for quota in self.quotas(project, call):
            quota.take(at_s)
        if call is Call.START_EXPORT and (running := self._running_of(project)) is not None:
            running.start(at_s + duration_s)

    def quotas(self, project: int, call: Call) -> tuple[Quota, ...]:
        """Return the counts that a call has to pass."""
        found = self._passed.get((project, call))
        if found is None:
            found = tuple(
                self._quota(number, scope.name)
                for number, limit in enumerate(self._limits)
                for scope in self._scopes(project, call)
                if limit.holds(scope, call)
            )
            self._passed[project, call] = found
        return found

    @property
    def gates(self) -> int:
        """How many scopes were met."""
        return len(self._quotas) + len(self._running)

    def _quota(self, number: int, name: str) -> Quota:
        quota = self._quotas.get((number, name))
        if quota is None:
            quota = self._quotas[number, name] = self._made(number, name)
        return quota

    def _made(self, number: int, name: str) -> Quota:
        limit = self._limits[number]
        if limit.windows == "sliding":
            return SlidingQuota(limit)
        if limit.windows == "bucket":
            return BucketQuota(limit)
        chance = random.Random(f"phase {self._seed} {number} {name}")  # noqa: S311  # a simulation
        return FixedQuota(limit, chance.uniform(0, limit.window_s))

    def _running_of(self, project: int) -> Running | None:
        if self._exports_running is None:
            return None
        running = self._running.get(project)
        if running is None:
            running = self._running[project] = Running(self._exports_running)
        return running
