"""The write-ahead rule, in one class: a fact is on disk before anything depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.state import apply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.model.events import Event
    from collector.model.state import RunState
    from collector.rundir.journal.journal import Journal
    from collector.sharing.claims import Claims


class Recorder:
    """Records a run's events, in order. While a run is under way, nothing else writes its journal.

    Args:
        state: the run's.
        journal: the run's.

    Attributes:
        claims: told first, so that an export that the service has started is known to other runs
            even if this process dies before its journal says so; None while nothing is shared.
    """

    def __init__(self, state: RunState, journal: Journal) -> None:
        self.claims: Claims | None = None
        self._state = state
        self._journal = journal
        self._followers: list[Callable[[Event], None]] = []

    def follow(self, follower: Callable[[Event], None]) -> None:
        """Call `follower` with each event from now on, once it is part of the state.

        A follower never waits: a stop must not come between an event and what follows from it.
        """
        self._followers.append(follower)

    async def record(self, events: Sequence[Event]) -> None:
        """Tell other runs, write the events down, apply each, and pass each on.

        Raises:
            JournalError: they cannot be written. The state is as before.
        """
        if not events:
            return
        if self.claims is not None:
            await self.claims.publish(events)
        await self._journal.record(events)
        for event in events:
            apply(self._state, event)
            for follower in self._followers:
                follower(event)
