"""What the engine promises of each class of scenario, in one table."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.pacing.oracle import best_lateness
from benchmarks.pacing.service import SPREAD

if TYPE_CHECKING:
    from benchmarks.pacing.scenarios import Scenario

ORACLE_LEAST = 0.98
"""A run that beats the bound by more shows that the bound is none."""
GAP_MOST = 0.05
"""Two equal projects on one account."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The worst that may be.

    Attributes:
        ratio: of the makespan to the bound's; with jitter: to the best fixed rate's; unnamed: to
            that behind a limit whose 429s name its owner, and the same of the mean time home.
        throttled: the part of the calls that may be refused,
        a_scope: or as many for each scope with a limit.
    """

    ratio: float
    throttled: float
    a_scope: int = 0

    def throttled_most(self, calls: int, scopes: int) -> float:
        """Return how many calls may be refused."""
        return max(self.throttled * calls, self.a_scope * scopes)


TOLD = {
    "duration": Promise(1.03, 0.001, 2),
    "quota": Promise(1.08, 0.001, 2),
    "concurrency": Promise(1.10, 0.001, 2),
    "between": Promise(1.25, 0.001, 2),
}
NOT_TOLD = {
    "duration": Promise(1.10, 0.01, 5),
    "quota": Promise(1.10, 0.01, 5),
    "concurrency": Promise(1.10, 0.01, 5),
    "between": Promise(1.30, 0.01, 5),
}
SPECIAL = {
    "changed": Promise(1.15, 0.03),
    "neighbour": Promise(1.15, 0.03),
    "jitter": Promise(1.05, 0.03),
    "noticing": Promise(math.inf, 0.01, 5),
    "unnamed": Promise(1.10, 0.01, 5),
}
HOME_LEAST = 0.95
"""By a deadline that holds all."""


def promise(scenario: Scenario) -> Promise:
    """Return what is promised of a scenario."""
    return ((TOLD if scenario.tells else NOT_TOLD) | SPECIAL)[scenario.kind]


@dataclass(frozen=True, slots=True)
class PollingPromise:
    """With quota to spare: how late an export's end is noticed, and in how many polls."""

    late_p95: float
    polls: float


@functools.cache
def polling_promise(percents: str) -> PollingPromise:
    """Return what is promised where percentages come in that style."""
    match percents:
        case "ones":
            return PollingPromise(0.05, 6)
        case "quarters":
            return PollingPromise(0.08, 9)
        case _:
            return PollingPromise(1.25 * best_lateness(12, SPREAD), 12)
