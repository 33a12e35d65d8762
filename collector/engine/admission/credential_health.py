"""Whether the service accepts a credential, as answers have shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.alone import Alone
from collector.engine.admission.sign_in import SignIn
from collector.model.answers import ProblemKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.admission.project_admission import ProjectAdmission
    from collector.model.answers import Problem

REFUSALS_BELIEVED = 3
"""So many 401s in a row, and a credential is taken to be refused, though it once worked or was
renewed each time."""
ASKED_AGAIN_AFTER_S = (0.0, 5.0)
"""A secret that has not changed is tried again after so long, the first time and the second:
whoever renews it may be about to."""
REFUSALS_OF_A_PROJECT = 2
"""401s in a row of a project that none was accepted for, while other projects' are."""
PROJECT_AGAIN_AFTER_S = 1.0
OWN_TROUBLE_AFTER = 2
"""A server that was refused so often with a secret that was renewed each time, while others were
accepted, has trouble of its own."""
SAYS_NOTHING_OF_THE_CREDENTIAL = frozenset({ProblemKind.THROTTLED, ProblemKind.UNREADABLE})
"""Answers of a gateway or a proxy, which may not have looked at the credential."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Projects in which a credential is given up.

    Attributes:
        credential: its name.
        projects: in which its servers are not worth a call any more.
        problem: why.
        whole: all projects that use it are among them.
        elsewhere: other projects accept it.
    """

    credential: str
    projects: tuple[ProjectAdmission, ...]
    problem: Problem
    whole: bool = True
    elsewhere: bool = False


