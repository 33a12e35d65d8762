"""What a person and the machine allow at once, and whether credentials are accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.answers import ProblemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.engine.answers import Problem

CALLS_IN_FLIGHT = 256
"""Small calls under way at once: more only fills queues on the way."""
STORING = 64
"""Archives received and not yet on disk: a slow disk is felt by the sender, not by the memory."""
QUIET = 768
"""Calls that hang and hold no place any more; beyond that, they do."""
EXPORT_S = 3600.0
"""An export that has not completed this long after its start is given up."""

GRACE_S = 5.0
"""What a person who presses Ctrl-C is ready to wait."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a person allows, and what the machine has room for.

    Attributes:
        downloads: archives on their way at once.
        calls: small calls under way at once.
        storing: archives received and not yet on disk.
        quiet: calls, small ones and downloads, that hang and are not counted above.
        max_attempts: tries of one step of one server.
        exports_in_flight: exports that run at once, by project; absent where there is no ceiling.
        deadline_s: when the run ends, on the engine's clock.
        export_s: seconds after its start at which an export that is still running is given up.
        download_s: seconds that the tries of one download may take, together.
        grace_s: seconds that a stop waits for downloads that are under way.
    """

    downloads: int = 8
    calls: int = CALLS_IN_FLIGHT
    storing: int = STORING
    quiet: int = QUIET
    max_attempts: int = 4
    exports_in_flight: Mapping[int, int] = field(default_factory=dict)
    deadline_s: float = math.inf
    export_s: float = EXPORT_S
    download_s: float = math.inf
    grace_s: float = GRACE_S


REFUSALS_APART_S = 1.0
"""A credential that was refused twice is tried again after so long, and then after twice as long:
whoever renews it may be about to."""
SAYS_NOTHING_OF_THE_SECRET = frozenset({ProblemKind.THROTTLED, ProblemKind.UNREADABLE})
"""Answers of a gateway or a proxy, which may not have looked at the secret."""


@dataclass(slots=True)
class Secret:
    """What answers have shown of a credential: until it is accepted, it sends one call alone.

    One server's refusal is no evidence where others were accepted after its call had left, nor is
    that of a server that was refused before.

    Attributes:
        accepted: whether it was, since it was last refused.
        proven: whether it ever was.
        refused: why nothing that needs it is worth a call any more.
        refusals: refusals in a row; those of calls that were under way together are one.
        under_way: calls that carry it and are not answered.
        next_s: when the next call may carry it, while it is not accepted.
        refused_servers: those that were refused, and not accepted since.
    """

    accepted: bool = False
    proven: bool = False
    refused: Problem | None = None
    refusals: int = 0
    under_way: int = 0
    next_s: float = -math.inf
    refused_servers: set[int] = field(default_factory=set)
    _refused_s: float = -math.inf
    _accepted_s: float = -math.inf

    def heard(self, problem: Problem | None, server: int, sent_s: float, now_s: float) -> None:
        """Process an answer to a call for a server that carried it, sent at `sent_s`."""
        if problem is not None and problem.kind is ProblemKind.UNAUTHENTICATED:
            self._heard_refusal(server, sent_s, now_s, renewed=problem.renewed)
            return
        looked_at = problem is None or (
            problem.http_status is not None
            and problem.kind not in SAYS_NOTHING_OF_THE_SECRET
            and (problem.kind is not ProblemKind.NOT_READY or problem.code is not None)
        )
        if looked_at and sent_s >= self._refused_s:
            self.accepted = self.proven = True
            self.refusals = 0
            self._accepted_s = now_s
            self.next_s = -math.inf
            self.refused_servers.discard(server)

    def _heard_refusal(self, server: int, sent_s: float, now_s: float, *, renewed: bool) -> None:
        is_known = server in self.refused_servers
        self.refused_servers.add(server)
        if self.accepted and not renewed and (is_known or sent_s < self._accepted_s):
            return
        self.accepted = False
        if sent_s >= self._refused_s:
            self.refusals = 0 if renewed else self.refusals + 1
            self._refused_s = now_s
            self.next_s = now_s + REFUSALS_APART_S * max(0, self.refusals - 1)


@dataclass(slots=True)
class Exports:
    """Exports of a project that are requested or running, and how many there may be.

    Attributes:
        ceiling: what a person allows; infinite where nobody wrote one.
    """

    ceiling: float = math.inf
    _servers: set[int] = field(default_factory=set)

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._servers)

    @property
    def full(self) -> bool:
        """Whether no more may run."""
        return self.running >= self.ceiling

    def count(self, server: int, *, runs: bool) -> None:
        """Record whether a server's export is requested or running."""
        if runs:
            self._servers.add(server)
        else:
            self._servers.discard(server)
