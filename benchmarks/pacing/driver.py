"""The engine driven in virtual time: no sleep, no wire, and little work beside the engine's own."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from collector.model.actions import FetchArchive, GiveUp
from collector.model.answers import (
    ArchiveOpened,
    ArchiveReceived,
    BytesArrived,
    BytesConsumed,
    Problem,
    ProblemKind,
    Stored,
)
from collector.model.state import apply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.engine import Scheduler
    from collector.model import events as e
    from collector.model.actions import Action, Due, Request
    from collector.model.answers import Outcome

OBSERVED_EVERY_S = 1.0
ARCHIVE_BYTES = 1_000_000
ARRIVES_EVERY_S = 0.2
"""How often something of an archive that is on its way arrives."""
DUES_MOST = 2000
"""An engine that is asked as often a server, what is due, goes round in circles."""
BEGUN = frozenset({ProblemKind.INVALID_ARCHIVE, ProblemKind.DISK})
"""What goes wrong with an archive after its first byte has come."""


class StuckError(Exception):
    """A run that will not end."""


class EvenWall:
    """A wall's clock that is cheap to read: seconds since the run began."""

    def stamp(self, now_s: float) -> str:
        """Return a time as the engine writes it."""
        return f"{now_s:.3f}"

    def of_unix(self, at_s: float) -> str:
        """Return a time of the wall's."""
        return f"{at_s:.3f}"

    def age_s(self, at: str, now_s: float) -> float:
        """Return how long ago a time was."""
        return max(0.0, now_s - float(at))


@dataclass(frozen=True, slots=True)
class Wire:
    """How long things take on the way.

    Attributes:
        latency_s: from a call's leaving to its answer, on average, half of it each way.
        jitter: the part of it by which it may be more or less, evenly.
        download_s: from an archive's first byte to its last.
        journal_s: how long events take to be on disk.
    """

    latency_s: float = 0.02
    jitter: float = 0.2
    download_s: float = 0.1
    journal_s: float = 0.001

    def way_s(self, chance: random.Random) -> float:
        """Return how long one way takes this time."""
        return self.latency_s / 2 * (1 + self.jitter * (2 * chance.random() - 1))


class Driver:
    """Performs what the engine wants and answers it, in virtual time.

    Args:
        scheduler: the engine, with a state in which the selection is known.
        answer: of the service to a call that arrives at a time.
        now_s: when it begins.
        observed_every_s: how often observations are written down before the end.

    Attributes:
        finished: whether the run has come to its end.
        dues: how often it was asked what is due.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        answer: Callable[[Request, float], Outcome],
        *,
        wire: Wire,
        seed: int,
        now_s: float = 0.0,
        observed_every_s: float = OBSERVED_EVERY_S,
    ) -> None:
        self.scheduler = scheduler
        self.state = scheduler.state
        self.now_s = now_s
        self.wire = wire
        self.finished = False
        self.dues = 0
        self._answer = answer
        self._chance = random.Random(seed)  # noqa: S311  # a simulation
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._observed_s = now_s
        self._observed_every_s = observed_every_s

    def run(self, until_s: float = math.inf) -> Self:
        """Drive the run to its end, or to a time.

        Raises:
            StuckError: for a run that will do neither.
        """
        agenda = self._agenda
        while True:
            due = self.scheduler.due(self.now_s)
            self.dues += 1
            for action in due.actions:
                self.begin(action)
            next_s = min(due.wake_s, agenda[0][0] if agenda else math.inf)
            self._check(due, next_s)
            if due.finished:
                self.finished = True
                self.record(self.scheduler.observed(self.now_s))
                return self
            if next_s > until_s:
                self.now_s = until_s
                return self
            self.now_s = max(self.now_s, next_s)
            while agenda and agenda[0][0] <= self.now_s:
                _, _, what, about = heapq.heappop(agenda)
                what(*about)
            if self.now_s - self._observed_s >= self._observed_every_s:
                self._observed_s = self.now_s
                self.record(self.scheduler.observed(self.now_s))

    def _check(self, due: Due, next_s: float) -> None:
        """See to it that the run goes on."""
        if due.finished:
            if due.actions:
                raise StuckError("finished, with something to do")
        elif next_s == math.inf:
            raise StuckError("nothing is under way, and nothing will ever be due")
        elif due.wake_s <= self.now_s:
            raise StuckError(f"asks to be asked again at once, at {self.now_s:.3f} s")
        elif self.dues > DUES_MOST * (50 + len(self.state.servers)):
            raise StuckError(f"asked {self.dues} times what is due, at {self.now_s:.3f} s")

    def at(self, at_s: float, what: Callable[..., None], *about: object) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._agenda, (at_s, next(self._order), what, about))

    def record(self, events: Iterable[e.Event]) -> None:
        """Make events part of the state."""
        for event in events:
            apply(self.state, event)
            self.scheduler.applied(event)

    def begin(self, action: Action) -> None:
        """Perform an action."""
        if isinstance(action, GiveUp):
            self.write([action.intent])
        elif action.intent is None:
            self._send(action)
        else:
            self.at(self.now_s + self.wire.journal_s, self._intend, action)

    def write(self, events: list[e.Event]) -> None:
        """Write events down, which takes its time."""
        self.at(self.now_s + self.wire.journal_s, self.record, events)

    def answered(self, action: Request, answer: Outcome) -> None:
        """Hand an answer to the engine."""
        if events := self.scheduler.answered(action, answer, self.now_s):
            self.write(events)

    def _intend(self, action: Request) -> None:
        if action.intent is not None:
            self.record([action.intent])
        self._send(action)

    def _send(self, action: Request) -> None:
        self.at(self.now_s + self.wire.way_s(self._chance), self._arrive, action)

    def _arrive(self, action: Request) -> None:
        answer = self._answer(action, self.now_s)
        self.at(self.now_s + self.wire.way_s(self._chance), self._hear, action, answer)

    def _hear(self, action: Request, answer: Outcome) -> None:
        opens = isinstance(answer, Stored) or (isinstance(answer, Problem) and answer.kind in BEGUN)
        if isinstance(action, FetchArchive) and opens:
            self.scheduler.answered(action, ArchiveOpened(answer.metadata), self.now_s)
            ends_s = self.now_s + self.wire.download_s
            self.arrives(action, self.wire.download_s)
            self.at(ends_s, self._receive, action, answer)
        else:
            self.answered(action, answer)

    def arrives(self, action: FetchArchive, took_s: float) -> None:
        """Let an archive's bytes arrive evenly, and the last of them after `took_s`."""
        times = max(1, int(took_s / ARRIVES_EVERY_S))
        for number in range(1, times + 1):
            at_s = self.now_s + took_s * number / times
            self.at(at_s, self._arrives, action, ARCHIVE_BYTES // times)

    def _arrives(self, action: FetchArchive, size: int) -> None:
        self.scheduler.answered(action, BytesArrived(size), self.now_s)
        self.scheduler.answered(action, BytesConsumed(), self.now_s)

    def _receive(self, action: FetchArchive, answer: Outcome) -> None:
        self.scheduler.answered(action, ArchiveReceived(), self.now_s)
        self.answered(action, answer)
