"""Whether a project's calls are accepted with the secret that they carry."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.alone import Alone
from collector.engine.admission.credential_health import CredentialHealth

if TYPE_CHECKING:
    from collections.abc import Hashable

    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.model.answers import Problem


@dataclass(slots=True, eq=False)
class ProjectAdmission:
    """What answers have shown of a secret in one of the projects that it serves.

    Until the first call of a project is accepted, it sends one alone: a token may be good for
    another project only.

    Attributes:
        project: its number.
        secret: what its calls carry; other projects' may carry it, too.
        breaker: of its endpoint.
        servers: how many of its servers are not at their end.
        accepted: whether its calls leave freely: the secret is accepted, and was in this project.
        known: whether a call of this project was ever accepted.
        doubted: why its call was refused, while another project finds out about the secret.
        refused: why none of its servers is worth a call any more.
        refusals: refusals in a row, while other projects are accepted.
        next_s: when it may be tried next.
        alone: calls in flight that are not known to be accepted.
    """

    project: int = 0
    secret: CredentialHealth = field(default_factory=CredentialHealth)
    breaker: EndpointBreaker | None = None
    servers: int = 0
    accepted: bool = False
    known: bool = False
    doubted: Problem | None = None
    refused: Problem | None = None
    refusals: int = 0
    next_s: float = -math.inf
    alone: Alone = field(default_factory=Alone)

    def __post_init__(self) -> None:
        self.secret.projects.append(self)

    def closed(self, now_s: float) -> tuple[Hashable, float] | None:
        """Return what holds up its next call, and until when; infinite: until an answer."""
        secret = self.secret
        if not secret.accepted:
            if (at_s := secret.opens_s) > now_s:
                return secret, at_s
            if (at_s := secret.sign_in.opens_s) > now_s:
                return secret.sign_in, at_s
        if self.doubted is not None or (not self.known and self.alone.is_closed):
            return self, math.inf
        return (self, self.next_s) if self.next_s > now_s else None

    @property
    def again_s(self) -> float:
        """When it may ask after its endpoint; infinite: when others have."""
        if self.accepted:
            return -math.inf
        if self.doubted is not None:
            return math.inf
        return max(self.next_s, self.secret.next_s, self.secret.sign_in.next_s)

    @property
    def can_be_asked(self) -> bool:
        """Whether a call of it can still tell whether the secret is any good."""
        if self.doubted is not None or self.refused is not None or not self.servers:
            return False
        return self.breaker is None or not self.breaker.given_up

    @property
    def all_alone(self) -> tuple[Alone, ...]:
        """Those that count a call that is not known to be accepted."""
        return self.alone, self.secret.alone, self.secret.sign_in.alone
