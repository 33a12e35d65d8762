"""A run that another process works on, or did, as a source: its journal is followed in a thread."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from collector import threads
from collector.errors import CollectorError
from collector.printable import one_line
from collector.report.manifest import JournalHead
from collector.report.series import Follower
from collector.report.times import written
from collector.rundir.following import Following
from collector.rundir.standing import manifest_sha256
from collector.serving.guard import Refused
from collector.serving.page_state import PageState, Seen
from collector.serving.source import FRESH_S, LOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.model.events import Event
    from collector.serving.source import Data, Health, Revision

T = TypeVar("T")


class FollowedRun:
    """A run on disk.

    Args:
        directory: the run's.
    """

    def __init__(self, directory: Path) -> None:
        self._following = Following(directory)
        self._shown = PageState(directory, self._following.state, self._following.watch)
        self._follower = Follower()
        self._one_at_a_time = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._looked_s = -FRESH_S
        self._is_closed = False

    @property
    def revision(self) -> Revision:
        """The latest stage."""
        return self._shown.revision

    @property
    def has_ended(self) -> bool:
        """Nobody works on the run, and no server is pending, so nobody will."""
        following = self._following
        return following.state.ended is not None and not (
            following.alive or following.state.pending
        )

    async def refresh(self) -> None:
        """Look at the run, unless somebody did just now."""
        async with self._one_at_a_time:
            if time.monotonic() - self._looked_s >= FRESH_S:
                await self._in_thread(self._look)
                self._looked_s = time.monotonic()

    async def data(self) -> Data:
        """Make the page's data, or return those that were made lately."""
        await self._begun()
        async with self._one_at_a_time:
            return await self._in_thread(self._data)

    async def news(self, since: Revision) -> bytes | None:
        """Make what has changed."""
        async with self._one_at_a_time:
            return await self._in_thread(partial(self._shown.news, since, whole=self.has_ended))

    async def health(self) -> Health:
        """Tell how the run is."""
        await self.refresh()
        return self._shown.health()

    async def _begun(self) -> None:
        """Look at the run, and wait for one that is about to begin."""
        for left in reversed(range(LOOKS)):
            try:
                await self.refresh()
            except Refused:
                if not left or not self._following.alive:
                    raise
                await anyio.sleep(FRESH_S)
            else:
                break

    def close(self) -> None:
        """Stop looking, also in the middle of it, and close the journal."""
        self._is_closed = True
        if not self._one_at_a_time.locked():
            self._following.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do a thread's work. The lock is held."""
        try:
            return await threads.run_sync(work, limiter=self._thread)
        finally:
            if self._is_closed:
                self._following.close()

    def _look(self) -> None:
        """Read what was appended. For the thread."""
        following = self._following
        try:
            while not self._is_closed:
                following.poll(each=self._follow)
                self._adopt()
                if following.is_current:
                    break
        except CollectorError as error:
            raise Refused(409, f"This run cannot be shown: {one_line(str(error))}") from error
        if following.state.started is None:
            raise Refused(409, f"This run cannot be shown: {self._why_not()}")
        self._shown.look(
            Seen(
                journaled=JournalHead(following.lines, following.head),
                series=self._follower.series(),
                alive=following.alive,
                damage=self._damage(),
            )
        )

    def _follow(self, event: Event) -> None:
        """Take in an event that is part of the state now."""
        self._adopt()
        self._follower.follow(event)

    def _adopt(self) -> None:
        """Begin anew where another journal has the place of the one that was read."""
        if self._following.state is not self._shown.state:
            following = self._following
            self._shown = PageState(following.directory, following.state, following.watch)
            self._follower = Follower()

    def _why_not(self) -> str:
        following = self._following
        if following.is_gone:
            return "its journal is gone."
        if following.damage is not None and not following.damage.torn:
            return f"its journal is damaged in line 1: {one_line(following.damage.what)}."
        return "it is about to begin." if following.alive else "it was stopped before it began."

    def _damage(self) -> str | None:
        damage = self._following.damage
        return None if damage is None else f"line {damage.line}: {one_line(damage.what)}"

    def _data(self) -> Data:
        return self._shown.data(written(datetime.now(UTC)), self._manifest_sha256())

    def _manifest_sha256(self) -> str | None:
        """Return the manifest's hash once nobody writes it any more."""
        if self._following.alive:
            return None
        try:
            return manifest_sha256(self._following.directory)
        except OSError:
            return None
