"""What may be under way at once: limits on how many, where pacing is about how often."""

from __future__ import annotations

import math
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
"""An endpoint that has not answered once is given up after this long: its name may be wrong.
Where there is a deadline, that is waited for."""
ANSWERED_PATIENCE_S = 3600.0
"""One that has is asked for so long; where there is a deadline, until then."""
SUSPECTS = 3
"""So many servers in a row whose calls came to no answer, and it is the endpoint that is down."""
UNANSWERED_PATIENCE_S = 600.0
"""One that takes calls and answers none is asked for so long: it may be these servers after all."""
DISK_PATIENCE_S = 600.0
"""A disk that takes no archive is given up after this long: room is made by people."""
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
    max_attempts: int = 4
    exports_in_flight: Mapping[int, int] = field(default_factory=dict)
    deadline_s: float = math.inf
    export_s: float = EXPORT_S
    download_s: float = math.inf
    grace_s: float = GRACE_S


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
        under_way: calls that carry it and are not answered.
    """

    accepted: bool = False
    proven: bool = False
    refused: Problem | None = None
    refusals: int = 0
    under_way: int = 0
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

    It cannot where a request does not get there; and where those that do come to no answer of the
    service, for one server after another: a network that drops everything, a proxy's own page. The
    disk that archives are written to has one as well.

    Attributes:
        down_s: since when it cannot be reached; None while it can.
        probe_s: when the next call may ask.
        given_up: it has been asked for long enough.
        under_way: calls to it that are not answered.
        patience_s: for how long one that has answered before is asked.
        first_patience_s: for how long one that never has.
    """

    answered: bool = False
    down_s: float | None = None
    probe_s: float = -math.inf
    given_up: bool = False
    under_way: int = 0
    patience_s: float = ANSWERED_PATIENCE_S
    first_patience_s: float = NEVER_ANSWERED_PATIENCE_S
    _suspects: set[int] = field(default_factory=set)
    _takes_calls: bool = False
    _wait_s: float = FIRST_PROBE_S

    @property
    def is_closed(self) -> bool:
        """Whether no call may leave before another has come back, or at all."""
        return self.given_up or (self.down_s is not None and self.under_way > 0)

    def failed(self, sent_s: float, now_s: float) -> bool:
        """Take note that a call could not be sent; return whether this is news."""
        self._takes_calls = False
        return self._is_down(sent_s, now_s)

    def _is_down(self, sent_s: float, now_s: float) -> bool:
        if self.down_s is None:
            self.down_s = now_s
            self._wait_s = FIRST_PROBE_S
            self.probe_s = now_s + self._wait_s
            return True
        if sent_s >= self.probe_s:
            self._wait_s = min(LONGEST_PROBE_S, 2 * self._wait_s)
            self.probe_s = now_s + self._wait_s
        patience_s = self.patience_s if self.answered else self.first_patience_s
        if self._takes_calls and patience_s < math.inf:
            patience_s = UNANSWERED_PATIENCE_S
        self.given_up = now_s - self.down_s >= patience_s
        return False

    def unanswered(self, server: int, sent_s: float, now_s: float) -> bool:
        """Take note of a call for a server that came to no answer; return whether this is news."""
        self._suspects.add(server)
        if self.down_s is None:
            if len(self._suspects) < SUSPECTS:
                return False
            self._takes_calls = True
        return self._is_down(sent_s, now_s)

    def slept(self, jump_s: float) -> None:
        """Take note of a time in which nobody asked."""
        if self.down_s is not None:
            self.down_s += jump_s

    def reached(self) -> bool:
        """Take note of an answer; return whether the endpoint was down."""
        self._suspects.clear()
        if self.answered and self.down_s is None:
            return False
        was_down = self.down_s is not None
        self.answered, self.down_s, self.probe_s, self.given_up = True, None, -math.inf, False
        return was_down


@dataclass(slots=True)
class Exports:
    """Exports of a project that are requested or running, and how many there may be.

    Attributes:
        running: how many there are.
        ceiling: what a person allows; infinite where nobody wrote one.
    """

    running: int = 0
    ceiling: float = math.inf

    @property
    def full(self) -> bool:
        """Whether no more may run."""
        return self.running >= self.ceiling


class InFlight:
    """Calls under way, and whether one more may be.

    Attributes:
        disk: whether archives can be stored. While they cannot, one download at a time tries.
    """

    __slots__ = ("_ceilings", "_downloads", "_small", "_storing", "disk")

    def __init__(self, ceilings: Ceilings) -> None:
        self.disk = Circuit(answered=True, patience_s=DISK_PATIENCE_S)
        self._ceilings = ceilings
        self._downloads = 0
        self._storing = 0
        self._small = 0

    def allows_at(self, call: Call, secret: Secret, circuit: Circuit) -> float:
        """Return when one more such call may be under way; infinite: when an answer has come."""
        opens_s = circuit.probe_s
        if call is Call.FETCH_ARCHIVE:
            most = self._ceilings
            if self._downloads >= most.downloads or self._storing >= most.storing:
                return math.inf
            if self.disk.is_closed:
                return math.inf
            opens_s = max(opens_s, self.disk.probe_s)
        elif self._small >= self._ceilings.calls:
            return math.inf
        if not secret.accepted and secret.under_way:
            return math.inf
        return math.inf if circuit.is_closed else opens_s

    def left(self, call: Call, secret: Secret, circuit: Circuit) -> None:
        """Count a call that is under way from now on."""
        if call is Call.FETCH_ARCHIVE:
            self._downloads += 1
            self.disk.under_way += 1
        else:
            self._small += 1
        secret.under_way += 1
        circuit.under_way += 1

    def came_back(self, call: Call, secret: Secret, circuit: Circuit) -> None:
        """Count a call that the API has answered; a download goes on until it has ended."""
        if call is not Call.FETCH_ARCHIVE:
            self._small -= 1
        secret.under_way -= 1
        circuit.under_way -= 1

    def download_received(self) -> None:
        """Count a download whose bytes are all here, and which is still being stored."""
        self._downloads -= 1
        self._storing += 1

    def download_ended(self, *, received: bool) -> None:
        """Count a download that is no longer under way."""
        self.disk.under_way -= 1
        if received:
            self._storing -= 1
        else:
            self._downloads -= 1
