"""A run's events for subscribers: never a source of state, and never in the run's way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import anyio

if TYPE_CHECKING:
    from collector.model.events import Event

KEPT = 10_000
"""Events kept for a subscriber that is slow."""


@dataclass(frozen=True, slots=True)
class EventsSkipped:
    """The subscriber was too slow for `events` events; what they led to is in the run's state."""

    events: int


class Feed:
    """Events in order, for as many subscribers as come."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._ended = False

    def subscribe(self) -> Subscription:
        """Return an iterator over the events from now on; leave its context to stop listening."""
        subscription = Subscription(self._subscriptions)
        self._subscriptions.append(subscription)
        if self._ended:
            subscription.end()
        return subscription

    def put(self, event: Event) -> None:
        """Offer an event to each subscriber; it never waits."""
        for subscription in self._subscriptions:
            subscription.put(event)

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()


class Subscription:
    """One subscriber's view of the feed: an async iterator, to be used by one task.

    It ends with the run. A subscriber that is slow finds `EventsSkipped` in place of events.
    """

    def __init__(self, subscriptions: list[Subscription]) -> None:
        self._subscriptions = subscriptions
        self._events: deque[Event] = deque()
        self._skipped = 0
        self._ended = False
        self._more = anyio.Event()

    def put(self, event: Event) -> None:
        """Keep an event until it is read."""
        if len(self._events) >= KEPT:
            self._skipped += len(self._events)
            self._events.clear()
        self._events.append(event)
        self._more.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        self._more.set()

    def close(self) -> None:
        """Stop listening; the events that were not read are dropped. May be called twice."""
        if self in self._subscriptions:
            self._subscriptions.remove(self)
        self._events.clear()
        self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | EventsSkipped:
        """Return the next event; at the end of the run, stop."""
        while not self._events and not self._ended:
            self._more = anyio.Event()
            await self._more.wait()
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            return EventsSkipped(skipped)
        if self._events:
            return self._events.popleft()
        raise StopAsyncIteration
