"""`Source`: which secret calls carry now, whatever kind of credentials it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from collector.model.answers import Problem
    from collector.providers.clouddc.signin.secret import Secret
    from collector.providers.http.transport import Transport
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets


@dataclass(frozen=True, slots=True)
class Means:
    """What sources work with, once calls can be made.

    Attributes:
        transport: sends requests of their own.
        tasks: what they do beside calls, until the last one is made.
        secrets: where what they find is made known.
    """

    transport: Transport = field(repr=False)
    tasks: TaskGroup = field(repr=False)
    secrets: Secrets


class Offer(NamedTuple):
    """What a call may carry.

    Attributes:
        secret: the latest.
        spare: the one before it, where that still holds: for calls that need not wait until the
            latest is accepted.
    """

    secret: Secret
    spare: Secret | None = None


class Source(Protocol):
    """Where the secrets of one entry come from."""

    @property
    def hint(self) -> str:
        """What to do where the service refuses them."""

    def make_known(self, secrets: Secrets) -> None:
        """Make known what was read already."""

    def enter(self, means: Means) -> None:
        """Begin: from now on calls are made."""

    async def offer(self, project: ProjectAddress) -> Offer | Problem:
        """Return what a call for a project may carry, renewed if need be."""

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Take in that a secret was refused; tell whether calls would carry another one now."""

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Take in that a secret was accepted, after it was new or refused."""
