"""Whether signing in with a credential works, where that takes calls to another service."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.alone import Alone

if TYPE_CHECKING:
    from collector.engine.admission.credential_health import CredentialHealth
    from collector.model.answers import Problem

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Before the next try, doubled each time; longer where the service asks for it."""
FIRST_TRIES = 4
FIRST_PATIENCE_S = 120.0
"""A credential that was never accepted is tried so often, and for so long."""
PATIENCE_S = 900.0
"""One that was accepted is tried for so long."""
TAKES_S = 5.0
"""Where a project signs in by itself, its first call is not called silent for this long."""


@dataclass(slots=True, eq=False)
class SignIn:
    """What answers have shown of signing in with one credential.

    Projects with secrets of their own share it: the service that they sign in to is the same. While
    it does not work, those whose secrets are accepted go on, and the others wait for one try.

    Attributes:
        name: of the credential.
        secrets: those that are had by it.
        takes_s: how long it may take.
        proven: whether a call with it was ever accepted.
        problem: why it does not work now; None while nothing is known to be amiss.
        tries: how often it has failed in a row.
        next_s: when it may be tried next.
        alone: calls in flight that are not known to be accepted.
    """

    name: str = ""
    secrets: list[CredentialHealth] = field(default_factory=list)
    takes_s: float = 0.0
    proven: bool = False
    problem: Problem | None = None
    tries: int = 0
    next_s: float = -math.inf
    alone: Alone = field(default_factory=Alone)
    _first_s: float = math.inf
    _failed_s: float = -math.inf

    @property
    def opens_s(self) -> float:
        """When a call may leave that is not known to be accepted; infinite: upon an answer."""
        if (self.problem is not None or not self.proven) and self.alone.is_closed:
            return math.inf
        return self.next_s

    def is_late(self, sent_s: float) -> bool:
        """Whether a call that left at `sent_s` belongs to a failure that is known already."""
        return sent_s < self._failed_s

    def failed(self, problem: Problem, sent_s: float, now_s: float) -> bool:
        """Record that signing in did not work and may later; return whether it is given up."""
        self.problem = problem
        self.tries += 1
        self._failed_s = now_s
        self._first_s = min(self._first_s, sent_s)
        asked_s = problem.retry_after_s or 0.0
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self.tries - 1, 16))
        self.next_s = now_s + (max(wait_s, asked_s))
        tried_s = self.next_s - self._first_s
        if self.proven:
            return tried_s > PATIENCE_S
        return self.tries >= FIRST_TRIES or tried_s > FIRST_PATIENCE_S

    def works(self) -> None:
        """Record that it works, or begin anew."""
        self.problem = None
        self.tries = 0
        self.next_s = -math.inf
        self._first_s = math.inf

    def slept(self, jump_s: float) -> None:
        """Leave a time out of account in which nobody asked."""
        self._first_s += jump_s
