"""What is believed of a service before it has said anything: what earlier runs have learned.

A starting point, believed until contradicted: it decides how a run begins and not how it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True, slots=True)
class Prior:
    """All that is believed at a run's start; `durations` by the run's number of the project."""

    limits: tuple[PriorLimit, ...] = ()
    exports: tuple[PriorExports, ...] = ()
    durations: Mapping[int, PriorDurations] = field(default_factory=dict)