@dataclass(slots=True)
class Verdicts:
    """What was found out of the credentials of a run, for whoever gives their servers up.

    Attributes:
        stops: since the last time.
        doubted: credentials that were refused in one project, and wait for another's answer.
        sign_ins: credentials that cannot sign in since then, or can again.
        released: projects that waited for another's answer, and do no longer.
    """

    stops: list[Stop] = field(default_factory=list)
    doubted: dict[CredentialHealth, None] = field(default_factory=dict)
    sign_ins: dict[SignIn, None] = field(default_factory=dict)
    released: list[ProjectAdmission] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CredentialHealth:
    """What answers have shown of a secret: until it is accepted, it sends one call alone.

    One server's refusal is no evidence where others were accepted after its call had left, nor is
    that of a server that was refused before.

    Attributes:
        sign_in: how signing in with its credential goes.
        verdicts: where it is told that it is given up.
        projects: those that it serves.
        accepted: whether it was, since it was last refused.
        proven: whether it ever was.
        refused: why nothing that needs it is worth a call any more.
        refusals: refusals in a row; those of calls that were in flight together are one.
        in_flight: calls that carry it and are not answered.
        alone: those among them that left alone.
        next_s: when the next call may carry it, while it is not accepted.
        refused_servers: how often each was refused, and not accepted since.
    """

    sign_in: SignIn = field(default_factory=SignIn)
    verdicts: Verdicts = field(default_factory=Verdicts)
    projects: list[ProjectAdmission] = field(default_factory=list)
    accepted: bool = False
    proven: bool = False
    refused: Problem | None = None
    refusals: int = 0
    in_flight: int = 0
    alone: Alone = field(default_factory=Alone)
    next_s: float = -math.inf
    refused_servers: dict[int, int] = field(default_factory=dict)
    _asks_witness: bool = False
    _refused_s: float = -math.inf
    _accepted_s: float = -math.inf

    def __post_init__(self) -> None:
        self.sign_in.secrets.append(self)

    @property
    def is_doubted(self) -> bool:
        """Whether another server is to be asked that it was accepted for."""
        return self._asks_witness and not self.accepted and self.refused is None

    @property
    def opens_s(self) -> float:
        """When a call may carry it that is not accepted; infinite: when an answer has come."""
        return math.inf if self.in_flight or self.alone.is_closed else self.next_s

    def blames(self, server: int) -> bool:
        """Whether it is accepted, and a server was refused for a reason of its own."""
        return self.accepted and server in self.refused_servers

    def answered(
        self,
        problem: Problem | None,
        project: ProjectAdmission,
        server: int,
        sent_s: float,
        now_s: float,
    ) -> None:
        """Process an answer to a call for a server that carried it, sent at `sent_s`."""
        if problem is not None and problem.kind is ProblemKind.UNAUTHENTICATED:
            if self.refused is not None:
                return
            if problem.sign_in:
                self._not_signed_in(problem, sent_s, now_s)
            else:
                self._signed_in(project, sent_s)
                self._refused(problem, project, server, sent_s, now_s)
            return
        looked_at = problem is None or (
            problem.http_status is not None
            and problem.kind not in SAYS_NOTHING_OF_THE_CREDENTIAL
            and (problem.kind is not ProblemKind.NOT_READY or problem.code is not None)
        )
        if looked_at and sent_s >= self._refused_s:
            self._accepted(project, server, sent_s, now_s)
        elif problem is not None and problem.http_status is not None:
            self._signed_in(project, sent_s)

    # Accepted

    def _accepted(
        self, project: ProjectAdmission, server: int, sent_s: float, now_s: float
    ) -> None:
        self._accepted_s = now_s
        if self.refused_servers:
            self.refused_servers.pop(server, None)
        if project.accepted:
            return
        self._signed_in(project, sent_s)
        self.sign_in.proven = self.proven = True
        self.refusals = project.refusals = 0
        self.next_s = project.next_s = -math.inf
        self._asks_witness = False
        project.known = True
        if self.accepted:
            project.accepted = True
            return
        self.accepted = True
        for one in self.projects:
            one.accepted = one.known
        if self in self.verdicts.doubted:
            del self.verdicts.doubted[self]
            for one in self.projects:
                if one.doubted is not None:
                    self._stop_project(one, one.doubted)

    def _not_accepted(self) -> None:
        self.accepted = False
        for one in self.projects:
            one.accepted = False

    # Signing in

    def _signed_in(self, project: ProjectAdmission, sent_s: float) -> None:
        """Learn from a call that reached the service: it had signed in before."""
        sign_in = self.sign_in
        if sign_in.problem is not None and not project.accepted and not sign_in.is_late(sent_s):
            sign_in.works()
            self.verdicts.sign_ins[sign_in] = None

    def _not_signed_in(self, problem: Problem, sent_s: float, now_s: float) -> None:
        sign_in = self.sign_in
        if problem.renewed:
            self._renewed(problem, sent_s, now_s)
            return
        if problem.retry_after_s is None:
            self._stop(problem)
            return
        self._not_accepted()
        self._asks_witness = False
        if sign_in.is_late(sent_s):
            return
        told = sign_in.problem
        if sign_in.failed(problem, sent_s, now_s):
            sign_in.works()
            self.verdicts.sign_ins.pop(sign_in, None)
            self._stop(problem, [one for one in sign_in.secrets if not one.accepted])
        elif told is None or told.message != problem.message:
            self.verdicts.sign_ins[sign_in] = None

    def _renewed(self, problem: Problem, sent_s: float, now_s: float) -> None:
        """Learn that the secret is another one since a call was to leave with it."""
        if sent_s >= self._refused_s:
            self._not_accepted()
            self._asks_witness = False
            self._refused_s = now_s
            self.refusals += 1
            if self.refusals >= REFUSALS_BELIEVED:
                self._stop(problem)

    # Refused

    def _refused(
        self,
        problem: Problem,
        project: ProjectAdmission,
        server: int,
        sent_s: float,
        now_s: float,
    ) -> None:
        if sent_s < self._refused_s:
            return  # it was in flight together with one that was refused
        times = self.refused_servers.get(server, 0)
        self.refused_servers[server] = times + 1
        if self.accepted and not project.known:
            self._refused_in(project, problem, now_s)
            return
        if self.accepted and (
            times >= OWN_TROUBLE_AFTER
            if problem.renewed
            else times > 0 or sent_s < self._accepted_s
        ):
            return
        self._not_accepted()
        self._refused_s = now_s
        self.refusals += 1
        if self.refusals >= REFUSALS_BELIEVED:
            self._stop(problem)
        elif problem.renewed:
            self.next_s = now_s + ASKED_AGAIN_AFTER_S[self.refusals - 1]
            self._asks_witness = self.proven and self.refusals > 1  # it may be its server's trouble
            self._doubt_none()
        elif self.proven:
            self.next_s = now_s + ASKED_AGAIN_AFTER_S[self.refusals - 1]
            self._asks_witness = True
        else:
            project.doubted = problem
            self.verdicts.doubted[self] = None
            if problem.everywhere:
                self._stop(problem)
            self.look()

    def _refused_in(self, project: ProjectAdmission, problem: Problem, now_s: float) -> None:
        """Learn that a project is refused that was never accepted, though others are."""
        project.refusals += 1
        most = REFUSALS_BELIEVED if problem.renewed else REFUSALS_OF_A_PROJECT
        if project.refusals >= most:
            self._stop_project(project, problem)
        elif not problem.renewed:
            project.next_s = now_s + PROJECT_AGAIN_AFTER_S

    def _doubt_none(self) -> None:
        """Let all projects try a secret that is another one now."""
        if self.verdicts.doubted.pop(self, self) is None:
            self.verdicts.released += [one for one in self.projects if one.doubted is not None]
            for one in self.projects:
                one.doubted = None

    # The end

    def look(self) -> None:
        """Give it up where it was refused, and no other project can tell whether it is any good."""
        if self.refused is None and not any(one.can_be_asked for one in self.projects):
            doubted = [one.doubted for one in self.projects if one.doubted is not None]
            self._stop(doubted[0])

    def _stop(self, problem: Problem, secrets: Iterable[CredentialHealth] = ()) -> None:
        """Give it up, or several secrets of its credential."""
        stopped: list[ProjectAdmission] = []
        for secret in secrets or (self,):
            stopped += secret.ends(problem)
        whole = all(one.refused is not None for one in self.sign_in.secrets)
        self.verdicts.stops.append(Stop(self.sign_in.name, tuple(stopped), problem, whole=whole))

    def ends(self, problem: Problem) -> list[ProjectAdmission]:
        """Let it be refused for good; return the projects that were not so before."""
        self.refused = problem
        self._not_accepted()
        self._doubt_none()
        stopped = [one for one in self.projects if one.refused is None]
        for one in stopped:
            one.refused = problem
        return stopped

    def _stop_project(self, project: ProjectAdmission, problem: Problem) -> None:
        project.doubted = None
        project.refused = problem
        self.verdicts.stops.append(
            Stop(self.sign_in.name, (project,), problem, whole=False, elsewhere=True)
        )
