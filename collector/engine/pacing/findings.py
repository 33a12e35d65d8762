"""What answers have taught of a scope's limit, for whoever reports it."""

from __future__ import annotations

from dataclasses import dataclass

from collector.model.answers import Scope  # noqa: TC001  # named in the dataclasses below


@dataclass(frozen=True, slots=True)
class Learned:
    """What is newly held to be true of a scope: `limit` calls in `window_s`.

    `source` is as in `events.LimitLearned`.
    """

    scope: Scope
    limit: float
    window_s: float
    source: str


@dataclass(frozen=True, slots=True)
class LearnedExports:
    """So many exports may run at once in a scope, by all that was let through and refused."""

    scope: Scope
    limit: int


@dataclass(frozen=True, slots=True)
class Disbelieved:
    """Something the service said of a scope that cannot be meant so.

    `about`: "limit", "wait" or "headers": of each it is reported once.
    """

    scope: Scope
    about: str
    message: str


WORTH_TELLING_S = 30.0
"""A wait that is told: a person may wonder why nothing happens."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The service asked to wait until then, on the engine's clock; or with one server alone."""

    scope: Scope
    until_s: float
    server: int | None = None


Finding = Learned | LearnedExports | Disbelieved | Asked
