"""Which lane a server waits in, as its events and the answers to its calls say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.queueing.lanes import YIELDS_S, order
from collector.model.answers import Call
from collector.model.lifecycle import wanted
from collector.model.state import Phase

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from collector.engine.admission.in_flight import InFlight
    from collector.engine.admission.question import Outages
    from collector.engine.outcomes.memory import Memories
    from collector.engine.polling.statuses import Statuses
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.ready import ReadyLanes
    from collector.model.state import RunState, ServerRow

LAST_SERVERS = 20
"""So few servers left, and each status is what the whole run waits for."""


class Placement:
    """Puts servers into their lanes.

    Args:
        state: the run.
        lanes: all of the run's, by project and call.
        waiting: what they hold.
        in_flight: servers that have a call in flight wait for its answer.
        statuses: knows when those are worth asking for.
        memories: what is remembered of each server.
        outages: of all endpoints together.

    Attributes:
        recording: servers whose events are being recorded.
        giving_up: servers whose next call is not worth making: their credential is refused.
    """

    __slots__ = (
        "_ended", "_in_flight", "_lanes", "_memories", "_moved", "_outages", "_state",
        "_statuses", "_waiting", "giving_up", "recording",
    )  # fmt: skip

    def __init__(
        self,
        state: RunState,
        lanes: Mapping[tuple[int, Call], Lane],
        waiting: ReadyLanes,
        in_flight: InFlight,
        statuses: Statuses,
        memories: Memories,
        outages: Outages,
    ) -> None:
        self._state = state
        self._lanes = lanes
        self._waiting = waiting
        self._in_flight = in_flight
        self._statuses = statuses
        self._memories = memories
        self._outages = outages
        self.recording: set[int] = set()
        self.giving_up: list[int] = []
        self._moved = list(range(len(state.servers)))  # all are new to this plan
        self._ended = {row.server for row in state.servers if row.phase.ended}

    @property
    def is_recording_posts(self) -> bool:
        """Whether the answer to a POST is not yet recorded."""
        servers = self._state.servers
        return any(servers[server].phase is Phase.REQUESTED for server in self.recording)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is in flight, and nothing that waits will ever leave."""
        if self._in_flight or self.recording or self.giving_up:
            return False
        waiting = self._waiting.waiting - sum(one.waiting for one in self._outages.given_up)
        if waiting and self._in_flight.disk.given_up:
            waiting -= sum(
                len(lane)
                for lane in self._lanes.values()
                if lane.call is Call.FETCH_ARCHIVE and not lane.breaker.given_up
            )
        return not waiting

    def moved(self, server: int) -> None:
        """Look again at a server of which an event has been recorded."""
        self._moved.append(server)

    def place_moved(self, now_s: float) -> None:
        """Place the servers of which events have been recorded."""
        moved = self._moved
        if not moved:
            return
        for server in dict.fromkeys(moved) if len(moved) > 1 else moved:
            row = self._state.servers[server]
            runs = row.phase is Phase.REQUESTED or row.phase is Phase.EXPORTING
            self.count_export(server, row.project, runs=runs)
            if server in self._in_flight:
                continue  # its own intent was recorded; the answer decides
            self.recording.discard(server)
            if row.phase.ended:
                self._end(row)
            else:
                self.place(row, now_s)
        moved.clear()
        reachable = self._state.pending - self._outages.waiting
        if reachable <= LAST_SERVERS and not self._statuses.is_last:
            self._statuses.look_for_the_last(now_s)

    def place(self, row: ServerRow, now_s: float) -> None:
        """Let a server wait for the call that it needs next."""
        call = wanted(row)
        if call is None:
            return
        lane = self._lanes[row.project, call]
        if lane.admission.refused is not None or lane.permission.barred is not None:
            self.giving_up.append(row.server)
            return
        if call is Call.ASK_STATUS:
            self._statuses.place(lane, row, now_s)
        else:
            at_s = self._memories.again_at(row.server, now_s)
            failed = self._memories.has_trouble(row.server)
            due_s = at_s + YIELDS_S if failed else at_s
            place = order(first=row.first, failed=failed)
            self._waiting.put(lane, row.server, place, at_s, due_s, now_s)

    def _end(self, row: ServerRow) -> None:
        """Let go of a server that is at its end."""
        self._memories.forget(row.server)
        if row.server not in self._ended:
            self._ended.add(row.server)
            lane = self._lanes[row.project, Call.START_EXPORT]
            lane.breaker.servers -= 1
            lane.admission.servers -= 1

    def count_export(self, server: int, project: int, *, runs: bool) -> None:
        """Count an export that is requested or runs, or no longer does."""
        lane = self._lanes[project, Call.START_EXPORT]
        lane.exports.count(server, runs=runs)
        lane.track.running = lane.exports.running
        self._waiting.touch_gate(lane.exports)
        if lane.permission.of_project.holds:
            self._waiting.touch_permissions(lane)

    def release(self, gate: Hashable) -> None:
        """Look again at what waits for a gate."""
        self._waiting.touch_gate(gate)

    def give_up_waiting(self, project: int, call: Call) -> int:
        """Give up what waits for a call in a project, without one; return how many servers."""
        servers = self._waiting.empty(self._lanes[project, call])
        self.giving_up += servers
        return len(servers)
