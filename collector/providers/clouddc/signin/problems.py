"""Problems of signing in: no call to the fleet's API was made."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from collector.model.answers import Problem, ProblemKind

LONGEST_WAIT_S: Final = 900.0
"""What is asked for beyond it is passed on, and not kept to: it may be asked in error."""


def final(message: str, hint: str | None = None) -> Problem:
    """Return a problem that lasts as long as the secret is the same."""
    return Problem(ProblemKind.UNAUTHENTICATED, message, hint=hint, sign_in=True)


def passing(message: str, retry_after_s: float, hint: str | None = None) -> Problem:
    """Return a problem that may be over after so many seconds."""
    return replace(final(message, hint), retry_after_s=retry_after_s)


def wait_s(problem: Problem) -> float:
    """Return how long nobody asks again after a problem; 0 for one that is final."""
    return min(LONGEST_WAIT_S, problem.retry_after_s or 0.0)
