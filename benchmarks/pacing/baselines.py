"""What others do, on the same gateways: a number that somebody knew, and blind back-off.

They keep to no promise; the table shows by how much learning wins.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from typing import TYPE_CHECKING

from benchmarks.pacing.simulate import BOUNDS_MOST, Result, is_throttled, of_homes
from collector.model.actions import AskStatus, FetchArchive, StartExport
from collector.model.answers import Call, ExportSaid, ExportState, ScopeKind

if TYPE_CHECKING:
    from benchmarks.pacing.scenarios import Trial
    from collector.model.actions import Request

POLL_S = 10.0
WORKERS = 32
WORKERS_POLL_S = 5.0
LONGEST_SLEEP_S = 60.0
JITTER_THROTTLED = 0.03
BETWEEN_FACTORS = (0.2, 1.6)
FACTORS_APART = 0.01
"""Of the right rate: where the best fixed one is looked for where calls overtake one another."""


class _Script:
    """Calls due at times; an agenda of (when, order, server, call, tries)."""

    def __init__(self, trial: Trial, *, gap_s: float, poll_s: float | None) -> None:
        self.trial = trial
        self.gap_s = gap_s
        self.poll_s = poll_s
        self.service = trial.service()
        self.homes_s: dict[int, float] = {}
        self._chance = random.Random(f"script {trial.seed}")  # noqa: S311  # a simulation
        self._order = itertools.count()
        self._due: list[tuple[float, int, int, Call, int]] = []
        self._way: list[tuple[float, int, int, Call, int]] = []
        self._waiting = iter(range(len(trial.durations_s)))

    def run(self, *, at_once: int | None) -> Result:
        """Take every server through; `at_once` at a time, or all."""
        for server in itertools.islice(self._waiting, at_once):
            self._want(0.0, server, Call.START_EXPORT)
        until_s = BOUNDS_MOST * self.trial.bound.makespan_s
        next_s = 0.0
        while self._due or self._way:
            leaves_s = max(next_s, self._due[0][0]) if self._due else math.inf
            if self._way and self._way[0][0] <= leaves_s:
                self._arrive()
                continue
            if leaves_s > until_s:
                return Result(wrong="too slow", calls=self.service.calls)
            _, _, server, call, tries = heapq.heappop(self._due)
            next_s = leaves_s + self.gap_s
            arrives_s = leaves_s + self.trial.scenario.wire.way_s(self._chance)
            heapq.heappush(self._way, (arrives_s, next(self._order), server, call, tries))
        polls = sum(self.service.polls) / len(self.service.polls)
        return Result(
            **of_homes(list(self.homes_s.values())), calls=self.service.calls,
            throttled=self.service.throttled, polls=polls,
        )  # fmt: skip

    def _want(self, at_s: float, server: int, call: Call, tries: int = 0) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), server, call, tries))

    def _arrive(self) -> None:
        at_s, _, server, call, tries = heapq.heappop(self._way)
        wire = self.trial.scenario.wire
        project = self.trial.scenario.project_of(server)
        answer = self.service.answer(_action(call, server, at_s), project, at_s)
        back_s = at_s + wire.way_s(self._chance)
        if is_throttled(answer):
            self._want(back_s + self._sleep_s(tries), server, call, tries + 1)
        elif call is Call.START_EXPORT:
            known_s = at_s + self.trial.durations_s[server] - wire.latency_s / 2 * (1 - wire.jitter)
            after_s = max(back_s, known_s) if self.poll_s is None else back_s + self.poll_s
            self._want(after_s, server, Call.ASK_STATUS)
        elif isinstance(answer, ExportSaid):
            if answer.state is ExportState.COMPLETED:
                self._want(back_s, server, Call.FETCH_ARCHIVE)
            else:
                self._want(back_s + (self.poll_s or 0.0), server, Call.ASK_STATUS)
        else:
            self.homes_s[server] = back_s + wire.download_s
            if (following := next(self._waiting, None)) is not None:
                self._want(back_s + wire.download_s, following, Call.START_EXPORT)

    def _sleep_s(self, _tries: int) -> float:
        return 0.0


class _BackOff(_Script):
    """Exponential back-off with full jitter."""

    def _sleep_s(self, tries: int) -> float:
        return self._chance.uniform(0, min(LONGEST_SLEEP_S, 2.0 ** min(tries, 10)))


def right_rate(trial: Trial) -> float | None:
    """Return the number that somebody who knows would write down: calls a second, in all."""
    scenario = trial.scenario
    alike = {ScopeKind.USER: scenario.accounts, ScopeKind.PROJECT: scenario.projects}
    return min((limit.rate * alike.get(limit.kind, 1) for limit in scenario.limits), default=None)


def fixed_rate(trial: Trial, rate: float) -> Result:
    """Send evenly; ask each running export every 10 s; what is refused queues anew."""
    return _Script(trial, gap_s=1 / rate, poll_s=POLL_S).run(at_once=None)


def back_off(trial: Trial) -> Result:
    """Let 32 workers take one server each; sleep after a 429 as SDKs do."""
    return _BackOff(trial, gap_s=0.0, poll_s=WORKERS_POLL_S).run(at_once=WORKERS)


def best_fixed_rate(trial: Trial) -> Result:
    """Return the soonest that an even rate is home with at most 3 % refused, durations known."""
    rate = right_rate(trial) or 100.0
    best, (low, high) = Result(wrong="none"), BETWEEN_FACTORS
    while high - low > FACTORS_APART:
        factor = (low + high) / 2
        result = _Script(trial, gap_s=1 / (rate * factor), poll_s=None).run(at_once=None)
        if result.throttled_share <= JITTER_THROTTLED:
            low, best = factor, min(best, result, key=lambda result: result.makespan_s)
        else:
            high = factor
    return best


def _action(call: Call, server: int, at_s: float) -> Request:
    if call is Call.START_EXPORT:
        return StartExport(server, at_s, asks_limits=False, running=0, intent=None)
    if call is Call.ASK_STATUS:
        return AskStatus(server, at_s, asks_limits=False, export_id=f"x{server}")
    return FetchArchive(server, at_s, asks_limits=False, export_id=f"x{server}")
