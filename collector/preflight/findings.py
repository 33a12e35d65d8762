"""What a preflight has found out about one project."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from collector.model.answers import Call, Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.answers import LimitTold, ResponseMetadata

_KNOWS_NO_SUCH = frozenset(
    {
        ProblemKind.FORGOTTEN,
        ProblemKind.UNKNOWN_SERVER,
        ProblemKind.NOT_READY,
        ProblemKind.EXPORT_FAILED,
    }
)
"""Answers of a service that has looked for the export, and so has let the call pass."""


class Permission(enum.StrEnum):
    """Whether a credential may make a call in a project."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


def permission(problem: Problem | None) -> Permission:
    """Return what an answer tells of the permission to make the call.

    Args:
        problem: what came of it; None for a success.
    """
    if problem is None or problem.kind in _KNOWS_NO_SUCH:
        return Permission.ALLOWED
    return Permission.DENIED if problem.kind is ProblemKind.FORBIDDEN else Permission.UNKNOWN


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a project, as far as it was asked.

    Attributes:
        id: the project's.
        name: the project's.
        endpoint: where its calls go.
        credential: what they carry.
        servers: how many of the project are selected.
        answers: what came of each call that was made; None for a success.
        listing: what came of listing the project's servers; `UNKNOWN` where that was not asked.
        listing_problem: why they could not be listed.
        clock_offset_s: this machine's clock less the service's.
        limits: those that the service told.
    """

    id: str
    name: str
    endpoint: str
    credential: str
    servers: int
    answers: Mapping[Call, Problem | None] = field(default_factory=dict)
    listing: Permission = Permission.UNKNOWN
    listing_problem: Problem | None = None
    clock_offset_s: float | None = None
    limits: tuple[LimitTold, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the first first; each once, with hints for those who have no run."""
        found = [one for one in (*self.answers.values(), self.listing_problem) if one is not None]
        wrong = [one for one in found if permission(one) is not Permission.ALLOWED]
        told = {(one.kind, one.message, one.hint): one.before_a_failure() for one in wrong}
        return tuple(told.values())

    @property
    def signed_in(self) -> bool | None:
        """Whether the credential is accepted; None where nobody who looks at it answered."""
        found = self._found
        if any(one is not None and one.kind is ProblemKind.UNAUTHENTICATED for one in found):
            refused = next(one for one in found if one is not None)
            return None if refused.sign_in and refused.retry_after_s is not None else False
        known = [permission(one) for one in found]
        return True if any(one is not Permission.UNKNOWN for one in known) else None

    @property
    def reached(self) -> bool | None:
        """Whether the endpoint answers; None where nothing was sent to it."""
        sent = [one for one in self._found if one is None or not one.sign_in]
        if not sent:
            return None
        lost = (ProblemKind.NOT_SENT, ProblemKind.CUT)
        return any(one is None or one.kind not in lost for one in sent)

    @property
    def can_work(self) -> bool:
        """Whether a collect could bring anything home, as far as is known."""
        return (
            (self.servers > 0 or self.listing_problem is None)
            and self.signed_in is not False
            and self.reached is not False
            and not any(permission(one) is Permission.DENIED for one in self.answers.values())
            and all(one is None or not one.sign_in for one in self.answers.values())
        )

    @property
    def _found(self) -> list[Problem | None]:
        """What came of the calls; of listing, where nothing else was asked."""
        if self.answers or self.listing_problem is None:
            return [*self.answers.values()]
        return [self.listing_problem]

    def permission(self, call: Call) -> Permission:
        """Return whether a call may be made, as far as can be told without starting an export."""
        if call not in self.answers:
            return Permission.UNKNOWN
        return permission(self.answers[call])

    def having(self, call: Call, problem: Problem | None, metadata: ResponseMetadata) -> Finding:
        """Return the finding with what came of one more call."""
        told = {(one.kind, one.window_s): one for one in (*self.limits, *metadata.limits)}
        offset_s = metadata.clock_offset_s
        return replace(
            self,
            answers={**self.answers, call: problem},
            clock_offset_s=self.clock_offset_s if offset_s is None else offset_s,
            limits=tuple(told.values()),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as `plan --online --json` prints it."""
        offset_s = self.clock_offset_s
        return {
            "id": self.id,
            "name": self.name,
            "endpoint": self.endpoint,
            "credentials": self.credential,
            "servers": self.servers,
            "can_work": self.can_work,
            "reached": self.reached,
            "signed_in": self.signed_in,
            "permissions": {
                "export": self.permission(Call.START_EXPORT),
                "status": self.permission(Call.ASK_STATUS),
                "download": self.permission(Call.FETCH_ARCHIVE),
                "list": self.listing,
            },
            "clock_offset_s": None if offset_s is None else round(offset_s, 1),
            "limits": [
                {
                    "scope": one.kind,
                    "limit": one.limit,
                    "window_s": one.window_s,
                    "remaining": one.remaining,
                }
                for one in self.limits
            ],
            "problems": [
                {
                    "code": one.code,
                    "http_status": one.http_status,
                    "message": one.message,
                    "request_id": one.request_id,
                    "hint": one.hint,
                }
                for one in self.problems
            ],
        }
