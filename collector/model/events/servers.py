"""What happens to a server's export and archive."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from collector.model.events.base import Event, Observation, event

if TYPE_CHECKING:
    from collector.model.fields import (
        AnyTime,
        Count,
        Digest,
        ETag,
        ExportId,
        FileName,
        Index,
        Location,
        RunPath,
        Seconds,
        Time,
    )


@event
class ExportRequested(Event):
    """The intention to start an export: written before the POST leaves."""

    server: Index


@event
class ExportNotStarted(Event):
    """The POST was refused or never left: no export came of it, and no attempt is counted."""

    server: Index
    kind: str


@event
class ExportStarted(Event):
    """The service gave the export an id."""

    server: Index
    export_id: ExportId


@event
class ExportReused(Event):
    """An export that another run started, `age_s` seconds ago, serves this one as well."""

    server: Index
    export_id: ExportId
    requested_at: Time
    run: str
    age_s: Seconds


@event
class ExportCompleted(Event):
    """The archive can be downloaded. `polls` counts status calls since the server's last fact.

    `location` is where it lies, if the service said so: for its provider alone, and shown nowhere.
    """

    server: Index
    polls: Count
    location: Location | None = field(default=None, repr=False)


@event
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


@event
class ArchiveLost(Event):
    """An archive recorded as stored is not there, or not of its size: its server is due again."""

    server: Index
    message: str


@event
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


@event
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


@event
class ServerRetried(Event):
    """A person wants a server that failed to be tried again."""

    server: Index


@event
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
