"""`Fleet`: the protocol a fleet's API is spoken through; all that a second provider implements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from collector.model.answers import NO_METADATA, ResponseMetadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from collector.model.answers import Call, Checksum, ExportSaid, Problem, Scope


@dataclass(frozen=True, slots=True)
class Target:
    """A server as its API names it.

    Attributes:
        endpoint: base URL of the API, without a trailing slash.
        project_id, server_id: as the API knows them.
        credential: name of the credential that calls for this project carry.
    """

    endpoint: str
    project_id: str
    server_id: str
    credential: str


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
    heard: ResponseMetadata = NO_METADATA


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
        self, target: Target, export_id: str, *, asks_limits: bool, fetched: Fetched | None = None
    ) -> AbstractAsyncContextManager[OpenArchive | Problem]:
        """Open a completed export's archive; leaving the context closes the connection.

        With `fetched`, the rest alone is asked for, and `CHANGED` is answered where what comes
        cannot belong to it.
        """

    def scopes(self, call: Call, target: Target) -> tuple[Scope, ...]:
        """Every scope that this call for this server's project passes."""
