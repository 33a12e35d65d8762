"""What an answer tells beside its content: about limits, credentials, endpoints and clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.outcomes.retry import NO_ANSWER
from collector.model.actions import AskStatus, StartExport
from collector.model.answers import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.engine.admission.circuit_breaker import CircuitBreaker
    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.engine.outcomes.observations import Observations
    from collector.engine.pacing.findings import Finding
    from collector.engine.pacing.pacer import Pacer
    from collector.engine.queueing.lanes import Lane
    from collector.model.actions import FetchArchive, Request
    from collector.model.answers import ResponseMetadata


class Feedback:
    """Passes on what answers tell to whoever plans with it."""

    __slots__ = ("_disk", "_observations", "_pacer")

    def __init__(self, pacer: Pacer, disk: CircuitBreaker, news: Observations) -> None:
        self._pacer = pacer
        self._disk = disk
        self._observations = news

    def answered(
        self,
        lane: Lane,
        action: Request,
        problem: Problem | None,
        metadata: ResponseMetadata,
        now_s: float,
    ) -> bool:
        """Process an answer, or a download's first bytes: the API has answered a call.

        Args:
            lane: that the call came from.
            action: the call.
            problem: what went wrong; None if nothing did.
            metadata: what the answer tells beside its content.
            now_s: now.

        Returns:
            Whether other limits are believed now.
        """
        if problem is not None and problem.sign_in:
            # Nothing was asked of the endpoint: this tells of the credential alone.
            self.withdrawn(lane, action)
            lane.credential.answered(problem, lane.admission, action.server, action.sent_s, now_s)
            return False
        if problem is not None and problem.kind is ProblemKind.NOT_SENT:
            self._pacer.never_sent(lane.track, action.sent_s)
            self._observations.uncount(lane.project)
            self._unanswered(lane, action, problem, now_s)
            return False
        if problem is None or problem.kind not in NO_ANSWER:
            self._reached(lane.breaker, None if is_probe(action) else action.server, now_s)
        elif problem.elsewhere:
            self._reached(lane.breaker, None, now_s)  # it sent the call on to another place
        else:
            self._unanswered(lane, action, problem, now_s)
        learned = False
        if problem is None or problem.http_status is not None:
            learned = self._limits(lane, action, problem, metadata, now_s)
        else:
            self._pacer.lost(lane.track, action.sent_s)
        lane.credential.answered(problem, lane.admission, action.server, action.sent_s, now_s)
        permission = lane.permission
        if not permission.accepted and permission.of_project.answered(
            lane.call, problem, action.server
        ):
            self._observations.permission_confirmed(lane.project, lane.call, now_s)
        if metadata.clock_offset_s is not None:
            self._observations.clock_offset(metadata.clock_offset_s)
        return learned

    def asked_before(
        self,
        lane: Lane,
        server: int,
        problem: Problem | None,
        metadata: ResponseMetadata,
        sent_s: float,
        now_s: float,
    ) -> None:
        """Process what came of a call that was made before the run's own.

        It was for an export that no server has, and nobody had planned it: it tells of the
        credential, the endpoint and the clock, of limits only where the service states them, and
        nothing of its server.

        Args:
            lane: where such calls wait.
            server: one of the project's.
            problem: what went wrong; None if nothing did.
            metadata: what the answer told beside.
            sent_s: when it left.
            now_s: when it was answered.
        """
        if problem is None or not problem.sign_in:
            self._observations.count(lane.project)
            self._reached(lane.breaker, None, now_s)
        if problem is not None and problem.kind is ProblemKind.THROTTLED:
            self._observations.throttled(lane.project)
        if metadata.limits and (problem is None or problem.kind is not ProblemKind.THROTTLED):
            self._pacer.sent(lane.track, sent_s)
            news = self._pacer.passed(lane.track, metadata.limits, sent_s, now_s, running=0)
            self._observations.paced(news, now_s)
        lane.credential.answered(problem, lane.admission, server, sent_s, now_s)
        if metadata.clock_offset_s is not None:
            self._observations.clock_offset(metadata.clock_offset_s)

    def _reached(self, breaker: EndpointBreaker, server: int | None, now_s: float) -> None:
        if breaker.reached(server, now_s):
            self._observations.endpoint_back(breaker.name, now_s)

    def _unanswered(self, lane: Lane, action: Request, problem: Problem, now_s: float) -> None:
        breaker = lane.breaker
        if is_probe(action):
            breaker.mute_servers.add(action.server)
        else:
            breaker.failed(action, problem)
        if breaker.probe_failed(action, problem, now_s):
            self._observations.endpoint_down(breaker, now_s)

    def withdrawn(self, lane: Lane, action: Request) -> None:
        """Take back a call that did not leave after all."""
        self._pacer.never_sent(lane.track, action.sent_s)
        self._observations.uncount(lane.project)

    def stored(self, action: FetchArchive, problem: Problem | None, now_s: float) -> None:
        """Record what became of a download, and so of the disk.

        Args:
            action: the call.
            problem: why nothing was stored; None if an archive was.
            now_s: now.
        """
        disk = self._disk
        if problem is None:
            if disk.reached():
                self._observations.downloads_went_on(now_s)
        elif problem.kind is ProblemKind.DISK and disk.failed(action.sent_s, now_s):
            self._observations.downloads_paused(problem.message, now_s)

    def _limits(
        self,
        lane: Lane,
        action: Request,
        problem: Problem | None,
        metadata: ResponseMetadata,
        now_s: float,
    ) -> bool:
        running = action.running if isinstance(action, StartExport) else 0
        news: Sequence[Finding]
        refused = problem is not None and problem.kind is ProblemKind.THROTTLED
        if problem is not None and refused:
            self._observations.throttled(lane.project)
            news = self._pacer.throttled(lane.track, problem, action.sent_s, now_s, running=running)
        else:
            news = self._pacer.passed(
                lane.track, metadata.limits, action.sent_s, now_s, running=running
            )
        if news:
            self._observations.paced(news, now_s)
        return bool(news) or refused


def is_probe(action: Request) -> bool:
    """Tell whether a call asks after its endpoint, and not after its server."""
    return isinstance(action, AskStatus) and action.is_probe
