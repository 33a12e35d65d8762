"""Whether the service accepts a credential, as answers have shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.model.answers import ProblemKind

if TYPE_CHECKING:
    from collector.model.answers import Problem

REFUSALS_APART_S = 1.0
"""A credential that was refused twice is tried again after so long, and then after twice as long:
whoever renews it may be about to."""
SAYS_NOTHING_OF_THE_CREDENTIAL = frozenset({ProblemKind.THROTTLED, ProblemKind.UNREADABLE})
"""Answers of a gateway or a proxy, which may not have looked at the credential."""


@dataclass(slots=True, eq=False)
class CredentialHealth:
    """What answers have shown of a credential: until it is accepted, it sends one call alone.

    One server's refusal is no evidence where others were accepted after its call had left, nor is
    that of a server that was refused before.

    Attributes:
        accepted: whether it was, since it was last refused.
        proven: whether it ever was.
        refused: why nothing that needs it is worth a call any more.
        refusals: refusals in a row; those of calls that were in flight together are one.
        in_flight: calls that carry it and are not answered.
        next_s: when the next call may carry it, while it is not accepted.
        refused_servers: those that were refused, and not accepted since.
    """

    accepted: bool = False
    proven: bool = False
    refused: Problem | None = None
    refusals: int = 0
    in_flight: int = 0
    next_s: float = -math.inf
    refused_servers: set[int] = field(default_factory=set)
    _refused_s: float = -math.inf
    _accepted_s: float = -math.inf

    @property
    def is_doubted(self) -> bool:
        """Whether it was accepted once and then refused, and that is not its end."""
        return self.proven and not self.accepted and self.refused is None

    @property
    def opens_s(self) -> float:
        """When a call may carry it that is not accepted; infinite: when an answer has come."""
        return math.inf if self.in_flight else self.next_s

    def answered(self, problem: Problem | None, server: int, sent_s: float, now_s: float) -> None:
        """Process an answer to a call for a server that carried it, sent at `sent_s`."""
        if problem is not None and problem.kind is ProblemKind.UNAUTHENTICATED:
            self._refused(server, sent_s, now_s, renewed=problem.renewed)
            return
        looked_at = problem is None or (
            problem.http_status is not None
            and problem.kind not in SAYS_NOTHING_OF_THE_CREDENTIAL
            and (problem.kind is not ProblemKind.NOT_READY or problem.code is not None)
        )
        if looked_at and sent_s >= self._refused_s:
            self.accepted = self.proven = True
            self.refusals = 0
            self._accepted_s = now_s
            self.next_s = -math.inf
            self.refused_servers.discard(server)

    def _refused(self, server: int, sent_s: float, now_s: float, *, renewed: bool) -> None:
        is_known = server in self.refused_servers
        self.refused_servers.add(server)
        if self.accepted and not renewed and (is_known or sent_s < self._accepted_s):
            return
        self.accepted = False
        if sent_s >= self._refused_s:
            self.refusals = 0 if renewed else self.refusals + 1
            self._refused_s = now_s
            self.next_s = now_s + REFUSALS_APART_S * max(0, self.refusals - 1)
