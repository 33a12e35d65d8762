"""What an answer tells beside its content: about limits, secrets, endpoints and clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.actions import StartExport
from collector.engine.answers import Problem, ProblemKind
from collector.engine.retry import NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.actions import FetchArchive, Request
    from collector.engine.answers import Heard
    from collector.engine.gates import InFlight
    from collector.engine.lanes import Lane
    from collector.engine.news import News
    from collector.engine.pacing import Pacer
    from collector.engine.scope_pace import Disbelieved, Learned
    from collector.engine.state import RunState


class Hearing:
    """Passes on what answers tell to whoever plans with it."""

    __slots__ = ("_in_flight", "_news", "_pacer", "_state")

    def __init__(self, state: RunState, pacer: Pacer, in_flight: InFlight, news: News) -> None:
        self._state = state
        self._pacer = pacer
        self._in_flight = in_flight
        self._news = news

    def heard(
        self, lane: Lane, action: Request, problem: Problem | None, heard: Heard, now_s: float
    ) -> None:
        """Take note of an answer, or of a download's first bytes: the API has answered a call.

        Args:
            lane: that the call came from.
            action: the call.
            problem: what went wrong; None if nothing did.
            heard: what the answer tells beside its content.
            now_s: now.
        """
        self._in_flight.came_back(action.call, lane.secret, lane.circuit)
        circuit = lane.circuit
        if problem is not None and problem.kind is ProblemKind.NOT_SENT:
            self._pacer.never_sent(lane.track, action.sent_s)
            self._news.uncount(lane.project)
            if circuit.failed(action.sent_s, now_s):
                self._news.endpoint_down(self._endpoint(lane), problem.message, now_s)
            return
        if problem is not None and problem.kind in NO_ANSWER:
            if problem.elsewhere and circuit.down_s is None:
                pass  # what ails another place says nothing of the endpoint
            elif circuit.unanswered(action.server, action.sent_s, now_s):
                self._news.endpoint_down(self._endpoint(lane), problem.message, now_s)
        elif circuit.reached():
            self._news.endpoint_back(self._endpoint(lane), now_s)
        if problem is None or problem.http_status is not None:
            self._limits(lane, action, problem, heard, now_s)
        else:
            self._pacer.lost(lane.track, action.sent_s)
        lane.secret.heard(problem, action.sent_s, now_s)
        if heard.clock_offset_s is not None:
            self._news.clock_offset(heard.clock_offset_s)

    def withdrawn(self, lane: Lane, action: Request) -> None:
        """Take note that a call did not leave after all, and nothing was heard."""
        self._in_flight.came_back(action.call, lane.secret, lane.circuit)
        self._pacer.never_sent(lane.track, action.sent_s)
        self._news.uncount(lane.project)

    def stored(self, action: FetchArchive, problem: Problem | None, now_s: float) -> None:
        """Take note of what became of a download, and so of the disk.

        Args:
            action: the call.
            problem: why nothing was stored; None if an archive was.
            now_s: now.
        """
        disk = self._in_flight.disk
        if problem is None:
            if disk.reached():
                self._news.downloads_went_on(now_s)
        elif problem.kind is ProblemKind.DISK and disk.failed(action.sent_s, now_s):
            self._news.downloads_paused(problem.message, now_s)

    def _limits(
        self, lane: Lane, action: Request, problem: Problem | None, heard: Heard, now_s: float
    ) -> None:
        running = action.running if isinstance(action, StartExport) else 0
        news: Sequence[Learned | Disbelieved]
        if problem is not None and problem.kind is ProblemKind.THROTTLED:
            self._news.throttled(lane.project)
            news = self._pacer.throttled(lane.track, problem, action.sent_s, now_s, running=running)
        else:
            news = self._pacer.passed(
                lane.track, heard.limits, action.sent_s, now_s, running=running
            )
        if news:
            self._news.paced(news, now_s)

    def _endpoint(self, lane: Lane) -> str:
        return self._state.projects[lane.project].endpoint
