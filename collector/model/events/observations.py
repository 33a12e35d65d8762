"""What is observed of services, of the disk and of clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from collector.model.events.base import Observation, event

if TYPE_CHECKING:
    from collector.model.fields import (
        Amount,
        AnyTime,
        Count,
        Endpoint,
        Index,
        Offset,
        ScopeWord,
        Seconds,
        Source,
        Spread,
    )


@event
class CallsCounted(Observation):
    """Calls of a project answered since the last count, and the 429s among them.

    `arrived`: bytes of its archives that came, those of downloads that fail included.
    """

    project: Index
    calls: Count
    throttled: Count
    arrived: Count = 0


@event
class LimitLearned(Observation):
    """What a scope was found to allow: `limit` calls in `window_s` seconds.

    `source`: "told" by the service, "estimated" from its refusals, "remembered" from an earlier run
    and not contradicted yet, or "refuted": an estimate that holds no longer for this scope.
    """

    scope: ScopeWord
    name: str
    limit: Amount
    window_s: Seconds
    source: Source


@event
class ExportsLimitLearned(Observation):
    """How many exports a scope was found to let run at once. `source` as in `LimitLearned`."""

    scope: ScopeWord
    name: str
    limit: Count
    source: Source


@event
class DurationsLearned(Observation):
    """How long exports of a project, or of a `model` in it, take: as seen in this run and before.

    `exports` completed; half of them took longer than `median_s`; `spread` is the standard
    deviation of the durations' natural logarithms.
    """

    project: Index
    exports: Count
    median_s: Seconds
    spread: Spread
    model: str | None = None
    left_out: ClassVar[frozenset[str]] = frozenset({"model"})


@event
class HintDisbelieved(Observation):
    """The service said something about its limits that cannot be meant so."""

    scope: ScopeWord
    name: str
    message: str


@event
class WaitAsked(Observation):
    """The service asked to wait: whoever shares a limit, or with one `server` alone."""

    scope: ScopeWord
    name: str
    until: AnyTime
    server: Index | None = None


@event
class ClockOffsetSeen(Observation):
    """This machine's clock less the service's, in seconds."""

    offset_s: Offset


@event
class ClockJumped(Observation):
    """The process was not running for this long: a laptop's sleep, or a stopped process."""

    jump_s: Seconds


@event
class WordUnknown(Observation):
    """The service called an export's status something nobody knows; taken as still running."""

    server: Index
    word: str


@event
class DownloadsPaused(Observation):
    """The disk took an archive no longer: the others wait, and one of them tries now and then."""

    message: str


@event
class DownloadsWentOn(Observation):
    """The disk takes archives again."""


@event
class EndpointWentDown(Observation):
    """An endpoint answers nobody; its servers wait. `hint` is what a person can do about it."""

    endpoint: Endpoint
    message: str
    hint: str | None = None


@event
class EndpointCameBack(Observation):
    """An endpoint answers again."""

    endpoint: Endpoint
