"""The rows of a run's state: a server, a project, and what they are made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model import events as e


class Phase(enum.StrEnum):
    """Where a server is on its way; `lifecycle.py` draws how one follows from another."""

    QUEUED = "queued"
    REQUESTED = "requested"
    EXPORTING = "exporting"
    READY = "ready"
    COLLECTED = "collected"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more is wanted for the server."""
        return self is Phase.COLLECTED or self is Phase.FAILED


class Export(NamedTuple):
    """A server's latest export. `completed_at` is None while it runs.

    One that another run started is `reused`. `location` is where its archive lies, if told.
    """

    id: str
    requested_at: str
    completed_at: str | None = None
    reused: e.ExportReused | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was expected of the latest process, and what the run had come to when it began."""

    expected: e.RunEstimated
    requests_before: int
    bytes_before: int


class ServerRow(NamedTuple):
    """One server of the selection: the facts that it rests on, and what counts between them.

    A tuple, since a row is replaced with every event and there may be 100,000.

    Attributes:
        selected: who it is.
        server, project, first: as in `selected`; they are looked at all the time.
        since: when its phase began.
        requested_at: when its latest POST was intended; None before the first.
        posts: exports tried: those that failed, and the one that did not.
        polls: status calls made, up to the last fact.
        tries: failed tries of the present step.
        doubtful: POSTs of this step that may have started an export nobody knows of.
        renewals: new exports started because an earlier one came to nothing.
        attempt: the latest try that failed, of a server that has not ended; of one that is
            retried, why it had failed.
        begun: the download whose bytes lie in a `.part` file, to be gone on with.
        archive: the collected archive.
        failure: why its logs are not here, and what to do about it.
    """

    selected: e.ServerSelected
    server: int
    project: int
    first: bool
    since: str
    phase: Phase = Phase.QUEUED
    requested_at: str | None = None
    posts: int = 0
    polls: int = 0
    tries: int = 0
    doubtful: int = 0
    renewals: int = 0
    attempt: e.AttemptFailed | e.ServerFailed | None = None
    export: Export | None = None
    begun: e.DownloadBegun | None = None
    archive: e.ArchiveStored | None = None
    failure: e.ServerFailed | None = None

    @property
    def id(self) -> str:
        """The vendor's id."""
        return self.selected.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.selected.name

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags, as the inventory has them."""
        return self.selected.tags

    @property
    def directory(self) -> str:
        """Where its archive lies, relative to the run's directory."""
        return self.selected.directory


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One project with servers in the selection; `requests` and `throttled` as counted so far.

    `arrived` counts bytes of archives, `arriving` those that no stored archive accounts for: they
    belong to downloads that go on, or that failed. It is less than 0 while an archive is stored
    whose bytes are not all counted yet. `not_listed` says why not all of its
    servers are known; None where they are.
    """

    selected: e.ProjectSelected
    requests: int = 0
    throttled: int = 0
    arrived: int = 0
    arriving: int = 0
    not_listed: e.ProjectNotListed | None = None

    @property
    def project(self) -> int:
        """Its number, from 0."""
        return self.selected.project

    @property
    def id(self) -> str:
        """The vendor's id."""
        return self.selected.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.selected.name

    @property
    def endpoint(self) -> str:
        """Its API's base URL."""
        return self.selected.endpoint

    @property
    def credential(self) -> str:
        """The name of the credential that its calls carry."""
        return self.selected.credential

    @property
    def directory(self) -> str:
        """Where its servers' directories lie, relative to the run's."""
        return self.selected.directory

    @property
    def requests_per_second(self) -> float | None:
        """What a person allows; None where nobody wrote a ceiling."""
        return self.selected.requests_per_second

    @property
    def exports_in_flight(self) -> int | None:
        """What a person allows; None where nobody wrote a ceiling."""
        return self.selected.exports_in_flight

    @property
    def share(self) -> float:
        """The part of a learned limit that is used."""
        return self.selected.share

    @property
    def provider(self) -> str:
        """The name of the provider that its calls go to."""
        return self.selected.provider
