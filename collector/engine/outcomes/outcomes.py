"""What an answer means for its server: the events that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from collector.engine.outcomes import retry
from collector.engine.outcomes.facts import archive_stored, attempt_failed, reused, server_failed
from collector.engine.outcomes.hints import STUCK
from collector.engine.polling.durations import ExportDurations
from collector.engine.polling.timing import Ask, FirstLook, Progress, ask_at, before_deadline
from collector.model import events as e
from collector.model.answers import Call, ExportSaid, ExportState, Problem, ProblemKind, Stored
from collector.model.lifecycle import wanted

if TYPE_CHECKING:
    import random

    from collector.engine.admission.credential_health import CredentialHealth
    from collector.engine.outcomes.observations import Observations
    from collector.engine.polling.timing import Pressure
    from collector.model.actions import Request
    from collector.model.answers import Outcome, Reusable
    from collector.model.prior import Prior
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime


OF_OTHERS = frozenset({ProblemKind.THROTTLED, ProblemKind.NOT_SENT})
"""What a call meets with whatever server it is for."""
LOST = frozenset({ProblemKind.FORGOTTEN, ProblemKind.UNKNOWN_SERVER})
"""What a service says that does not know an export."""

SHORTEST_STATUS_S, STATUS_S = 1.0, 15.0
"""What a status has to be answered in; the longer its export still has, the more."""
ANOTHERS_ANSWER_S = 0.25
"""How soon it is looked again whether another run's POST was answered."""


@dataclass(slots=True)
class _Memory:
    """What is remembered of a server between its facts, and may be lost with the process."""

    progress: Progress | None = None
    polls: int = 0
    status_tries: int = 0
    not_ready_times: int = 0
    not_ready_s: float = 0.0
    lost_times: int = 0
    lost_s: float = 0.0
    links_refused: int = 0
    unsent_times: int = 0
    downloading_s: float = 0.0
    asleep_s: float = 0.0
    unsure_s: list[float] = field(default_factory=list)
    """When tries failed of which it was not known whether they were the server's fault."""
    failed: bool = False
    slow: bool = False
    not_before_s: float = -math.inf
    asked_until_s: float = -math.inf


