"""A run's events for onlookers: never a source of state, and never in the run's way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collector.model.events import Event

KEPT = 10_000
"""Events kept for an onlooker who is slow."""


@dataclass(frozen=True, slots=True)
class EventsSkipped:
    """The onlooker was too slow for `events` events; what they led to is in the run's state."""

    events: int


class Feed:
    """Events in order, for one reader."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._skipped = 0
        self._ended = False
        self._more = anyio.Event()

    def put(self, event: Event) -> None:
        """Offer an event; it never waits."""
        if len(self._events) >= KEPT:
            self._skipped += len(self._events)
            self._events.clear()
        self._events.append(event)
        self._more.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        self._more.set()

    async def next(self) -> Event | EventsSkipped:
        """Return the next event.

        Raises:
            StopAsyncIteration: when the run is over and all have been read.
        """
        while not self._events and not self._ended:
            self._more = anyio.Event()
            await self._more.wait()
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            return EventsSkipped(skipped)
        if self._events:
            return self._events.popleft()
        raise StopAsyncIteration
