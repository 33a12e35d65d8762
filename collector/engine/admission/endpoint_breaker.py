"""An endpoint's circuit breaker: whether it answers anybody, by the evidence of its servers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.admission.circuit_breaker import FIRST_PROBE_S
from collector.engine.admission.question import Outages, Question
from collector.model.answers import Call, ProblemKind

if TYPE_CHECKING:
    from collector.model.actions import Request
    from collector.model.answers import Problem

LONGEST_ENDPOINT_PROBE_S = 3.0
"""Between two probes of an endpoint: its return is to be noticed within seconds."""
NEVER_ANSWERED_PATIENCE_S = 60.0
"""An endpoint that has not answered once is given up after this long: its name may be wrong.
Where there is a deadline, that is waited for."""
ANSWERED_PATIENCE_S = 3600.0
"""One that has is probed for this long; where there is a deadline, until then."""
UNANSWERED_PATIENCE_S = 900.0
"""One that accepts connections and answers nobody is probed for this long."""
SUSPECTS = 3
"""Consecutive unanswered servers that call an endpoint into question."""
SILENCE_S = 1.5
"""Calls that wait this long while nobody is answered call it into question, too."""
PROBE_S = 2.0
"""How long a probe may take."""
LATENCIES = 4.0
"""Neither silence nor a probe is shorter than so many round trips."""
ROUNDS = 3
"""An endpoint that never answered is asked so often: there is no witness to choose."""
QUESTIONS_APART_S = 1.0
"""A question that was answered is not asked again for this long."""


class EndpointBreaker:
    """Whether an endpoint answers anybody, now.

    One server's trouble is no evidence: not a call that failed though others were answered after it
    had left, and not a server that failed before. Where servers in a row go unanswered, calls wait
    in silence, or none can be sent, that is a question. It is put to somebody who is no suspect,
    and one answer clears it; the endpoint is down only if the probes are not answered either.

    Attributes:
        name: the endpoint's base URL.
        servers: how many of its servers are not at their end; of few it takes fewer to ask.
        waiting: how many of them wait for a call.
        wakes_s, alarm_s: when it is to be looked at; see `Alarms`.
        answered: whether it has ever answered.
        down_s: since when it is down; None while it is not.
        back_s: when it was last down and answered again.
        given_up: it has been probed for long enough.
        question: what is to be found out about it; None while nothing is.
        unanswered_servers: those that failed, and were not answered since.
        mute_servers: those among them that failed to tell an export's status.
        probe_s: when the next probe may leave, while it is down.
    """

    __slots__ = (
        "_answered_s",
        "_no_question_until_s",
        "_not_sent",
        "_out",
        "_outages",
        "_suspects",
        "_wait_s",
        "alarm_s",
        "answered",
        "back_s",
        "down_s",
        "first_patience_s",
        "given_up",
        "hint",
        "mute_servers",
        "name",
        "patience_s",
        "probe_s",
        "question",
        "servers",
        "unanswered_servers",
        "waiting",
        "wakes_s",
        "why",
    )  # fmt: skip

    def __init__(
        self,
        name: str = "",
        *,
        outages: Outages | None = None,
        patience_s: float = ANSWERED_PATIENCE_S,
        first_patience_s: float = NEVER_ANSWERED_PATIENCE_S,
    ) -> None:
        self.name = name
        self.servers = self.waiting = 0
        self.wakes_s = self.alarm_s = math.inf
        self._outages = outages if outages is not None else Outages()
        self.patience_s = patience_s
        self.first_patience_s = first_patience_s
        self.answered = False
        self.down_s: float | None = None
        self.given_up = False
        self.question: Question | None = None
        self.unanswered_servers: set[int] = set()
        self.mute_servers: set[int] = set()
        self.probe_s = math.inf
        self.why = ""
        self.hint: str | None = None
        self._suspects: set[int] = set()
        self._out: dict[int, float] = {}
        """Servers with a call that left after the last answer, and when it left, in order."""
        self._answered_s = self.back_s = self._no_question_until_s = -math.inf
        self._not_sent = False
        self._wait_s = FIRST_PROBE_S

    @property
    def holds(self) -> bool:
        """Whether no call but a probe may leave."""
        return self.down_s is not None or (self.question is not None and self.question.holds)

    @property
    def has_answered_nobody(self) -> bool:
        """Whether several servers were asked, and the endpoint has not answered once."""
        return not self.answered and len(self._suspects) >= SUSPECTS

    @property
    def is_in_order(self) -> bool:
        """Whether nothing is amiss, and no call waits for the first answer since it left."""
        return not (self._out or self._suspects or self.question) and self.down_s is None

    def is_in_question(self, sent_s: float) -> bool:
        """Whether what became of a call that left at `sent_s` says nothing of its server."""
        asked = self.question is not None or len(self._suspects) >= SUSPECTS
        return asked or self.down_s is not None or sent_s < self.back_s

    def wait(self, change: int) -> None:
        """Count servers that wait for a call, or no longer do."""
        self.waiting += change
        if self.down_s is not None:
            self._outages.waiting += change

    # What leaves and what comes back

    def left(self, server: int, now_s: float) -> None:
        """Count a call that is in flight from now on."""
        self._out.setdefault(server, now_s)

    def came_back(self, server: int) -> None:
        """Count a call that is no longer waited for, whatever became of it."""
        self._out.pop(server, None)

    def reached(self, server: int | None, now_s: float) -> bool:
        """Record an answer; return whether the endpoint was down.

        Args:
            server: whose call was answered; None for a probe, which says nothing of its server.
            now_s: now.
        """
        self.answered = True
        self._answered_s = now_s
        self._suspects.clear()
        self._out.clear()
        if server is not None and self.unanswered_servers:
            self.unanswered_servers.discard(server)
            self.mute_servers.discard(server)
        if self.question is not None:
            self.question = None
            self._no_question_until_s = now_s + QUESTIONS_APART_S
        if self.down_s is None:
            return False
        self.down_s, self.given_up, self.back_s = None, False, now_s
        self._outages.waiting -= self.waiting
        self._outages.given_up.pop(self, None)
        self.unanswered_servers.clear()  # it was the endpoint
        self.mute_servers.clear()
        return True

    def failed(self, action: Request, problem: Problem) -> None:
        """Record a call that was not answered, or could not be sent."""
        not_sent = problem.kind is ProblemKind.NOT_SENT
        server, sent_s = action.server, action.sent_s
        is_first = server not in self.unanswered_servers
        self.unanswered_servers.add(server)
        if action.call is Call.ASK_STATUS:
            self.mute_servers.add(server)
        if sent_s < self._answered_s:
            return  # others were answered since
        if self.down_s is not None:
            self._not_sent = not_sent
        elif is_first and not_sent:
            self.question = self.question or Question(problem.message, problem.hint, not_sent=True)
        elif is_first:
            self._suspects.add(server)
            self.why, self.hint = problem.message, problem.hint

    def probe_failed(self, probe: Request, problem: Problem, now_s: float) -> bool:
        """Record a probe that was not answered; return whether the endpoint is down, as news.

        Where somebody was answered a moment ago, more time is left for another answer.
        """
        not_sent = problem.kind is ProblemKind.NOT_SENT
        question = self.question
        if self.down_s is not None:
            self._not_sent = not_sent
        elif question is not None and probe in question.probes:
            question.probes.remove(probe)
            question.why, question.hint = problem.message, problem.hint
            question.not_sent = question.not_sent or not_sent
            lately = now_s - self._answered_s < SILENCE_S
            if question.probes or (lately and not question.not_sent):
                return False
            if not self.answered and not question.not_sent and question.rounds < ROUNDS:
                question.asked_s = None  # by chance, these may all have trouble of their own
                return False
            self.goes_down(now_s)
            return True
        return False

    # Questions

    def look(self, now_s: float, *, latency_s: float) -> bool:
        """Ask whether the endpoint answers anybody, where there is reason to; return if there is.

        Args:
            now_s: now.
            latency_s: of an answer, as a rule.
        """
        if self.down_s is not None or self.question is not None:
            return self.question is not None
        if not self._out and not self._suspects:
            return False
        silence_s = self._silent_at(latency_s)
        if now_s >= silence_s:
            waited_s = now_s - next(iter(self._out.values()))
            self.question = Question(f"no answer for {waited_s:.3g} seconds", silent=True)
        elif self._is_suspicious and now_s >= self._no_question_until_s:
            self.question = Question(self.why, self.hint)
        return self.question is not None

    def looks_at(self, *, latency_s: float) -> float:
        """Return when `look` may find a reason, if nothing happens before."""
        if self.down_s is not None or self.question is not None:
            return math.inf
        if not self._out and not self._suspects:
            return math.inf
        at_s = self._silent_at(latency_s)
        return min(at_s, self._no_question_until_s) if self._is_suspicious else at_s

    def cleared(self, now_s: float) -> None:
        """Drop a question that nobody can be asked: what failed goes by its own tries."""
        self.question = None
        self._suspects.clear()
        self._no_question_until_s = now_s + QUESTIONS_APART_S

    def goes_down(self, now_s: float) -> None:
        """Take the endpoint to be down from now on."""
        assert self.question is not None  # noqa: S101  # nothing else leads here
        self.why, self.hint = self.question.why, self.question.hint
        self._not_sent = self.question.not_sent
        self.question = None
        self.down_s = now_s
        self._outages.waiting += self.waiting
        self._suspects.clear()
        self._out.clear()
        self._wait_s = FIRST_PROBE_S
        self.probe_s = now_s + self._wait_s

    # While it is down

    def give_up(self) -> None:
        """Probe it no more."""
        self.given_up = True
        self._outages.given_up[self] = None

    def probed(self, now_s: float) -> None:
        """Count a probe that leaves, and plan the next one, further apart."""
        self._wait_s = min(LONGEST_ENDPOINT_PROBE_S, 2 * self._wait_s)
        self.probe_s = now_s + self._wait_s

    def gives_up_s(self) -> float:
        """Return when probing is over."""
        if self.down_s is None:
            return math.inf
        patience_s = self.patience_s if self.answered else self.first_patience_s
        if not self._not_sent and patience_s < math.inf:
            patience_s = min(patience_s, UNANSWERED_PATIENCE_S)
        return self.down_s + patience_s

    def slept(self, jump_s: float, now_s: float) -> None:
        """Do not count a time in which this machine slept."""
        if self.down_s is not None:
            self.down_s += jump_s
        self._out = dict.fromkeys(self._out, now_s)

    @property
    def _is_suspicious(self) -> bool:
        return 0 < len(self._suspects) >= min(SUSPECTS, self.servers)

    def _silent_at(self, latency_s: float) -> float:
        """Return when calls in flight have waited in silence for too long."""
        if not self._out:
            return math.inf
        return next(iter(self._out.values())) + max(SILENCE_S, LATENCIES * latency_s)
