"""Problems of signing in: no call to the fleet's API was made."""

from __future__ import annotations

from dataclasses import replace

from collector.model.answers import Problem, ProblemKind


def final(message: str, hint: str | None = None) -> Problem:
    """Return a problem that lasts as long as the secret is the same."""
    return Problem(ProblemKind.UNAUTHENTICATED, message, hint=hint, sign_in=True)


def passing(message: str, retry_after_s: float, hint: str | None = None) -> Problem:
    """Return a problem that may be over after so many seconds."""
    return replace(final(message, hint), retry_after_s=retry_after_s)
