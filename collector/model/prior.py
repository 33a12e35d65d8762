"""What is believed of a service before it has said anything: what earlier runs have learned.

A starting point, believed until contradicted: it decides how a run begins and not how it goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.model.answers import Scope


@dataclass(frozen=True, slots=True)
class PriorLimit:
    """A scope once allowed `limit` calls in `window_s` seconds; `source` as in `LimitLearned`."""

    scope: Scope
    limit: float
    window_s: float
    source: str


@dataclass(frozen=True, slots=True)
class PriorExports:
    """A scope once let this many exports run at once."""

    scope: Scope
    limit: int


@dataclass(frozen=True, slots=True)
class PriorDurations:
    """How long exports of a project took: log-normally, about `median_s` seconds.

    Attributes:
        exports: how many this is known from.
        median_s: half of them took longer.
        spread: the standard deviation of the durations' natural logarithms.
    """

    exports: int
    median_s: float
    spread: float


def pooled(exports: int, parts: Iterable[tuple[int, PriorDurations]]) -> PriorDurations:
    """Return the one distribution that several are taken for, each with how much it counts."""
    weight, logarithm, square = 0, 0.0, 0.0
    for part, one in parts:
        mean = math.log(one.median_s)
        weight += part
        logarithm += part * mean
        square += part * (one.spread**2 + mean**2)
    mean = logarithm / weight
    return PriorDurations(exports, math.exp(mean), math.sqrt(max(0.0, square / weight - mean**2)))


@dataclass(frozen=True, slots=True)
class Prior:
    """All that is believed at a run's start.

    Attributes:
        limits: on calls.
        exports: on exports that run at once.
        durations: of exports, by the run's number of the project.
        of_models: of the exports of one model's servers, by that and the model.
    """

    limits: tuple[PriorLimit, ...] = ()
    exports: tuple[PriorExports, ...] = ()
    durations: Mapping[int, PriorDurations] = field(default_factory=dict)
    of_models: Mapping[tuple[int, str], PriorDurations] = field(default_factory=dict)
