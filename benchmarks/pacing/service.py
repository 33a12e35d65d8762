"""The simulated fleet's API: exports that take their time, behind a gateway that says more or less.

What a 429 says (`shape`):

    words        the limit, in the gateway's words
    headers      the limit and what is left of it, with every answer to a call that asks
    named        whose limit it is
    retry_after  how long to wait, in whole seconds
    service      nothing: the service's own iMetal.0005
    bare         nothing
    mixed        by turns the limit, in words, and nothing
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from benchmarks.pacing.gateway import Quota, Running
from collector.model.actions import AskStatus, StartExport
from collector.model.answers import (
    NO_METADATA,
    ExportSaid,
    ExportState,
    LimitTold,
    Problem,
    ProblemKind,
    ResponseMetadata,
    ScopeKind,
    Stored,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.pacing.gateway import Gate, Gateway
    from collector.model.actions import Request
    from collector.model.answers import Outcome

SHORT_S = 20.0
LONG_S = 900.0
"""One export in a hundred is shorter, and one is longer."""
_ONE_IN_100 = 2.3263478740408408
MEDIAN_S = math.sqrt(SHORT_S * LONG_S)
SPREAD = math.log(LONG_S / MEDIAN_S) / _ONE_IN_100
"""The standard deviation of the durations' logarithms."""


def durations(
    servers: int, seed: int, short_s: float = SHORT_S, long_s: float = LONG_S
) -> list[float]:
    """Return how long each server's export takes; one in a hundred is shorter, and one longer."""
    chance = random.Random(f"durations {seed}")  # noqa: S311  # a simulation
    median_s, spread = distribution(short_s, long_s)
    return [median_s * math.exp(spread * chance.gauss(0, 1)) for _ in range(servers)]


def distribution(short_s: float, long_s: float) -> tuple[float, float]:
    """Return the durations' median, and the standard deviation of their logarithms."""
    return math.sqrt(short_s * long_s), math.log(long_s / short_s) / 2 / _ONE_IN_100


def percent(style: str, part: float, server: int) -> float | None:
    """Return what is said of an export of which that part of its duration is over."""
    match style:
        case "ones":
            return float(math.floor(100 * part))
        case "quarters":
            return float(25 * math.floor(4 * part))
        case "stuck99":
            chance = random.Random(server)  # noqa: S311  # a simulation
            return float(min(99, math.floor(99 * part / chance.uniform(0.5, 0.95))))
        case "stepped":
            chance = random.Random(server)  # noqa: S311  # a simulation
            steps = chance.randint(4, 9)
            over = sum(chance.random() <= part for _ in range(steps))
            said = sorted(chance.randint(1, 99) for _ in range(steps))
            return float(said[over - 1]) if over else 0.0
        case _:
            return None


class Service:
    """Answers calls as they arrive.

    Attributes:
        began_s: when each server's latest export began.
        calls, throttled, polls: what arrived, what of it was refused, and statuses not refused.
    """

    def __init__(
        self,
        gateway: Gateway,
        durations_s: Sequence[float],
        *,
        shape: str,
        percents: str,
    ) -> None:
        self.gateway = gateway
        self._durations_s = durations_s
        self._shape = shape
        self._percents = percents
        self.began_s: list[float] = [math.nan] * len(durations_s)
        self.calls = 0
        self.throttled = 0
        self.polls = [0] * len(durations_s)

    def answer(self, action: Request, project: int, at_s: float) -> Outcome:
        """Return the answer to a call that arrives."""
        self.calls += 1
        server, duration_s = action.server, self._durations_s[action.server]
        blocked_by = self.gateway.blocks(project, action.call, at_s)
        if blocked_by is not None:
            self.throttled += 1
            return self._refusal(blocked_by, action, project, at_s)
        self.gateway.take(project, action.call, at_s, duration_s)
        metadata = self._heard(action, project, at_s)
        if isinstance(action, StartExport):
            self.began_s[server] = at_s
            return ExportSaid(f"x{server}", ExportState.RUNNING, "Running", metadata=metadata)
        if isinstance(action, AskStatus):
            self.polls[server] += 1
            part = (at_s - self.began_s[server]) / duration_s
            if part >= 1:
                return ExportSaid(
                    action.export_id, ExportState.COMPLETED, "Completed", percent=100.0,
                    metadata=metadata,
                )  # fmt: skip
            said = percent(self._percents, part, server)
            return ExportSaid(
                action.export_id, ExportState.RUNNING, "Running", percent=said, metadata=metadata
            )
        return Stored("a.tar.gz", 10, "ab", 1, 0.0, 0.0, metadata=metadata)

    def _refusal(self, gate: Gate, action: Request, project: int, at_s: float) -> Problem:
        by: ScopeKind | None = None
        retry_after_s: float | None = None
        metadata = self._heard(action, project, at_s)
        if isinstance(gate, Running):
            by = ScopeKind.PROJECT if self._shape == "named" else None
        else:
            by, retry_after_s, metadata = self._words(gate, at_s, metadata)
        return Problem(
            ProblemKind.THROTTLED, "too many requests", http_status=429, throttled_by=by,
            code="iMetal.0005" if self._shape == "service" else None,
            retry_after_s=retry_after_s, metadata=metadata,
        )  # fmt: skip

    def _words(
        self, quota: Quota, at_s: float, metadata: ResponseMetadata
    ) -> tuple[ScopeKind | None, float | None, ResponseMetadata]:
        kind = quota.spec.kind
        match self._shape:
            case "words":
                told = LimitTold(kind, quota.limit, quota.spec.window_s)
                return kind, None, ResponseMetadata(limits=(told,))
            case "headers":
                told = LimitTold(kind, quota.limit, quota.spec.window_s, quota.remaining(at_s))
                return kind, None, metadata if metadata.limits else ResponseMetadata(limits=(told,))
            case "named":
                return kind, None, metadata
            case "retry_after":
                return None, float(math.ceil(quota.free_at(at_s) - at_s)), metadata
            case "mixed" if self.throttled % 2:
                return (
                    kind,
                    None,
                    ResponseMetadata(limits=(LimitTold(kind, quota.limit, quota.spec.window_s),)),
                )
            case _:
                return None, None, metadata

    def _heard(self, action: Request, project: int, at_s: float) -> ResponseMetadata:
        if self._shape != "headers" or not action.asks_limits:
            return NO_METADATA
        return ResponseMetadata(
            limits=tuple(
                LimitTold(quota.spec.kind, quota.limit, quota.spec.window_s, quota.remaining(at_s))
                for quota in self.gateway.quotas(project, action.call)
            )
        )
