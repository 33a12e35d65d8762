"""Events: what is recorded. The journal holds these and nothing else; state is their fold.

A *fact* is on disk before anything depends on it. An *observation* (a counter, an estimate, a
notice) is written without waiting for the disk, and a crash may lose it.

To add an event, write its class in `observations`, `admission`, `servers` or `runs`, add it to
`EVENTS` here, and say in `collector.model.transitions`, or `observed`, what it changes.

Fields hold only what JSON holds: strings, numbers, booleans, None, tuples of strings and mappings
of strings; `fields.py` names them by what they mean. `at` is a UTC time as the manifest writes it.
A server is the number of its `ServerSelected`, a project that of its `ProjectSelected`, counted
from 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.events.admission import (
    CredentialStopped,
    PermissionConfirmed,
    PermissionDoubted,
    PermissionMissing,
    SignInPaused,
    SignInWentOn,
)
from collector.model.events.base import Event, Observation
from collector.model.events.observations import (
    CallsCounted,
    ClockJumped,
    ClockOffsetSeen,
    DownloadsPaused,
    DownloadsWentOn,
    DurationsLearned,
    EndpointCameBack,
    EndpointWentDown,
    ExportsLimitLearned,
    HintDisbelieved,
    LimitLearned,
    WaitAsked,
    WordUnknown,
)
from collector.model.events.runs import (
    CredentialNamed,
    EndpointsVouched,
    JournalRepaired,
    ProjectNotListed,
    ProjectSelected,
    RunEnded,
    RunEstimated,
    RunResumed,
    RunStarted,
    SelectionEnded,
    ServerSelected,
)
from collector.model.events.servers import (
    ArchiveLost,
    ArchiveStored,
    AttemptFailed,
    DownloadBegun,
    ExportCompleted,
    ExportNotStarted,
    ExportRequested,
    ExportReused,
    ExportStarted,
    ServerFailed,
    ServerRetried,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EVENTS",
    "SCHEMA_VERSION",
    "ArchiveLost",
    "ArchiveStored",
    "AttemptFailed",
    "CallsCounted",
    "ClockJumped",
    "ClockOffsetSeen",
    "CredentialNamed",
    "CredentialStopped",
    "DownloadBegun",
    "DownloadsPaused",
    "DownloadsWentOn",
    "DurationsLearned",
    "EndpointCameBack",
    "EndpointWentDown",
    "EndpointsVouched",
    "Event",
    "ExportCompleted",
    "ExportNotStarted",
    "ExportRequested",
    "ExportReused",
    "ExportStarted",
    "ExportsLimitLearned",
    "HintDisbelieved",
    "JournalRepaired",
    "LimitLearned",
    "Observation",
    "PermissionConfirmed",
    "PermissionDoubted",
    "PermissionMissing",
    "ProjectNotListed",
    "ProjectSelected",
    "RunEnded",
    "RunEstimated",
    "RunResumed",
    "RunStarted",
    "SelectionEnded",
    "ServerFailed",
    "ServerRetried",
    "ServerSelected",
    "SignInPaused",
    "SignInWentOn",
    "WaitAsked",
    "WordUnknown",
]

SCHEMA_VERSION = 1

EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted, CredentialNamed, ProjectSelected, ProjectNotListed, ServerSelected,
        SelectionEnded, EndpointsVouched, RunResumed,
        ExportRequested, ExportNotStarted, ExportStarted, ExportReused, ExportCompleted,
        ArchiveStored, ArchiveLost, AttemptFailed, ServerFailed, ServerRetried, JournalRepaired,
        RunEnded,
        RunEstimated,
        CallsCounted, LimitLearned, ExportsLimitLearned, DurationsLearned, HintDisbelieved,
        WaitAsked, ClockOffsetSeen, ClockJumped, WordUnknown, DownloadBegun, DownloadsPaused,
        DownloadsWentOn, EndpointWentDown, EndpointCameBack, SignInPaused, SignInWentOn,
        CredentialStopped, PermissionDoubted, PermissionConfirmed, PermissionMissing,
    )
}  # fmt: skip
"""Every event by the name that the journal calls it by."""
