"""What is to be found out about an endpoint, and what those that are down have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.model.actions import Request


@dataclass(slots=True)
class Question:
    """An endpoint that seems to answer nobody, until a probe tells.

    Attributes:
        why: what was noticed, for a person to read.
        hint: what a person can do about it.
        not_sent: calls do not even get there.
        silent: nothing comes back.
        asked_s: when the probes left; None before.
        rounds: how often some were asked.
        probes: those that are unanswered.
    """

    why: str
    hint: str | None = None
    not_sent: bool = False
    silent: bool = False
    asked_s: float | None = None
    rounds: int = 0
    probes: list[Request] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether other calls wait for its answer: they would fare no better."""
        return self.not_sent or self.silent


@dataclass(slots=True)
class Outages:
    """What the endpoints of a run that are down have in common.

    Attributes:
        waiting: servers that wait for one of them.
        given_up: those that have been probed for long enough.
    """

    waiting: int = 0
    given_up: dict[EndpointBreaker, None] = field(default_factory=dict)
