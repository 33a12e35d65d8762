"""Whether a project's credential may make each of the three calls, as answers have shown.

One server may be forbidden by itself, since a policy can go by tags: its project goes on. A call
that six servers of a project were forbidden, and nobody was ever allowed, is forbidden to all of
it. Where that was said before, to one who asked for an export that does not exist, one refusal is
enough; until it is known, one server goes ahead alone, so that no export is started in vain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.engine.admission.alone import MOST_OUT, Alone
from collector.model.answers import Call, ProblemKind
from collector.model.lifecycle import calls_from

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from collector.model.answers import Problem

REFUSALS_BELIEVED = 6
"""So many servers of a project are forbidden a call that nobody was allowed, and it is to all."""
AHEAD_ALONE_S = 600.0
"""After so long, another server goes ahead beside one that is not home: its export may be slow."""
SAYS_NOTHING = frozenset(
    {ProblemKind.THROTTLED, ProblemKind.UNREADABLE, ProblemKind.SERVICE_FAILED,
     ProblemKind.UNAUTHENTICATED}
)  # fmt: skip
"""Answers of whoever may not have looked at what the credential is allowed."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A call that a whole project is forbidden.

    Attributes:
        permissions: the project's.
        call: which.
        problem: what was said of it.
    """

    permissions: ProjectPermissions
    call: Call
    problem: Problem


@dataclass(slots=True, eq=False)
class Permission:
    """What is known of one call in one project.

    Attributes:
        call: which.
        of_project: all of the project's.
        accepted: whether a server was allowed to make it.
        doubted: whether somebody has said that nobody is.
        barred: why a server that waits for this call cannot come home.
        barred_call: the call that it is forbidden: this one or one after it.
        refused_servers: those that were forbidden, while nobody was allowed.
        alone: calls in flight that are not known to be allowed.
        free: whether such calls leave without another look.
    """

    call: Call
    of_project: ProjectPermissions = field(repr=False)
    accepted: bool = False
    doubted: bool = False
    barred: Problem | None = None
    barred_call: Call = Call.START_EXPORT
    refused_servers: set[int] = field(default_factory=set)
    alone: Alone = field(default_factory=Alone)
    free: bool = False

    def closed(self, now_s: float) -> tuple[Hashable, float] | None:
        """Return what holds up the next such call, and until when; infinite: until an answer."""
        if not self.accepted and (self.refused_servers or self.doubted) and self.alone.is_closed:
            return self, math.inf
        if self.call is Call.START_EXPORT and self.of_project.doubted:
            at_s = self.of_project.next_ahead_s(now_s)
            return (self, at_s) if at_s > now_s else None
        return None


class ProjectPermissions:
    """The permissions of one project.

    Args:
        project: its number.
        ahead: tells how many of its servers are past their POST, and not home.
        bars: where it is told that a call is forbidden to all.

    Attributes:
        unsettled: whether a call was forbidden, or is doubted, that nobody was ever allowed.
        doubted: the calls that are doubted.
        holds: whether something may wait for that, or has.
    """

    __slots__ = ("_ahead", "_ahead_s", "_bars", "_of", "doubted", "holds", "project", "unsettled")

    def __init__(self, project: int, ahead: Callable[[], int], bars: list[Bar]) -> None:
        self.project = project
        self.unsettled = self.holds = False
        self.doubted: set[Call] = set()
        self._ahead = ahead
        self._ahead_s = math.inf
        self._bars = bars
        self._of = {call: Permission(call, self) for call in Call}

    def of(self, call: Call) -> Permission:
        """Return the permission for a call."""
        return self._of[call]

    def all(self) -> tuple[Permission, ...]:
        """Return all three."""
        return tuple(self._of.values())

    def doubt(self, call: Call) -> None:
        """Let one server find out whether a call is allowed, before others need it."""
        permission = self._of[call]
        if not permission.accepted:
            permission.doubted = True
            self.doubted.add(call)
            self._settle()

    def next_ahead_s(self, now_s: float) -> float:
        """Return when a server may go ahead; infinite: when another is home, or has failed."""
        ahead = self._ahead()
        if not ahead or self._ahead_s == math.inf:
            self._ahead_s = now_s
        if not ahead:
            return now_s
        if ahead >= MOST_OUT:
            return math.inf
        return self._ahead_s + ahead * AHEAD_ALONE_S

    def answered(self, call: Call, problem: Problem | None, server: int) -> bool:
        """Process an answer to a call; return whether it ends a doubt, for good."""
        permission = self._of[call]
        if permission.accepted:
            return False
        if problem is not None and problem.kind is ProblemKind.FORBIDDEN:
            self._refused(permission, problem, server)
            return False
        if problem is None or problem.elsewhere or _was_looked_at(problem):
            permission.accepted = True
            permission.refused_servers.clear()
            was_doubted, permission.doubted = permission.doubted, False
            self.doubted.discard(call)
            self._settle()
            return was_doubted
        return False

    def _settle(self) -> None:
        """Find out whether anything is amiss."""
        self.unsettled = any(one.doubted or one.refused_servers for one in self.all())
        self.holds = self.holds or self.unsettled
        for one in self.all():
            one.free = one.accepted and not self.unsettled

    def _refused(self, permission: Permission, problem: Problem, server: int) -> None:
        permission.refused_servers.add(server)
        self._settle()
        enough = permission.doubted or len(permission.refused_servers) >= REFUSALS_BELIEVED
        if enough and permission.barred is None:
            permission.doubted = False
            self.doubted.discard(permission.call)
            for one in self.all():
                if permission.call in calls_from(one.call) and one.barred is None:
                    one.barred, one.barred_call = problem, permission.call
            self._bars.append(Bar(self, permission.call, problem))


def _was_looked_at(problem: Problem) -> bool:
    return (
        problem.http_status is not None
        and problem.kind not in SAYS_NOTHING
        and (problem.kind is not ProblemKind.NOT_READY or problem.code is not None)
    )