class Outcomes:
    """Turns answers into events, with what must be remembered of each server for it.

    Attributes:
        durations: how long exports take, by project.
    """

    def __init__(
        self,
        state: RunState,
        credentials: dict[str, CredentialHealth],
        news: Observations,
        *,
        max_attempts: int,
        export_s: float,
        deadline_s: float,
        wall: WallTime,
        rng: random.Random,
        known: Prior,
    ) -> None:
        self._state = state
        self._credentials = credentials
        self._news = news
        self._max_attempts = max_attempts
        self._export_s = export_s
        self._deadline_s = deadline_s
        self._wall = wall
        self._rng = rng
        self.durations = [
            ExportDurations(known.durations.get(row.project)) for row in state.projects
        ]
        self._memory: dict[int, _Memory] = {}
        self._first_looks: list[dict[Pressure, FirstLook]] = [{} for _ in state.projects]
        """Until more is known of durations."""

    def again_at(self, server: int, now_s: float) -> float:
        """Return from when on a call for the server may be made."""
        memory = self._memory.get(server)
        return now_s if memory is None else max(now_s, memory.not_before_s)

    def unheard_since(self, row: ServerRow, now_s: float) -> float | None:
        """Return when an export began that waits for the first look with all others.

        None where something was heard of it, or it waits for a time of its own.
        """
        progress = self._progress(row, now_s)
        if progress.scout or progress.elapsed_s:
            return None
        if self._memory[row.server].not_before_s > now_s:
            return None
        return progress.started_s

    def first_look(self, project: int, pressure: Pressure) -> FirstLook:
        """Return when to look first at exports of a project."""
        first = self._first_looks[project].get(pressure)
        if first is None:
            progress = Progress(0.0)
            early_s, certain_s = ask_at(progress, self.durations[project], pressure)
            first = FirstLook(
                min(early_s, self._export_s), min(certain_s, self._export_s), progress.certain_s,
                self._deadline_s,
            )  # fmt: skip
            self._first_looks[project][pressure] = first
        return first

    def _plan_first_looks(self, project: int) -> None:
        """Plan them anew, if what is known by now would change them."""
        if self.durations[project].has_moved():
            self._first_looks[project].clear()

    def ask_at(self, row: ServerRow, pressure: Pressure, now_s: float) -> Ask:
        """Return when a server's status is worth asking for."""
        progress = self._progress(row, now_s)
        memory = self._memory[row.server]
        if progress.scout or progress.elapsed_s:
            early_s, certain_s = ask_at(progress, self.durations[row.project], pressure)
            looked_s = progress.started_s + progress.elapsed_s
            early_s = min(early_s, before_deadline(looked_s, self._deadline_s))
        else:
            first = self.first_look(row.project, pressure)
            began_s = progress.started_s
            early_s, certain_s = first.early_at(began_s), first.certain_at(began_s)
            progress.certain_s = began_s + first.thought_certain_s
        # Never later than when it is to be given up: that is found out by asking.
        last_s = progress.started_s + memory.asleep_s + self._export_s
        at_s = max(memory.not_before_s, now_s)
        return Ask(max(at_s, min(early_s, last_s)), max(at_s, min(certain_s, last_s)))

    def downloading_s(self, server: int) -> float:
        """Return how long the tries of a server's download have taken, together."""
        memory = self._memory.get(server)
        return memory.downloading_s if memory is not None else 0.0

    def add_downloading(self, server: int, seconds: float) -> None:
        """Add the time of a try; less than none for what does not count."""
        self._remember(server).downloading_s += seconds

    def status_within_s(self, row: ServerRow, now_s: float) -> float:
        """Return seconds that a status may take: no more than its export still has."""
        asleep_s = self._remember(row.server).asleep_s
        ends_s = self._progress(row, now_s).started_s + asleep_s + self._export_s
        return min(STATUS_S, max(SHORTEST_STATUS_S, ends_s - now_s))

    def has_trouble(self, server: int) -> bool:
        """Whether a server's last call came to nothing, by no fault of others, or any took long."""
        memory = self._memory.get(server)
        return memory is not None and (memory.failed or memory.slow)

    def hangs(self, server: int) -> None:
        """Record that a server's call takes longer than others do."""
        self._remember(server).slow = True

    def asked_until_s(self, server: int) -> float:
        """Return until when the service has asked to be left alone with a server."""
        memory = self._memory.get(server)
        return -math.inf if memory is None else memory.asked_until_s

    def slept(self, jump_s: float) -> None:
        """Count no time against anybody in which this machine slept."""
        for memory in self._memory.values():
            memory.asleep_s += jump_s
            memory.not_ready_s += jump_s
            memory.lost_s += jump_s

    def forget(self, server: int) -> None:
        """Let go of what is remembered of a server that has ended."""
        self._memory.pop(server, None)

    def given_up(self, row: ServerRow, problem: Problem, now_s: float) -> e.ServerFailed:
        """Return the event for a server whose next call is not worth making."""
        call = wanted(row) or Call.START_EXPORT
        return replace(self._failed(row, call, problem, now_s), attempts=row.tries)

    def reused(self, server: int, found: Reusable, now_s: float) -> e.Event:
        """Return the event that makes an export of another run this run's as well."""
        self._memory.pop(server, None)  # what was heard of an earlier export
        return reused(self._state, server, found, self._wall, now_s)

    def await_another(self, server: int, now_s: float) -> None:
        """Let a server wait a moment for the answer that another run waits for."""
        self._remember(server).not_before_s = now_s + ANOTHERS_ANSWER_S

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
            memory = self._remember(row.server)
            memory.unsure_s = [at_s for at_s in memory.unsure_s if at_s > back_s]
            return self._after_problem(action.call, row, answer, now_s, paused=paused, down=down)
        if isinstance(answer, Stored):
            return [archive_stored(row, answer, self._wall, now_s)]
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
        at = self._wall.stamp(now_s)
        events: list[e.Event] = []
        if not said.known:
            self._news.unknown_word(row.server, said.word, now_s)
        memory = self._remember(row.server)
        memory.not_ready_times = memory.lost_times = 0
        memory.failed = False
        memory.unsure_s.clear()
        if call is Call.START_EXPORT:
            memory.progress = self._begun(row.project, now_s)
            memory.polls = memory.status_tries = 0
            memory.asleep_s = 0.0
            events.append(e.ExportStarted(at=at, server=row.server, export_id=said.export_id))
        else:
            memory.polls += 1
            memory.status_tries = 0
        progress = self._progress(row, now_s)
        completed = said.state is ExportState.COMPLETED
        if call is Call.ASK_STATUS:
            self.durations[row.project].reported(
                progress.elapsed_s, sent_s - progress.started_s, ended=completed
            )
        if completed:
            if call is Call.ASK_STATUS:
                self._found(row.project, progress, sent_s, now_s)
                self._plan_first_looks(row.project)
            events.append(
                e.ExportCompleted(
                    at=at, server=row.server, polls=memory.polls, location=said.location
                )
            )
            memory.polls = 0
            return events
        if call is Call.ASK_STATUS:
            durations = self.durations[row.project]
            if sent_s >= progress.certain_s:
                durations.answered_certain(completed=False)
            if not progress.elapsed_s:
                durations.answered_first(sent_s - progress.started_s, completed=False)
            progress.heard(said.percent, durations, sent_s, now_s)
            self._plan_first_looks(row.project)
            if self._is_overdue(row, now_s):
                return [self._stuck(row, now_s)]
        return events

    def _is_overdue(self, row: ServerRow, now_s: float) -> bool:
        """Whether an export has had its time."""
        asleep_s = self._remember(row.server).asleep_s
        return now_s - self._progress(row, now_s).started_s - asleep_s >= self._export_s

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
        memory = self._remember(row.server)
        memory.asked_until_s = now_s + retry.believed_s(problem)
        memory.failed = not down and problem.kind not in OF_OTHERS
        endpoint = self._state.projects[row.project].endpoint
        self._news.paced(retry.said_of_wait(endpoint, row.server, problem, now_s), now_s)
        if call is Call.ASK_STATUS:
            memory.polls += problem.http_status is not None
            # A wait for quota does not count, nor for an endpoint that answers nobody.
            counts = problem.kind is not ProblemKind.THROTTLED and not down
            if counts and self._is_overdue(row, now_s):
                return [self._stuck(row, now_s)]
        match decision:
            case retry.Fail(credential=refused):
                if refused:
                    name = self._state.projects[row.project].credential
                    self._credentials[name].refused = problem
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
            at = self._wall.stamp(now_s)
            return [e.ExportNotStarted(at=at, server=row.server, kind=problem.kind)]
        return []

    def _tried(self, call: Call, row: ServerRow, problem: Problem, now_s: float) -> retry.Tried:
        memory = self._remember(row.server)
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
        credential = self._credentials[self._state.projects[row.project].credential]
        return retry.Tried(
            attempts=self._tries(call, row),
            doubtful=row.doubtful,
            renewals=row.renewals,
            not_ready_times=max(0, memory.not_ready_times - 1),
            not_ready_s=now_s - memory.not_ready_s if memory.not_ready_times else 0.0,
            lost_times=max(0, memory.lost_times - 1),
            lost_s=now_s - memory.lost_s if memory.lost_times else 0.0,
            export_age_s=self._export_age_s(row, now_s),
            refusals=credential.refusals,
            proven=credential.proven,
            links_refused=refused_before,
            unsent_times=unsent_before,
        )

    def _tries(self, call: Call, row: ServerRow) -> int:
        """Return failed tries of a step, also those that might have been the endpoint's fault."""
        memory = self._remember(row.server)
        counted = memory.status_tries if call is Call.ASK_STATUS else row.tries
        return counted + len(memory.unsure_s)

    def _export_age_s(self, row: ServerRow, now_s: float) -> float:
        if row.export is None:
            return 0.0
        return self._wall.age_s(row.export.completed_at or row.export.requested_at, now_s)

    def _attempt_failed(
        self, call: Call, row: ServerRow, problem: Problem, now_s: float, *, anew: bool
    ) -> e.AttemptFailed:
        memory = self._remember(row.server)
        polls, memory.polls = memory.polls, 0
        attempt = row.tries + 1
        if call is Call.ASK_STATUS:
            memory.status_tries += 1
            attempt = memory.status_tries
        at = self._wall.stamp(now_s)
        return attempt_failed(at, row, call, problem, attempt=attempt, anew=anew, polls=polls)

    def _failed(self, row: ServerRow, call: Call, problem: Problem, now_s: float) -> e.ServerFailed:
        memory = self._remember(row.server)
        at, attempts = self._wall.stamp(now_s), self._tries(call, row) + 1
        return server_failed(at, row, call, problem, attempts=attempts, polls=memory.polls)

    def _stuck(self, row: ServerRow, now_s: float) -> e.ServerFailed:
        minutes = self._export_s / 60
        said = f"the export did not complete within {minutes:.3g} minutes"
        problem = Problem(ProblemKind.EXPORT_FAILED, said, hint=STUCK)
        return self._failed(row, Call.ASK_STATUS, problem, now_s)

    def _remember(self, server: int) -> _Memory:
        memory = self._memory.get(server)
        if memory is None:
            memory = self._memory[server] = _Memory()
        return memory

    def _begun(self, project: int, began_s: float) -> Progress:
        """Return what is known of an export that began; some are to be learned from."""
        durations = self.durations[project]
        scout = durations.begins()
        return Progress(began_s, scout=scout, curious=scout > 0 and not durations.is_known)

    def _found(self, project: int, progress: Progress, sent_s: float, now_s: float) -> None:
        """Learn from an export that was found completed by a call that left at `sent_s`."""
        durations = self.durations[project]
        low_s = max(progress.elapsed_s, min(progress.low_s, progress.high_s))
        high_s = max(low_s, min(now_s - progress.started_s, progress.high_s))
        durations.completed()
        durations.learn(progress.evidence, low_s, high_s)
        if sent_s >= progress.certain_s:
            durations.answered_certain(completed=True)
        if not progress.elapsed_s:
            durations.answered_first(sent_s - progress.started_s, completed=True)
        if progress.high_s < math.inf and progress.elapsed_s <= progress.high_s:
            # Found completed before the end that they said, they said too little.
            durations.percentages_kept(kept=now_s - progress.started_s >= progress.low_s)
        self._news.durations(project, durations)

    def _progress(self, row: ServerRow, now_s: float) -> Progress:
        """Return what is known of a running export; after a restart, how long it has run."""
        memory = self._remember(row.server)
        if memory.progress is None:
            export = row.export
            age_s = 0.0 if export is None else self._wall.age_s(export.requested_at, now_s)
            memory.progress = self._begun(row.project, now_s - age_s)
        return memory.progress
