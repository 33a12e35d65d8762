"""What happens to a run: who started it, what it is to collect, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from collector.model.events.base import Event, Observation, event
from collector.model.fields import DEFAULT_PROVIDER

if TYPE_CHECKING:
    from collector.model.fields import (
        AnyTime,
        Count,
        Digest,
        DirectoryName,
        Endpoint,
        FileName,
        Id,
        Index,
        Options,
        Positive,
        ProviderName,
        ProviderNames,
        Rate,
        RunPath,
        Seconds,
        Share,
        Tags,
        Version,
    )


@event
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


@event
class CredentialNamed(Event):
    """A credential that the run uses: where its secret is found, never the secret."""

    name: str
    kind: str
    account: str
    options: Options


@event
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


@event
class ProjectNotListed(Event):
    """A project could not be listed, or not to its end, before the run began: servers are missing.

    They are never looked for again in this run.
    """

    project: Index
    kind: str
    code: str | None
    http_status: Count | None
    message: str
    request_id: str | None
    attempts: Count
    hint: str


@event
class ServerSelected(Event):
    """A server of the selection. `directory` is relative to the run's; `first` goes before all.

    The last four are as the service listed them; None where it did not.
    """

    server: Index
    project: Index
    id: Id
    name: str
    tags: Tags
    directory: RunPath
    first: bool
    health: str | None = None
    rack: str | None = None
    model: str | None = None
    alarm: str | None = None
    left_out: ClassVar[frozenset[str]] = frozenset({"health", "rack", "model", "alarm"})


@event
class SelectionEnded(Event):
    """Every server of the selection has been named: a journal without this never sent a call."""

    servers: Count


@event
class EndpointsVouched(Event):
    """A user of this machine has named the endpoints and credentials of the run, as they stand now.

    `mark` is made of them with a key of that user: `collector.runtime.trust`.
    """

    mark: Digest


@event
class RunResumed(Event):
    """A process took up a run that an earlier one had left."""

    collector_version: str
    host: str
    user: str
    pid: Count
    argv: tuple[str, ...]


@event
class JournalRepaired(Event):
    """The journal was damaged, and the run goes on from the lines before that.

    The damaged one is kept beside it as `kept_as`; `old_sha256` is that file's.
    """

    old_sha256: Digest
    lines_kept: Count
    kept_as: str
    message: str


@event
class RunEnded(Event):
    """The process let the run go. `reason`: finished, stopped, deadline, endpoint_down or disk."""

    reason: str


@event
class RunEstimated(Observation):
    """What the plan says of what is left, at a process's start: seconds, calls and bytes.

    `deadline_at` is when the process shall end; None where it may take what it takes.
    """

    servers: Count
    seconds: Seconds
    requests: Count
    bytes: Count
    deadline_at: AnyTime | None = None
    left_out: ClassVar[frozenset[str]] = frozenset({"deadline_at"})
