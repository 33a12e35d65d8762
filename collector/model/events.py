"""Events: what is recorded. The journal holds these and nothing else; state is their fold.

A *fact* is on disk before anything depends on it. An *observation* is a sum over the last seconds,
written without waiting for the disk, and a crash may lose it.

Fields hold only what JSON holds: strings, numbers, booleans, None, tuples of strings and mappings
of strings; `fields.py` names them by what they mean. `at` is a UTC time as the manifest writes it.
A server is the number of its `ServerSelected`, a project that of its `ProjectSelected`, counted
from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from collector.model.fields import DEFAULT_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.fields import (
        Amount,
        AnyTime,
        Count,
        Digest,
        DirectoryName,
        Endpoint,
        ETag,
        ExportId,
        FileName,
        Id,
        Index,
        Location,
        Offset,
        Options,
        Positive,
        ProviderName,
        ProviderNames,
        Rate,
        RunPath,
        ScopeWord,
        Seconds,
        Share,
        Source,
        Spread,
        Tags,
        Time,
        Version,
    )  # fmt: skip

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, at a time."""

    is_fact: ClassVar[bool] = True
    at: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began: always the first event. `provider` names those of its projects."""

    schema_version: Version
    run_id: FileName
    collector_version: str
    host: str
    user: str
    pid: Count
    argv: tuple[str, ...]
    inventory_path: str
    inventory_sha256: Digest
    select: tuple[str, ...]
    downloads: Positive
    bytes_per_second: Positive | None
    provider: ProviderNames = DEFAULT_PROVIDER


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialNamed(Event):
    """A credential that the run uses: where its secret is found, never the secret."""

    name: str
    kind: str
    account: str
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSelected(Event):
    """A project with servers in the selection. `directory` is its name in the run's directory."""

    project: Index
    id: Id
    name: str
    endpoint: Endpoint
    credential: str
    directory: DirectoryName
    requests_per_second: Rate | None
    exports_in_flight: Positive | None
    share: Share
    provider: ProviderName = DEFAULT_PROVIDER


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSelected(Event):
    """A server of the selection. `directory` is relative to the run's; `first` goes before all."""

    server: Index
    project: Index
    id: Id
    name: str
    tags: Tags
    directory: RunPath
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionEnded(Event):
    """Every server of the selection has been named: a journal without this never sent a call."""

    servers: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsVouched(Event):
    """A user of this machine has named the endpoints and credentials of the run, as they stand now.

    `mark` is made of them with a key of that user: `collector.runtime.trust`.
    """

    mark: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """A process took up a run that an earlier one had left."""

    collector_version: str
    host: str
    user: str
    pid: Count
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequested(Event):
    """The intention to start an export: written before the POST leaves."""

    server: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportNotStarted(Event):
    """The POST was refused or never left: no export came of it, and no attempt is counted."""

    server: Index
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStarted(Event):
    """The service gave the export an id."""

    server: Index
    export_id: ExportId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReused(Event):
    """An export that another run started, `age_s` seconds ago, serves this one as well."""

    server: Index
    export_id: ExportId
    requested_at: Time
    run: str
    age_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCompleted(Event):
    """The archive can be downloaded. `polls` counts status calls since the server's last fact.

    `location` is where it lies, if the service said so: for its provider alone, and shown nowhere.
    """

    server: Index
    polls: Count
    location: Location | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStored(Event):
    """A whole archive is on disk under its final name, `path`, relative to the run's directory."""

    server: Index
    path: RunPath
    file_name: FileName
    bytes: Count
    sha256: Digest
    members: Count
    covers_from: AnyTime | None
    covers_to: AnyTime | None
    resumed: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLost(Event):
    """An archive recorded as stored is not there, or not of its size: its server is due again."""

    server: Index
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """One try of one step did not succeed, and another follows.

    `attempt` counts the tries of this step so far, from 1. `doubtful`:
    it may have started an export whose id was lost. With `anew`, a new export follows.
    """

    server: Index
    stage: str
    kind: str
    code: str | None
    http_status: Count | None
    message: str
    request_id: str | None
    attempt: Count
    doubtful: bool
    anew: bool
    polls: Count
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFailed(Event):
    """A server's logs cannot be had in this run."""

    server: Index
    stage: str
    kind: str
    code: str | None
    http_status: Count | None
    message: str
    request_id: str | None
    attempts: Count
    hint: str
    polls: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRetried(Event):
    """A person wants a server that failed to be tried again."""

    server: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRepaired(Event):
    """The journal was damaged, and the run goes on from the lines before that.

    The damaged one is kept beside it as `kept_as`; `old_sha256` is that file's.
    """

    old_sha256: Digest
    lines_kept: Count
    kept_as: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The process let the run go. `reason`: finished, stopped, deadline, endpoint_down or disk."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Event):
    """Something that a crash may lose, and no promise hangs on."""

    is_fact: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimated(Observation):
    """What the plan says of what is left, at a process's start: seconds, calls and bytes."""

    servers: Count
    seconds: Seconds
    requests: Count
    bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsCounted(Observation):
    """Calls of a project answered since the last count, and the 429s among them."""

    project: Index
    calls: Count
    throttled: Count


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportsLimitLearned(Observation):
    """How many exports a scope was found to let run at once. `source` as in `LimitLearned`."""

    scope: ScopeWord
    name: str
    limit: Count
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationsLearned(Observation):
    """How long exports of a project take, as far as it was seen in this run and before it.

    `exports` completed; half of them took longer than `median_s`; `spread` is the standard
    deviation of the durations' natural logarithms.
    """

    project: Index
    exports: Count
    median_s: Seconds
    spread: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class HintDisbelieved(Observation):
    """The service said something about its limits that cannot be meant so."""

    scope: ScopeWord
    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAsked(Observation):
    """The service asked to wait: whoever shares a limit, or with one `server` alone."""

    scope: ScopeWord
    name: str
    until: AnyTime
    server: Index | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffsetSeen(Observation):
    """This machine's clock less the service's, in seconds."""

    offset_s: Offset


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped(Observation):
    """The process was not running for this long: a laptop's sleep, or a stopped process."""

    jump_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class WordUnknown(Observation):
    """The service called an export's status something nobody knows; taken as still running."""

    server: Index
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadBegun(Observation):
    """What comes of an archive is written to its `.part` file, for a later try to go on from.

    `file_name` is the name it shall have; `length` its bytes, `validator` its strong ETag, where
    the service gave them; `resumed` counts how often the download was continued.
    """

    server: Index
    file_name: FileName
    length: Count | None
    validator: ETag | None
    resumed: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadsPaused(Observation):
    """The disk took an archive no longer: the others wait, and one of them tries now and then."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadsWentOn(Observation):
    """The disk takes archives again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWentDown(Observation):
    """An endpoint answers nobody; its servers wait. `hint` is what a person can do about it."""

    endpoint: Endpoint
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCameBack(Observation):
    """An endpoint answers again."""

    endpoint: Endpoint


EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted, CredentialNamed, ProjectSelected, ServerSelected, SelectionEnded,
        EndpointsVouched, RunResumed,
        ExportRequested, ExportNotStarted, ExportStarted, ExportReused, ExportCompleted,
        ArchiveStored, ArchiveLost, AttemptFailed, ServerFailed, ServerRetried, JournalRepaired,
        RunEnded,
        RunEstimated,
        CallsCounted, LimitLearned, ExportsLimitLearned, DurationsLearned, HintDisbelieved,
        WaitAsked, ClockOffsetSeen, ClockJumped, WordUnknown, DownloadBegun, DownloadsPaused,
        DownloadsWentOn, EndpointWentDown, EndpointCameBack,
    )
}  # fmt: skip
"""Every event by the name that the journal calls it by."""
