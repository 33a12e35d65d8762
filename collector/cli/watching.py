"""Watches a run that another process works on, until it ends or that process is gone."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from collector import signals
from collector.cli.rendering.wording import short
from collector.cli.streams import say
from collector.errors import CollectorError
from collector.event_loop import Loop
from collector.observe.narration import Narrator
from collector.observe.progress import choose
from collector.rundir.following import Following

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from collector.report.glance import Glance

EVERY_S = 1.0
AT_ONCE = 2_000
"""Events that are read before the display has its turn."""


def watch(directory: Path) -> None:
    """Show how a run goes on until it ends: at once where nobody works on it.

    A stop signal ends the watching alone, and this process with its exit code.

    Raises:
        CollectorError: the journal cannot be read, or is gone.
    """
    with Following(directory) as following:
        stopped_by = anyio.run(
            partial(_watch, _Watched(following)), backend_options={"loop_factory": Loop}
        )
    if stopped_by is not None:
        say("Stopped watching; the run goes on.")
        sys.exit(128 + stopped_by)


class _Watched:
    """A run by its journal, and how it is looked at and told of."""

    def __init__(self, following: Following) -> None:
        self.following = following
        self._state = following.state
        self._narrator: Narrator | None = None

    def read(self) -> bool:
        """Read what is new; return whether somebody works on the run, or there is more to read."""
        following = self.following
        events = following.poll(AT_ONCE)
        if following.state is not self._state:  # another journal has its place
            self._state, self._narrator = following.state, None
        if self._narrator is not None:
            for event in events:
                self._narrator.log(event)
        if following.is_gone:
            raise CollectorError(f"{following.directory} has been removed")
        return (following.alive or not following.is_current) and following.damage is None

    def tell_from_now_on(self) -> None:
        """Tell of what happens, but not of what has happened already."""
        if self._narrator is None and self.following.is_current:
            self._narrator = Narrator(self._state)

    def remind(self) -> None:
        """Tell of failures that were not told one by one."""
        if self._narrator is not None:
            self._narrator.remind()

    def look(self) -> Glance | None:
        """Look at the run; None as long as it has not begun."""
        if self._state.started is None:
            return None
        return self.following.watch.glance(datetime.now(UTC), alive=self.following.alive)

    def opening(self) -> str:
        """Return what is watched."""
        where = short(str(self.following.directory))
        return f"Watching {where}. Ctrl-C ends the watching; the run goes on."

    def ending(self) -> str | None:
        """Return what became of the process, where its run did not end."""
        process = self._state.process
        if not self.following.was_killed or process is None:
            return None
        return f"Process {process.pid} on {process.host} is gone; it did not end its run."


async def _watch(watched: _Watched) -> signal.Signals | None:
    """Watch until the run has ended; return the signal that ended the watching before that."""
    stopped_by: signal.Signals | None = None
    unreadable: CollectorError | None = None
    while (goes_on := watched.read()) and not watched.following.is_current:
        await anyio.lowlevel.checkpoint()
    if not goes_on:
        return None
    with signals.received(*signals.STOPS) as stops:
        display = choose("auto", watched.look)
        say(watched.opening())
        async with anyio.create_task_group() as tasks:

            async def heed_signals() -> None:
                nonlocal stopped_by
                async for received in stops:
                    stopped_by = signals.STOPS[received]
                    tasks.cancel_scope.cancel()

            tasks.start_soon(heed_signals)
            if display is None:
                unreadable = await _follow(watched)
            else:
                with display:
                    tasks.start_soon(display.show)
                    unreadable = await _follow(watched)
            tasks.cancel_scope.cancel()
    if unreadable is not None:
        raise unreadable
    if stopped_by is None and (ending := watched.ending()) is not None:
        say(ending, "warning")
    return stopped_by


async def _follow(watched: _Watched) -> CollectorError | None:
    """Follow a run to its end; return why it cannot be read any more, if that comes first."""
    watched.tell_from_now_on()
    looks = 0
    try:
        while watched.read():
            watched.tell_from_now_on()
            looks += 1
            if looks % 10 == 0:
                watched.remind()
            await anyio.sleep(EVERY_S if watched.following.is_current else 0)
    except CollectorError as error:
        return error
    watched.remind()
    return None
