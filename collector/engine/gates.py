"""What may be under way at once: limits on how many, where pacing is about how often."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.answers import Call, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.engine.answers import Problem

CALLS_IN_FLIGHT = 256
"""Small calls under way at once: more only fills queues on the way."""
STORING = 64
"""Archives received and not yet on disk: a slow disk is felt by the sender, not by the memory."""
FIRST_PROBE_S = 1.0
LONGEST_PROBE_S = 30.0
NEVER_ANSWERED_PATIENCE_S = 60.0
"""An endpoint that has not answered once is given up after this long: its name may be wrong."""
ANSWERED_PATIENCE_S = 3600.0
EXPORT_S = 3600.0
"""An export that has not completed this long after its start is given up."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a person allows.

    Attributes:
        downloads: archives on their way at once.
        max_attempts: tries of one step of one server.
        exports_in_flight: exports that run at once, by project; absent where there is no ceiling.
        deadline_s: when the run ends, on the engine's clock.
        export_s: seconds after its start at which an export that is still running is given up.
    """

    downloads: int = 8
    max_attempts: int = 4
    exports_in_flight: Mapping[int, int] = field(default_factory=dict)
    deadline_s: float = math.inf
    export_s: float = EXPORT_S


SAYS_NOTHING_OF_THE_SECRET = frozenset({ProblemKind.THROTTLED, ProblemKind.UNREADABLE})
"""Answers of a gateway or a proxy, which may not have looked at the secret."""


@dataclass(slots=True)
class Secret:
    """What answers have shown of a credential: until it is accepted, it sends one call alone.

    Attributes:
        accepted: whether it was, since it was last refused.
        proven: whether it ever was.
        refused: why nothing that needs it is worth a call any more.
        refusals: refusals in a row; those of calls that were under way together are one.
    """

    accepted: bool = False
    proven: bool = False
    refused: Problem | None = None
    refusals: int = 0
    _refused_s: float = -math.inf

    def heard(self, problem: Problem | None, sent_s: float, now_s: float) -> None:
        """Take note of an answer to a call that carried it, sent at `sent_s`."""
        if problem is not None and problem.kind is ProblemKind.UNAUTHENTICATED:
            self.accepted = False
            if sent_s >= self._refused_s:
                self.refusals = 0 if problem.renewed else self.refusals + 1
                self._refused_s = now_s
            return
        looked_at = problem is None or (
            problem.http_status is not None and problem.kind not in SAYS_NOTHING_OF_THE_SECRET
        )
        if looked_at and sent_s >= self._refused_s:
            self.accepted = self.proven = True
            self.refusals = 0


@dataclass(slots=True)
class Circuit:
    """Whether an endpoint can be reached: while it cannot, one call at a time asks whether it can.

    Attributes:
        down_s: since when it cannot be reached; None while it can.
        probe_s: when the next call may ask.
        given_up: it has been asked for long enough.
    """

    answered: bool = False
    down_s: float | None = None
    probe_s: float = -math.inf
    given_up: bool = False
    _wait_s: float = FIRST_PROBE_S

    def failed(self, sent_s: float, now_s: float) -> bool:
        """Take note that a call could not be sent; return whether this is news."""
        if self.down_s is None:
            self.down_s = now_s
            self._wait_s = FIRST_PROBE_S
            self.probe_s = now_s + self._wait_s
            return True
        if sent_s >= self.probe_s:
            self._wait_s = min(LONGEST_PROBE_S, 2 * self._wait_s)
            self.probe_s = now_s + self._wait_s
        patience_s = ANSWERED_PATIENCE_S if self.answered else NEVER_ANSWERED_PATIENCE_S
        self.given_up = now_s - self.down_s >= patience_s
        return False

    def reached(self) -> bool:
        """Take note of an answer; return whether the endpoint was down."""
        was_down = self.down_s is not None
        self.answered, self.down_s, self.probe_s, self.given_up = True, None, -math.inf, False
        return was_down


class InFlight:
    """Calls under way and exports running, and whether one more may be."""

    __slots__ = (
        "_by_credential", "_by_endpoint", "_ceilings", "_downloads", "_exporting", "_small",
        "_storing", "circuits", "secrets",
    )  # fmt: skip

    def __init__(self, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._downloads = 0
        self._storing = 0
        self._small = 0
        self._by_credential: Counter[str] = Counter()
        self._by_endpoint: Counter[str] = Counter()
        self._exporting: Counter[int] = Counter()
        self.secrets: dict[str, Secret] = {}
        self.circuits: dict[str, Circuit] = {}

    def allows_at(self, call: Call, project: int, credential: str, endpoint: str) -> float:
        """Return when one more such call may be under way; infinite: when an answer has come."""
        if call is Call.FETCH_ARCHIVE:
            if self._downloads >= self._ceilings.downloads or self._storing >= STORING:
                return math.inf
        elif self._small >= CALLS_IN_FLIGHT:
            return math.inf
        if call is Call.START_EXPORT and self.exports_bind(project):
            return math.inf
        if not self.secrets[credential].accepted and self._by_credential[credential]:
            return math.inf
        circuit = self.circuits[endpoint]
        if circuit.given_up or (circuit.down_s is not None and self._by_endpoint[endpoint]):
            return math.inf
        return circuit.probe_s

    def exports_bind(self, project: int) -> bool:
        """Whether as many exports run in the project as may."""
        limit = self._ceilings.exports_in_flight.get(project)
        return limit is not None and self._exporting[project] >= limit

    def has_export_limit(self, project: int) -> bool:
        """Whether the exports that run in the project are limited."""
        return project in self._ceilings.exports_in_flight

    def left(self, call: Call, credential: str, endpoint: str) -> None:
        """Count a call that is under way from now on."""
        self._downloads += call is Call.FETCH_ARCHIVE
        self._count(call, credential, endpoint, 1)

    def came_back(self, call: Call, credential: str, endpoint: str) -> None:
        """Count a call that the API has answered; a download goes on until it has ended."""
        self._count(call, credential, endpoint, -1)

    def download_received(self) -> None:
        """Count a download whose bytes are all here, and which is still being stored."""
        self._downloads -= 1
        self._storing += 1

    def download_ended(self, *, received: bool) -> None:
        """Count a download that is no longer under way."""
        if received:
            self._storing -= 1
        else:
            self._downloads -= 1

    def exporting(self, project: int, change: int) -> None:
        """Count exports requested or running: `change` more, or less."""
        self._exporting[project] += change

    def _count(self, call: Call, credential: str, endpoint: str, change: int) -> None:
        if call is not Call.FETCH_ARCHIVE:
            self._small += change
        self._by_credential[credential] += change
        self._by_endpoint[endpoint] += change
