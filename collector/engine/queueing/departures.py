"""Calls that leave: what each of them is, and who has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model import events as e
from collector.model.actions import AskStatus, FetchArchive, StartExport
from collector.model.answers import Call

if TYPE_CHECKING:
    from collector.engine.admission.in_flight import InFlight
    from collector.engine.outcomes.memory import Memories
    from collector.engine.outcomes.observations import Observations
    from collector.engine.pacing.pacer import Pacer
    from collector.engine.polling.watch import ExportWatch
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.placement import Placement
    from collector.engine.queueing.ready import ReadyLanes
    from collector.model.actions import Request
    from collector.model.ceilings import Ceilings
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime


class Departures:
    """Dequeues calls and dispatches them.

    Args:
        state: the run.
        waiting: what the lanes hold.
        placement: counts the exports that run.
        pacer: counts the calls of each scope.
        in_flight: counts the calls in flight.
        watch: knows how long a status may take.
        memories: what is remembered of each server.
        observations: counts calls for the journal.
        ceilings: what a person allows.
        wall_time: how the engine's clock reads on the wall's.
    """

    __slots__ = (
        "_ceilings", "_in_flight", "_memories", "_observations", "_pacer", "_placement", "_state",
        "_waiting", "_wall_time", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        state: RunState,
        waiting: ReadyLanes,
        placement: Placement,
        pacer: Pacer,
        in_flight: InFlight,
        watch: ExportWatch,
        memories: Memories,
        observations: Observations,
        ceilings: Ceilings,
        wall_time: WallTime,
    ) -> None:
        self._state = state
        self._waiting = waiting
        self._placement = placement
        self._pacer = pacer
        self._in_flight = in_flight
        self._watch = watch
        self._memories = memories
        self._observations = observations
        self._ceilings = ceilings
        self._wall_time = wall_time

    def leave(self, lane: Lane, now_s: float) -> Request:
        """Dequeue and dispatch the lane's next call."""
        return self._dispatch(lane, self._waiting.take(lane, now_s), now_s)

    def leave_out_of_turn(self, lane: Lane, now_s: float, server: int) -> Request:
        """Dequeue and dispatch the call of a server that waits in the lane."""
        self._waiting.remove(lane, server)
        return self._dispatch(lane, server, now_s)

    def _dispatch(self, lane: Lane, server: int, now_s: float) -> Request:
        row = self._state.servers[server]
        action = self._action(lane, row, now_s)
        self._pacer.sent(lane.track, now_s)
        self._in_flight.left(action, lane)
        if lane.call is Call.START_EXPORT:
            # Counted before its intent is applied, so that one moment cannot start too many.
            self._placement.count_export(server, row.project, runs=True)
        self._observations.count(row.project)
        return action

    def _action(self, lane: Lane, row: ServerRow, now_s: float) -> Request:
        asks = now_s >= lane.track.asks_s
        if lane.call is Call.START_EXPORT:
            intent = e.ExportRequested(at=self._wall_time.stamp(now_s), server=row.server)
            return StartExport(row.server, now_s, asks, lane.exports.running, intent)
        export_id, location = (row.export.id, row.export.location) if row.export else ("", None)
        if lane.call is Call.ASK_STATUS:
            within_s = self._watch.status_within_s(row, now_s)
            return AskStatus(row.server, now_s, asks, export_id, within_s)
        within_s = self._ceilings.download_s - self._memories.downloading_s(row.server)
        return FetchArchive(
            row.server, now_s, asks, export_id, row.begun, max(0.0, within_s), location=location
        )
