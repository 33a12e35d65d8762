"""Asks for one page: again where that may help, and alone until its credential is accepted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from collector.model.answers import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_P = ProblemKind
PASSING: Final = frozenset({_P.NOT_SENT, _P.CUT, _P.UNREADABLE, _P.SERVICE_FAILED, _P.NOT_READY})
"""Problems that another try may not have."""
UNHEARD: Final = frozenset({*PASSING, _P.THROTTLED})
"""Problems that say nothing about the credential."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and how long is waited in between.

    Attributes:
        tries: of a call that fails for a reason that may pass.
        throttled: refusals of one call as too many.
        first_s: the first wait; each further one is twice as long.
        longest_s: the longest wait that is believed or taken.
    """

    tries: int = 4
    throttled: int = 10
    first_s: float = 1.0
    longest_s: float = 120.0

    def wait_s(self, problem: Problem, turn: int) -> float | None:
        """Return how long to wait before the next try; None where that would be too long.

        Args:
            problem: of the last try.
            turn: how many tries have failed so.
        """
        if problem.retry_after_s is not None:
            return problem.retry_after_s if problem.retry_after_s <= self.longest_s else None
        told_s = max((one.window_s for one in problem.metadata.limits), default=0.0)
        waited_s = self.first_s * 2.0 ** (turn - 1) * random.uniform(0.8, 1.2)  # noqa: S311  # no secret
        return min(self.longest_s, max(told_s if turn == 1 else 0.0, waited_s))


@dataclass(slots=True)
class Gate:
    """What is known of one credential: whether the service accepts it, and how fast it may call.

    Until it is accepted, and after each refusal, one call is made alone while others wait. A
    service locks a key or a user after some refusals in a row; those that would come are not made.

    Attributes:
        refusals_max: refusals in a row after which no call is made any more.
        refused: why none is, where none is.
    """

    refusals_max: int = 1
    refused: Problem | None = None
    _accepted: bool = False
    _in_turn: bool = False
    _refusals: int = 0
    _free_at: float = 0.0
    _alone: anyio.Lock = field(default_factory=anyio.Lock)

    async def call(
        self, make: Callable[[], Awaitable[T | Problem]], among: anyio.CapacityLimiter
    ) -> T | Problem | None:
        """Make a call when its time has come; None where it is not made any more.

        Args:
            make: makes it.
            among: how many calls there may be at once, of all credentials.
        """
        if self._accepted and not self._in_turn:
            return await self._made(make, among)
        async with self._alone:
            return await self._made(make, among)

    async def _made(
        self, make: Callable[[], Awaitable[T | Problem]], among: anyio.CapacityLimiter
    ) -> T | Problem | None:
        await anyio.sleep_until(self._free_at)
        if self.refused is not None:
            return None
        async with among:
            said = await make()
        self._hear(said)
        return said

    def pause(self, wait_s: float) -> None:
        """Let no call leave for a while, and from then on one after the other."""
        self._in_turn = True
        self._free_at = max(self._free_at, anyio.current_time() + wait_s)

    def _hear(self, said: object) -> None:
        kind = said.kind if isinstance(said, Problem) else None
        if isinstance(said, Problem) and kind is ProblemKind.UNAUTHENTICATED:
            if said.sign_in and said.retry_after_s is not None:
                return
            ever = self._accepted
            self._accepted = False
            self._refusals += 1
            # Another secret than the refused one is worth one more call.
            most = max(1 if said.everywhere else self.refusals_max, 1 + ever)
            if self._refusals >= most + said.renewed:
                self.refused = said
        elif kind not in UNHEARD:
            self._accepted, self._refusals = True, 0


@dataclass(slots=True)
class Asker:
    """Makes the list calls of one project, and counts them.

    Attributes:
        among: how many calls there may be at once, of all projects.
        calls: how many were made.
        throttled: how many of them were refused as too many.
        attempts: tries of the call that failed for good; 0 where none did.
    """

    gate: Gate
    patience: Patience
    among: anyio.CapacityLimiter
    calls: int = 0
    throttled: int = 0
    attempts: int = 0

    async def ask(self, make: Callable[[], Awaitable[T | Problem]]) -> T | Problem:
        """Make a call until it is answered, or no further try is worth it."""
        failed = throttled = renewed = 0
        while True:
            said = await self.gate.call(make, self.among)
            if said is None:
                self.attempts = max(1, failed + throttled)
                return _not_asked(self.gate.refused)
            if not isinstance(said, Problem):
                self.calls += 1
                return said
            self.calls += not said.sign_in
            wait_s: float | None = None
            if said.kind is ProblemKind.THROTTLED or said.sign_in:
                throttled += 1
                self.throttled += not said.sign_in
                if throttled < self.patience.throttled and self._may_pass(said):
                    wait_s = self.patience.wait_s(said, throttled)
                    self.gate.pause(wait_s or 0.0)
            elif said.kind in PASSING:
                failed += 1
                if failed < self.patience.tries:
                    wait_s = self.patience.wait_s(said, failed)
            elif said.renewed and not renewed:
                renewed, wait_s = 1, 0.0
            if wait_s is None:
                self.attempts = failed + throttled + renewed or 1
                return said
            await anyio.sleep(wait_s)

    @staticmethod
    def _may_pass(said: Problem) -> bool:
        return not said.sign_in or said.retry_after_s is not None


def _not_asked(refused: Problem | None) -> Problem:
    """Return the problem of a call that was not made, since its credential is refused."""
    if refused is None:
        raise RuntimeError("a call that is made has an answer")
    return refused
