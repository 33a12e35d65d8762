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
LOST: Final = frozenset({_P.NOT_SENT, _P.CUT})
"""Problems of an endpoint that may answer nobody."""
MORE_TRIES: Final = 2
"""Tries of an endpoint that never answered, beyond those of one call, before it is given up."""
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
        waits_max: sign-ins in a row that failed for a while, likewise.
        refused: why none is, where none is.
    """

    refusals_max: int = 1
    waits_max: int = 4
    refused: Problem | None = None
    _accepted: bool = False
    _ever: bool = False
    _in_turn: bool = False
    _refusals: int = 0
    _waits: int = 0
    _turn: int = 0
    _free_at: float = 0.0
    _alone: anyio.Lock = field(default_factory=anyio.Lock)

    async def call(
        self, make: Callable[[], Awaitable[T | Problem]], among: anyio.CapacityLimiter, line: Line
    ) -> T | Problem | NotMade:
        """Make a call when its time has come; none where it can come to nothing.

        Args:
            make: makes it.
            among: how many calls there may be at once, of all credentials.
            line: of the endpoint that it goes to.
        """
        if self._accepted and not self._in_turn:
            return await self._made(make, among, line)
        async with self._alone:
            return await self._made(make, among, line)

    async def _made(
        self, make: Callable[[], Awaitable[T | Problem]], among: anyio.CapacityLimiter, line: Line
    ) -> T | Problem | NotMade:
        await anyio.sleep_until(self._free_at)
        if (useless := self.refused or line.dead) is not None:
            return NotMade(useless)
        turn = self._turn
        async with among:
            said = await make()
        self._hear(said, late=turn != self._turn)
        return said

    def pause(self, wait_s: float, *, in_turn: bool) -> None:
        """Let no call leave for a while; `in_turn`: and from then on one after the other."""
        self._in_turn = self._in_turn or in_turn
        self._free_at = max(self._free_at, anyio.current_time() + wait_s)

    def _hear(self, said: object, *, late: bool) -> None:
        """Learn from an answer; `late`: its call left before another one was refused."""
        if isinstance(said, Problem) and said.kind is ProblemKind.UNAUTHENTICATED:
            if not late:
                self._hear_refusal(said)
        elif not isinstance(said, Problem) or said.kind not in UNHEARD:
            self._accepted = self._ever = True
            self._refusals = self._waits = 0

    def _hear_refusal(self, said: Problem) -> None:
        self._turn += 1
        if said.sign_in and said.retry_after_s is not None:
            self._waits += 1
            if self._waits >= self.waits_max:
                self.refused = said
            return
        self._accepted = False
        self._refusals += 1
        most = max(1 if said.everywhere else self.refusals_max, 1 + self._ever)
        # Another secret than the refused one is worth one more call.
        if self._refusals >= most + said.renewed:
            self.refused = said


@dataclass(slots=True)
class Line:
    """Whether an endpoint answers anybody.

    Attributes:
        unanswered: calls that were lost, while nothing was ever heard of it.
        dead: why no call is made any more; None while calls are.
    """

    unanswered: int = 0
    dead: Problem | None = None
    _answers: bool = False

    def hear(self, said: object, tries: int) -> None:
        """Learn from what came of a call; `tries` are those that one call is worth."""
        if not isinstance(said, Problem) or said.kind not in LOST:
            self._answers, self.unanswered = True, 0
        elif not self._answers:
            self.unanswered += 1
            self.dead = said if self.unanswered >= tries + MORE_TRIES else None


class NotMade:
    """A call that was not made, since its credential or its endpoint is of no use."""

    __slots__ = ("problem",)

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


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
    line: Line
    patience: Patience
    among: anyio.CapacityLimiter
    calls: int = 0
    throttled: int = 0
    attempts: int = 0

    async def ask(self, make: Callable[[], Awaitable[T | Problem]]) -> T | Problem:
        """Make a call until it is answered, or no further try is worth it."""
        tries = Tries()
        while True:
            said = await self.gate.call(make, self.among, self.line)
            if isinstance(said, NotMade):
                self.attempts = tries.all or 1
                return said.problem
            self.line.hear(said, self.patience.tries)
            if not isinstance(said, Problem):
                self.calls += 1
                return said
            self.calls += not said.sign_in
            self.throttled += said.kind is ProblemKind.THROTTLED
            wait_s = tries.wait_s(said, self.patience)
            if wait_s is None:
                self.attempts = tries.all
                return said
            if self.line.unanswered:  # others would fare no better in the meantime
                wait_s = self.patience.wait_s(said, self.line.unanswered) or wait_s
            throttled = said.kind is ProblemKind.THROTTLED
            if throttled or said.sign_in or self.line.unanswered:
                self.gate.pause(wait_s, in_turn=throttled)
            await anyio.sleep(wait_s)


@dataclass(slots=True)
class Tries:
    """The tries of one call that failed, by what they failed for."""

    failed: int = 0
    throttled: int = 0
    renewed: int = 0
    refused: int = 0

    @property
    def all(self) -> int:
        """How many there were."""
        return self.failed + self.throttled + self.renewed + self.refused

    def wait_s(self, said: Problem, patience: Patience) -> float | None:
        """Count a try; return how long to wait before the next one, None where none is worth it."""
        if said.kind is ProblemKind.THROTTLED:
            self.throttled += 1
            return patience.wait_s(said, self.throttled) if self._may(patience) else None
        if said.kind in PASSING or (said.sign_in and said.retry_after_s is not None):
            self.failed += 1
            return patience.wait_s(said, self.failed) if self._may(patience) else None
        if said.renewed and not self.renewed:
            self.renewed = 1
            return 0.0
        self.refused += 1
        return None

    def _may(self, patience: Patience) -> bool:
        return self.throttled < patience.throttled and self.failed < patience.tries
