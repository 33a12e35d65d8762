"""`Provider`, what a vendor offers, and `Fleet`, the calls it makes.

A `Provider` is found by its name (`collector.providers.find`). Before a run begins, it checks the
credentials that the run names and returns a context; entering that gives a `Fleet`, through which
all calls go. `docs/how-to/new-provider.md` tells the story of one.

A fleet that can list the servers of a project is a `Directory` as well (`directory.py`).
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from collector.model.answers import NO_METADATA, ResponseMetadata
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from collector.archive.format import ArchiveFormat
    from collector.model.answers import Call, Checksum, ExportSaid, Problem, Scope
    from collector.model.events import CredentialNamed
    from collector.providers.rules import InventoryRules


@dataclass(frozen=True, slots=True)
class ProjectAddress:
    """Where the calls for one project go, and in whose name.

    Attributes:
        provider: name of the provider whose API it is.
        endpoint: base URL of the API, without a trailing slash.
        id: the project's, as the API knows it.
        credential: name of the credential that its calls carry.
        account: whose quota that credential uses.
    """

    provider: str
    endpoint: str
    id: str
    credential: str
    account: str


@dataclass(frozen=True, slots=True)
class Target:
    """One server of a project; `server_id` is as the API knows it."""

    project: ProjectAddress
    server_id: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The beginning of an archive that is here already, to go on from.

    Attributes:
        bytes: how many bytes are here, more than 0.
        length: bytes the whole archive has, where the service had said so.
        validator: the strong ETag it had, quotes included; None where it had none.
    """

    bytes: int
    length: int | None
    validator: str | None


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive whose first bytes are on their way.

    Attributes:
        chunks: the body as it arrives, in pieces of any size. A body that breaks off ends with a
            `Problem` in place of bytes, and nothing after it; the iterator never raises for what
            the wire did.
        file_name: the server's own name for it, as it was sent: not safe to use as a path.
        length: bytes the whole archive has, where the service said so.
        offset: where in the archive the first chunk begins: 0, or no later than what is here ends.
            What overlaps is to be compared.
        validator: the strong ETag that names these very bytes, quotes included.
        checksums: of the whole archive.
    """

    chunks: AsyncIterator[bytes | Problem]
    file_name: str | None
    length: int | None
    offset: int = 0
    validator: str | None = None
    checksums: tuple[Checksum, ...] = ()
    metadata: ResponseMetadata = NO_METADATA


class Fleet(Protocol):
    """One API, spoken to for any number of servers at once.

    No method retries, sleeps, prints, or raises for what the wire did: each answers, if need be
    with a `Problem`. When a call may go is decided elsewhere, and so is which calls ask the
    service, with `asks_limits`, to tell its limits beside its answer, where it can be asked.
    """

    async def start_export(self, target: Target, *, asks_limits: bool) -> ExportSaid | Problem:
        """Start an export of the server's logs."""

    async def ask_status(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        within_s: float = math.inf,
        afresh: bool = False,
    ) -> ExportSaid | Problem:
        """Ask how far an export is.

        Args:
            target: the server.
            export_id: as the service gave it, to this process or to an earlier one.
            asks_limits: the service is asked to tell its limits as well.
            within_s: seconds that it may take; the provider may allow fewer.
            afresh: over a connection of its own, since those that are kept may lead nowhere.
        """

    def open_archive(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        location: str | None = None,
        fetched: Fetched | None = None,
    ) -> AbstractAsyncContextManager[OpenArchive | Problem]:
        """Open a completed export's archive; leaving the context closes the connection.

        Args:
            target: the server.
            export_id: as for `ask_status`.
            asks_limits: as for `ask_status`.
            location: where the archive lies, as `ExportSaid.location` had it; None if it had none.
                It may come from a journal, and a journal from anybody: credentials go to the
                endpoint's own origin, wherever it leads.
            fetched: with it, only the rest is asked for, and `CHANGED` is answered where what
                comes cannot belong to it.
        """


@dataclass(frozen=True, slots=True)
class Access:
    """How providers reach their services.

    Attributes:
        environ: where secrets are looked up.
        ca_file: certificate authorities to trust, in PEM, beside the system's own.
        stall_s: seconds without a byte of an archive that are a cut; None: as the provider likes.
        secrets: where those that are read are made known, for whoever writes elsewhere.
        memory: the user's directory for what outlives runs, as what services have refused; None:
            nowhere.
        shared: what runs of one output directory share, for the same where that cannot be written.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    ca_file: Path | None = None
    stall_s: float | None = None
    secrets: Secrets = field(default_factory=Secrets)
    memory: Path | None = None
    shared: Path | None = None


class Provider(ABC):
    """What a vendor offers. The object is made when its name is first needed, and holds no state.

    Commands that send nothing use all of it but `connect`, so whatever only calls need is imported
    there.
    """

    @property
    @abstractmethod
    def rules(self) -> InventoryRules:
        """What an inventory may say about this provider's projects."""

    @abstractmethod
    def connect(
        self, credentials: Mapping[str, CredentialNamed], access: Access, *, connections: int
    ) -> AbstractAsyncContextManager[Fleet]:
        """Return the fleet, to be entered when the run begins.

        Nothing has been written yet. Whatever can be checked without a call is checked here:
        secrets, certificates, proxies.

        Args:
            credentials: those that this provider's projects use, by name. Each is of a kind in
                `rules`, and has the fields of that kind; its values may come from a journal.
            access: where secrets are found, and whom to trust.
            connections: how many calls may be under way at once.

        Raises:
            CollectorError: a secret is missing, or something else that the calls need.
        """

    @abstractmethod
    def scopes(self, call: Call, project: ProjectAddress) -> tuple[Scope, ...]:
        """Return every scope that this call passes: who shares its limits."""

    @property
    @abstractmethod
    def archive_format(self) -> ArchiveFormat:
        """How this provider's archives are packed: what reads them, here and in `verify`."""

    @abstractmethod
    def file_name(self, server_id: str) -> str:
        """Return what an archive is called whose answer gives it no name."""

    @property
    def unknown_export(self) -> str | None:
        """An id that no export has: calls for it start nothing, and tell what is permitted.

        None: there is no such id.
        """
        return None
