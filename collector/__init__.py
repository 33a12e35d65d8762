"""Collects the logs of every physical server of a fleet, verified and accounted for.

    from pathlib import Path
    import anyio, collector

    async def main() -> None:
        inventory = collector.load(Path("fleet.yaml"))
        selection = inventory.select(["tag:role=db"])
        async with collector.collect(selection, Path("collected")) as run:
            async for event in run:
                ...
        print(run.summary.totals, run.verdict)

    anyio.run(main)

The names below are loaded on first use, so that `collector --help` answers at once. Nothing is
imported here, since a Ctrl-C during an import would end in a traceback.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which takes a while

if TYPE_CHECKING:
    from typing import Any

    from collector.archive.destination import Destination, StagedFile
    from collector.archive.format import (
        ArchiveError,
        ArchiveFormat,
        ArchiveReader,
        Contents,
        Member,
        UnpackLimits,
    )
    from collector.archive.local import LocalDirectory
    from collector.archive.staged import ArchivePolicy
    from collector.discovery import discover
    from collector.errors import CollectorError
    from collector.inventory import Inventory, Selection, load
    from collector.inventory.mistakes import InventoryError, Mistake
    from collector.model.answers import (
        Call,
        Checksum,
        ExportSaid,
        ExportState,
        LimitTold,
        Problem,
        ProblemKind,
        ResponseMetadata,
        Scope,
        ScopeKind,
    )
    from collector.model.events import (
        ArchiveLost,
        ArchiveStored,
        AttemptFailed,
        CallsCounted,
        ClockJumped,
        ClockOffsetSeen,
        CredentialNamed,
        CredentialStopped,
        DownloadBegun,
        DownloadsPaused,
        DownloadsWentOn,
        DurationsLearned,
        EndpointCameBack,
        EndpointsVouched,
        EndpointWentDown,
        Event,
        ExportCompleted,
        ExportNotStarted,
        ExportRequested,
        ExportReused,
        ExportsLimitLearned,
        ExportStarted,
        HintDisbelieved,
        JournalRepaired,
        LimitLearned,
        Observation,
        PermissionConfirmed,
        PermissionDoubted,
        PermissionMissing,
        ProjectNotListed,
        ProjectSelected,
        RunEnded,
        RunEstimated,
        RunResumed,
        RunStarted,
        SelectionEnded,
        ServerFailed,
        ServerRetried,
        ServerSelected,
        SignInPaused,
        SignInWentOn,
        WaitAsked,
        WordUnknown,
    )
    from collector.model.rows import Phase
    from collector.model.state import RunState
    from collector.planning import Plan
    from collector.providers import BrokenProviderError, UnknownProviderError
    from collector.providers.connecting import UnusableCredentialError
    from collector.providers.directory import (
        AlarmsPage,
        Directory,
        ListedAlarm,
        ListedServer,
        ServersPage,
    )
    from collector.providers.protocol import (
        Access,
        Fetched,
        Fleet,
        OpenArchive,
        ProjectAddress,
        Provider,
        Target,
    )
    from collector.providers.rules import CredentialKind, InventoryRules
    from collector.report.building import Report
    from collector.report.summary import Summary
    from collector.report.verdict import Verdict
    from collector.rundir.journal.journal import JournalError
    from collector.rundir.journal.reading import DamagedJournal
    from collector.rundir.lock import RunHeld
    from collector.rundir.verification import Mismatch, Verification, verify
    from collector.runtime.collection import Collection, collect
    from collector.runtime.feed import EventsSkipped, Subscription
    from collector.runtime.planned import plan
    from collector.runtime.resuming import resume
    from collector.runtime.terms import Terms
    from collector.runtime.trust import UntrustedJournal

NAMES = {
    "collector.runtime.collection": "Collection collect",
    "collector.runtime.resuming": "resume",
    "collector.runtime.terms": "Terms",
    "collector.runtime.feed": "EventsSkipped Subscription",
    "collector.inventory": "Inventory Selection load",
    "collector.discovery": "discover",
    "collector.planning": "Plan",
    "collector.runtime.planned": "plan",
    "collector.report.building": "Report",
    "collector.report.summary": "Summary",
    "collector.rundir.verification": "Mismatch Verification verify",
    "collector.report.verdict": "Verdict",
    "collector.model.state": "RunState",
    "collector.model.rows": "Phase",
    "collector.model.events": (
        "Event Observation RunStarted CredentialNamed ProjectSelected ProjectNotListed "
        "ServerSelected SelectionEnded EndpointsVouched RunResumed ExportRequested "
        "ExportNotStarted "
        "ExportStarted ExportReused ExportCompleted ArchiveStored ArchiveLost AttemptFailed "
        "ServerFailed ServerRetried JournalRepaired RunEnded RunEstimated CallsCounted "
        "LimitLearned ExportsLimitLearned DurationsLearned HintDisbelieved WaitAsked "
        "ClockOffsetSeen ClockJumped WordUnknown DownloadBegun DownloadsPaused "
        "DownloadsWentOn EndpointWentDown EndpointCameBack SignInPaused SignInWentOn "
        "CredentialStopped PermissionDoubted PermissionConfirmed PermissionMissing"
    ),
    "collector.errors": "CollectorError",
    "collector.inventory.mistakes": "InventoryError Mistake",
    "collector.rundir.lock": "RunHeld",
    "collector.rundir.journal.journal": "JournalError",
    "collector.rundir.journal.reading": "DamagedJournal",
    "collector.runtime.trust": "UntrustedJournal",
    "collector.providers": "BrokenProviderError UnknownProviderError",
    "collector.providers.connecting": "UnusableCredentialError",
    "collector.providers.directory": "AlarmsPage Directory ListedAlarm ListedServer ServersPage",
    "collector.providers.protocol": (
        "Access Fetched Fleet OpenArchive ProjectAddress Provider Target"
    ),
    "collector.providers.rules": "CredentialKind InventoryRules",
    "collector.model.answers": (
        "Call Checksum ExportSaid ExportState LimitTold Problem ProblemKind ResponseMetadata "
        "Scope ScopeKind"
    ),
    "collector.archive.format": (
        "ArchiveError ArchiveFormat ArchiveReader Contents Member UnpackLimits"
    ),
    "collector.archive.staged": "ArchivePolicy",
    "collector.archive.destination": "Destination StagedFile",
    "collector.archive.local": "LocalDirectory",
}
"""The public names by the module that they come from, as `docs/reference/library.md` lists them."""

__all__ = [
    "Access",
    "AlarmsPage",
    "ArchiveError",
    "ArchiveFormat",
    "ArchiveLost",
    "ArchivePolicy",
    "ArchiveReader",
    "ArchiveStored",
    "AttemptFailed",
    "BrokenProviderError",
    "Call",
    "CallsCounted",
    "Checksum",
    "ClockJumped",
    "ClockOffsetSeen",
    "Collection",
    "CollectorError",
    "Contents",
    "CredentialKind",
    "CredentialNamed",
    "CredentialStopped",
    "DamagedJournal",
    "Destination",
    "Directory",
    "DownloadBegun",
    "DownloadsPaused",
    "DownloadsWentOn",
    "DurationsLearned",
    "EndpointCameBack",
    "EndpointWentDown",
    "EndpointsVouched",
    "Event",
    "EventsSkipped",
    "ExportCompleted",
    "ExportNotStarted",
    "ExportRequested",
    "ExportReused",
    "ExportSaid",
    "ExportStarted",
    "ExportState",
    "ExportsLimitLearned",
    "Fetched",
    "Fleet",
    "HintDisbelieved",
    "Inventory",
    "InventoryError",
    "InventoryRules",
    "JournalError",
    "JournalRepaired",
    "LimitLearned",
    "LimitTold",
    "ListedAlarm",
    "ListedServer",
    "LocalDirectory",
    "Member",
    "Mismatch",
    "Mistake",
    "Observation",
    "OpenArchive",
    "PermissionConfirmed",
    "PermissionDoubted",
    "PermissionMissing",
    "Phase",
    "Plan",
    "Problem",
    "ProblemKind",
    "ProjectAddress",
    "ProjectNotListed",
    "ProjectSelected",
    "Provider",
    "Report",
    "ResponseMetadata",
    "RunEnded",
    "RunEstimated",
    "RunHeld",
    "RunResumed",
    "RunStarted",
    "RunState",
    "Scope",
    "ScopeKind",
    "Selection",
    "SelectionEnded",
    "ServerFailed",
    "ServerRetried",
    "ServerSelected",
    "ServersPage",
    "SignInPaused",
    "SignInWentOn",
    "StagedFile",
    "Subscription",
    "Summary",
    "Target",
    "Terms",
    "UnknownProviderError",
    "UnpackLimits",
    "UntrustedJournal",
    "UnusableCredentialError",
    "Verdict",
    "Verification",
    "WaitAsked",
    "WordUnknown",
    "collect",
    "discover",
    "load",
    "plan",
    "resume",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever the name stands for
    for place, names in NAMES.items():
        if name in names.split():
            import importlib  # noqa: PLC0415  # as above

            value = globals()[name] = getattr(importlib.import_module(place), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
