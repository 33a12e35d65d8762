"""How far downloads are, and what is left of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.outcomes.facts import download_begun
from collector.model import events as e
from collector.model.actions import DiscardPart, FetchArchive
from collector.model.answers import (
    ArchiveOpened,
    ArchiveReceived,
    BytesArrived,
    BytesConsumed,
    PartBegun,
    Progress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.engine.admission.in_flight import Flight, InFlight
    from collector.engine.outcomes.observations import Observations
    from collector.model.actions import Request
    from collector.model.answers import ResponseMetadata
    from collector.model.state import ServerRow
    from collector.model.wall_time import WallTime


class Downloads:
    """Follows the downloads in flight.

    Args:
        in_flight: the calls in flight.
        observations: counts what arrives.
        wall_time: how the engine's clock reads on the wall's.
        opened: learns from a download's first bytes: the API has answered.
    """

    __slots__ = ("_discards", "_in_flight", "_observations", "_opened", "_wall_time")

    def __init__(
        self,
        in_flight: InFlight,
        observations: Observations,
        wall_time: WallTime,
        opened: Callable[[Flight, ResponseMetadata, float], None],
    ) -> None:
        self._in_flight = in_flight
        self._observations = observations
        self._wall_time = wall_time
        self._opened = opened
        self._discards: list[DiscardPart] = []

    def progressed(self, action: Request, answer: Progress, now_s: float) -> list[e.Event]:
        """Process how far a download is; return what is to be recorded of it."""
        flight = self._in_flight.of(action)
        if flight is None or not isinstance(action, FetchArchive):
            return []
        match answer:
            case BytesArrived(size):
                self._in_flight.arrived(flight, size, now_s)
                self._observations.arrived(flight.lane.project, size)
            case BytesConsumed():
                self._in_flight.awaited(flight, now_s)
            case ArchiveOpened(metadata):
                self._opened(flight, metadata, now_s)
            case ArchiveReceived():
                self._in_flight.received(flight)
            case PartBegun():
                return [download_begun(self._wall_time.stamp(now_s), action, answer)]
        return []

    def discard_part_of_failed(self, row: ServerRow, events: Iterable[e.Event]) -> None:
        """Note the `.part` file of a server that is to be recorded as failed."""
        if row.begun is not None and any(isinstance(one, e.ServerFailed) for one in events):
            self._discards.append(DiscardPart(row.server, row.directory, row.begun.file_name))

    def discards(self) -> list[DiscardPart]:
        """Return what is to be removed since the last time."""
        discards, self._discards = self._discards, []
        return discards
