"""Performers carry actions out: here with the provider's API and the archive store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import anyio
from aiolimiter import AsyncLimiter

from collector.archive.names import safe_name
from collector.archive.store import ArchiveStore, ArchiveStream
from collector.model.actions import AskStatus, FetchArchive, Request, StartExport
from collector.model.answers import (
    Answer,
    ArchiveOpened,
    ArchiveReceived,
    BytesArrived,
    BytesConsumed,
    ExportSaid,
    PartBegun,
    Problem,
    ProblemKind,
    Stored,
)
from collector.providers.connecting import address
from collector.providers.protocol import Fetched, Target
from collector.rundir.journal.values import is_etag, is_export_id, is_location

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

    from collector.archive.destination import Destination
    from collector.archive.staged import ArchivePolicy, StagedArchive
    from collector.model.actions import DiscardPart
    from collector.model.answers import Outcome
    from collector.model.state import RunState
    from collector.providers.protocol import Fleet, OpenArchive, Provider

Report = Callable[[Request, Answer], None]
"""Takes an answer to an action, at once. A call's last one is an `Outcome`."""


class Performer(Protocol):
    """Carries actions out, wherever it runs. It decides nothing and keeps nothing between actions.

    Actions and answers have one serialised form (`collector.model.messages`), so a performer may be
    another process.
    """

    async def perform(self, action: Request, report: Report) -> None:
        """Make one call, and report what comes: for a download, its progress too.

        The last answer reported is an `Outcome`, and there is exactly one, unless the performer is
        cancelled. What goes wrong with the call is a `Problem`; nothing is raised.
        """

    async def discard(self, action: DiscardPart) -> None:
        """Remove what an unfinished download has left."""


class LocalPerformer:
    """Performs in this process.

    Args:
        state: the run's; who its servers are is read once.
        fleet: what makes the calls.
        providers: those of its projects, by name.
        destination: where archives are kept.
        policy: how archives are treated.
        bytes_per_second: how fast archives may come, together; None: as fast as they do.
        on_listing: is given the members of each archive that is stored, by its server.
    """

    def __init__(
        self,
        state: RunState,
        fleet: Fleet,
        providers: Mapping[str, Provider],
        destination: Destination,
        *,
        policy: ArchivePolicy,
        bytes_per_second: int | None,
        on_listing: Callable[[int, bytes], None],
    ) -> None:
        self._fleet = fleet
        self._providers = providers
        self._on_listing = on_listing
        self._targets, self._directories = _targets(state)
        throttle = None if bytes_per_second is None else _throttle(bytes_per_second)
        self._store = ArchiveStore(destination, policy, throttle=throttle)

    async def perform(self, action: Request, report: Report) -> None:
        """Make one call, and report what comes."""
        outcome = await self._perform(action, report)
        if isinstance(outcome, ExportSaid) and not _can_be_recorded(outcome):
            words = "the provider names the export, or where it lies, so that it cannot be recorded"
            outcome = Problem(ProblemKind.UNREADABLE, words, metadata=outcome.metadata)
        report(action, outcome)

    async def discard(self, action: DiscardPart) -> None:
        """Remove what an unfinished download has left."""
        await self._store.discard(action.directory, action.file_name)

    async def _perform(self, action: Request, report: Report) -> Outcome:
        target = self._targets[action.server]
        match action:
            case StartExport():
                return await self._fleet.start_export(target, asks_limits=action.asks_limits)
            case AskStatus(export_id=export_id):
                return await self._fleet.ask_status(
                    target,
                    export_id,
                    asks_limits=action.asks_limits,
                    within_s=action.within_s,
                    afresh=action.is_probe,
                )
            case FetchArchive():
                with anyio.move_on_after(action.within_s):
                    return await self._fetch(action, target, report)
                return Problem(ProblemKind.TOO_SLOW, "the download took longer than is allowed")

    async def _fetch(
        self, action: FetchArchive, target: Target, report: Report
    ) -> Stored | Problem:
        begun = action.begun
        staged = fetched = None
        if begun is not None:
            staged = self._stage(action, begun.file_name)
            if size := await self._store.resume(staged):
                fetched = Fetched(size, begun.length, begun.validator)
        try:
            async with self._fleet.open_archive(
                target,
                action.export_id,
                asks_limits=action.asks_limits,
                location=action.location,
                fetched=fetched,
            ) as opened:
                if isinstance(opened, Problem):
                    return opened if staged is None else await self._store.clean_up(staged, opened)
                report(action, ArchiveOpened(opened.metadata))
                return await self._download(action, opened, staged, report)
        finally:
            if staged is not None:
                staged.close()

    async def _download(
        self, action: FetchArchive, opened: OpenArchive, here: StagedArchive | None, report: Report
    ) -> Stored | Problem:
        """Store what comes, after what is here or from the start."""
        target = self._targets[action.server]
        fallback = self._providers[target.project.provider].file_name(target.server_id)
        file_name = safe_name(opened.file_name, fallback=fallback)
        staged = here or self._stage(action, file_name)

        def on_begun() -> None:
            validator = opened.validator if is_etag(opened.validator or "") else None
            part = PartBegun(staged.file_name, opened.length, validator, opened.offset > 0)
            report(action, part)

        stream = ArchiveStream(
            _reporting(opened.chunks, action, report),
            opened.length,
            file_name,
            opened.offset,
            opened.checksums,
        )
        outcome = await self._store.store(stream, staged, on_begun=on_begun)
        if isinstance(outcome, Stored):
            self._on_listing(action.server, staged.members)
        return outcome

    def _stage(self, action: FetchArchive, file_name: str) -> StagedArchive:
        provider = self._providers[self._targets[action.server].project.provider]
        directory = self._directories[action.server]
        return self._store.stage(directory, file_name, provider.archive_format)


def _can_be_recorded(said: ExportSaid) -> bool:
    """Whether the journal takes what a provider says: it may be somebody else's."""
    return is_export_id(said.export_id) and (said.location is None or is_location(said.location))


async def _reporting(
    chunks: AsyncIterator[bytes | Problem], action: FetchArchive, report: Report
) -> AsyncIterator[bytes | Problem]:
    """Pass an archive's bytes on, and report that they come, and when all have."""
    consumed = BytesConsumed()
    async for chunk in chunks:
        report(action, BytesArrived(len(chunk) if isinstance(chunk, bytes) else 0))
        yield chunk
        report(action, consumed)
    report(action, ArchiveReceived())


def _targets(state: RunState) -> tuple[Sequence[Target], Sequence[str]]:
    """Return each server as its API names it, and its directory."""
    addresses = [address(state, row.project) for row in state.projects]
    targets = [Target(addresses[row.project], row.id) for row in state.servers]
    return targets, [row.directory for row in state.servers]


def _throttle(bytes_per_second: int) -> Callable[[int], Awaitable[None]]:
    """Return what waits for so many more bytes, in pieces that the limiter can let through."""
    limiter = AsyncLimiter(bytes_per_second, 1)

    async def throttle(size: int) -> None:
        while size > 0:
            piece = min(size, bytes_per_second)
            await limiter.acquire(piece)
            size -= piece

    return throttle
