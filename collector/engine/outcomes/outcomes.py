"""What an answer means for its server: the events that follow from it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.engine.outcomes import retry
from collector.engine.outcomes.facts import archive_stored, attempt_failed, reused, server_failed
from collector.engine.outcomes.hints import STUCK
from collector.model import events as e
from collector.model.answers import Call, ExportSaid, ExportState, Problem, ProblemKind, Stored

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from collector.engine.admission.project_admission import ProjectAdmission
    from collector.engine.outcomes.memory import Memories
    from collector.engine.outcomes.observations import Observations
    from collector.engine.polling.watch import ExportWatch
    from collector.model.actions import Request
    from collector.model.answers import Outcome, Reusable
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime


OF_OTHERS = frozenset({ProblemKind.THROTTLED, ProblemKind.NOT_SENT})
"""What a call meets with whatever server it is for."""
LOST = frozenset({ProblemKind.FORGOTTEN, ProblemKind.UNKNOWN_SERVER})
"""What a service says that does not know an export."""


class Outcomes:
    """Turns answers into events.

    Args:
        state: the run.
        memories: what is remembered of each server.
        watch: follows the running exports.
        admissions: whether a project's secret is accepted, by project.
        observations: told what is odd.
        max_attempts: tries of one step of one server.
        export_s: an export that has not completed after this long is given up.
        wall_time: how the engine's clock reads on the wall's.
        rng: spreads what is tried again.
    """

    def __init__(
        self,
        state: RunState,
        memories: Memories,
        watch: ExportWatch,
        admissions: Sequence[ProjectAdmission],
        observations: Observations,
        *,
        max_attempts: int,
        export_s: float,
        wall_time: WallTime,
        rng: random.Random,
    ) -> None:
        self._state = state
        self._memories = memories
        self._watch = watch
        self._admissions = admissions
        self._observations = observations
        self._max_attempts = max_attempts
        self._export_s = export_s
        self._wall_time = wall_time
        self._rng = rng

    def given_up(
        self, row: ServerRow, problem: Problem, call: Call, now_s: float
    ) -> e.ServerFailed:
        """Return the event for a server whose next call is not worth making, nor a later one."""
        return replace(self._failed(row, call, problem, now_s), attempts=row.tries)

    def reused(self, server: int, found: Reusable, now_s: float) -> e.Event:
        """Return the event that makes an export of another run this run's as well."""
        self._memories.forget(server)  # it was of an earlier export
        return reused(self._state, server, found, self._wall_time, now_s)

    def follow(
        self,
        action: Request,
        row: ServerRow,
        answer: Outcome,
        now_s: float,
        *,
        paused: bool = False,
        down: bool = False,
        back_s: float = -math.inf,
    ) -> list[e.Event]:
        """Return what follows from the answer to an action; nothing: the same is wanted again.

        Args:
            action: what was done.
            row: the server's.
            answer: to the action.
            now_s: when it came.
            paused: downloads were paused already, because of the disk.
            down: the endpoint seems to answer nobody, or this machine slept meanwhile.
            back_s: when the endpoint was last down and answered again: no try before that counts.
        """
        if isinstance(answer, Problem):
            memory = self._memories.of(row.server)
            memory.unsure_s = [at_s for at_s in memory.unsure_s if at_s > back_s]
            return self._after_problem(action.call, row, answer, now_s, paused=paused, down=down)
        if isinstance(answer, Stored):
            return [archive_stored(row, answer, self._wall_time, now_s)]
        if answer.state is ExportState.FAILED:
            said = f'the service calls the export "{answer.word}"'
            return self._after_problem(
                action.call, row, Problem(ProblemKind.EXPORT_FAILED, said), now_s
            )
        return self._after_word(action.call, row, answer, action.sent_s, now_s)

    def _after_word(
        self, call: Call, row: ServerRow, said: ExportSaid, sent_s: float, now_s: float
    ) -> list[e.Event]:
        """The export runs, or has completed."""
        at = self._wall_time.stamp(now_s)
        events: list[e.Event] = []
        if not said.known:
            self._observations.unknown_word(row.server, said.word, now_s)
        memory = self._memories.of(row.server)
        memory.not_ready_times = memory.lost_times = 0
        memory.failed = False
        memory.unsure_s.clear()
        if call is Call.START_EXPORT:
            memory.polls = memory.status_tries = 0
            memory.asleep_s = 0.0
            self._watch.begun(row, now_s)
            events.append(e.ExportStarted(at=at, server=row.server, export_id=said.export_id))
        else:
            memory.polls += 1
            memory.status_tries = 0
            self._watch.status_told(row, said, sent_s, now_s)
        if said.state is ExportState.COMPLETED:
            events.append(
                e.ExportCompleted(
                    at=at, server=row.server, polls=memory.polls, location=said.location
                )
            )
            memory.polls = 0
        elif call is Call.ASK_STATUS and self._watch.is_overdue(row, now_s):
            return [self._stuck(row, now_s)]
        return events

    def _after_problem(
        self,
        call: Call,
        row: ServerRow,
        problem: Problem,
        now_s: float,
        *,
        paused: bool = False,
        down: bool = False,
    ) -> list[e.Event]:
        decision = retry.decide(
            call,
            problem,
            replace(self._tried(call, row, problem, now_s), paused=paused, down=down),
            max_attempts=self._max_attempts,
            rng=self._rng,
        )
        memory = self._memories.of(row.server)
        memory.asked_until_s = now_s + retry.believed_s(problem)
        of_secret = (
            problem.kind is ProblemKind.UNAUTHENTICATED
            and isinstance(decision, retry.Again)
            and not decision.counts
        )
        memory.failed = not (down or of_secret or problem.kind in OF_OTHERS)
        endpoint = self._state.projects[row.project].endpoint
        self._observations.paced(retry.said_of_wait(endpoint, row.server, problem, now_s), now_s)
        if call is Call.ASK_STATUS:
            memory.polls += problem.http_status is not None and not problem.sign_in
            # A wait for quota does not count, nor for a secret or an endpoint that answers nobody.
            counts = not (down or of_secret or problem.kind is ProblemKind.THROTTLED)
            if counts and self._watch.is_overdue(row, now_s):
                return [self._stuck(row, now_s)]
        match decision:
            case retry.Fail(credential=refused):
                if refused:
                    problem = self._admissions[row.project].refused or problem
                return [self._failed(row, call, problem, now_s)]
            case retry.Anew(after_s):
                memory.not_before_s = now_s + after_s
                return [self._attempt_failed(call, row, problem, now_s, anew=True)]
            case retry.Again(after_s, counts):
                if down and problem.kind in retry.NO_ANSWER:
                    after_s = max(after_s, retry.VERDICT_S)
                    if not counts:
                        memory.unsure_s.append(now_s)
                memory.not_before_s = now_s + after_s
                return self._again(call, row, problem, now_s, counts=counts)

    def _again(
        self, call: Call, row: ServerRow, problem: Problem, now_s: float, *, counts: bool
    ) -> list[e.Event]:
        if counts:
            return [self._attempt_failed(call, row, problem, now_s, anew=False)]
        if call is Call.START_EXPORT:
            at = self._wall_time.stamp(now_s)
            return [e.ExportNotStarted(at=at, server=row.server, kind=problem.kind)]
        return []

    def _tried(self, call: Call, row: ServerRow, problem: Problem, now_s: float) -> retry.Tried:
        memory = self._memories.of(row.server)
        if problem.kind is ProblemKind.NOT_READY:
            if not memory.not_ready_times:
                memory.not_ready_s = now_s
            memory.not_ready_times += 1
        if problem.kind in LOST:
            if not memory.lost_times:
                memory.lost_s = now_s
            memory.lost_times += 1
        refused_before = memory.links_refused
        memory.links_refused += problem.kind is ProblemKind.LINK_REFUSED
        unsent_before = memory.unsent_times
        memory.unsent_times = unsent_before + 1 if problem.kind is ProblemKind.NOT_SENT else 0
        admission = self._admissions[row.project]
        return retry.Tried(
            attempts=self._tries(call, row),
            doubtful=row.doubtful,
            renewals=row.renewals,
            not_ready_times=max(0, memory.not_ready_times - 1),
            not_ready_s=now_s - memory.not_ready_s if memory.not_ready_times else 0.0,
            lost_times=max(0, memory.lost_times - 1),
            lost_s=now_s - memory.lost_s if memory.lost_times else 0.0,
            export_age_s=self._export_age_s(row, now_s),
            refused=admission.refused is not None,
            blamed=admission.accepted and admission.secret.blames(row.server),
            links_refused=refused_before,
            unsent_times=unsent_before,
        )

    def _tries(self, call: Call, row: ServerRow) -> int:
        """Return failed tries of a step, also those that might have been the endpoint's fault."""
        memory = self._memories.of(row.server)
        counted = memory.status_tries if call is Call.ASK_STATUS else row.tries
        return counted + len(memory.unsure_s)

    def _export_age_s(self, row: ServerRow, now_s: float) -> float:
        if row.export is None:
            return 0.0
        return self._wall_time.age_s(row.export.completed_at or row.export.requested_at, now_s)

    def _attempt_failed(
        self, call: Call, row: ServerRow, problem: Problem, now_s: float, *, anew: bool
    ) -> e.AttemptFailed:
        memory = self._memories.of(row.server)
        polls, memory.polls = memory.polls, 0
        attempt = row.tries + 1
        if call is Call.ASK_STATUS:
            memory.status_tries += 1
            attempt = memory.status_tries
        at = self._wall_time.stamp(now_s)
        return attempt_failed(at, row, call, problem, attempt=attempt, anew=anew, polls=polls)

    def _failed(self, row: ServerRow, call: Call, problem: Problem, now_s: float) -> e.ServerFailed:
        memory = self._memories.of(row.server)
        at, attempts = self._wall_time.stamp(now_s), self._tries(call, row) + 1
        return server_failed(at, row, call, problem, attempts=attempts, polls=memory.polls)

    def _stuck(self, row: ServerRow, now_s: float) -> e.ServerFailed:
        minutes = self._export_s / 60
        said = f"the export did not complete within {minutes:.3g} minutes"
        problem = Problem(ProblemKind.EXPORT_FAILED, said, hint=STUCK)
        return self._failed(row, Call.ASK_STATUS, problem, now_s)
