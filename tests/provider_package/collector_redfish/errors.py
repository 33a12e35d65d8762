"""What a BMC's refusals mean: from a MessageId of Redfish's Base registry, else from the status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collector.model.answers import Problem, ProblemKind, ResponseMetadata
from collector.providers.http.replies import parse_json, words_of
from collector.providers.http.times import retry_after_s
from collector.providers.http.words import CODE_MAX, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.http.replies import Reply
    from collector.redaction import Secrets

BY_MESSAGE: Final[Mapping[str, ProblemKind]] = {
    "CreateLimitReachedForResource": ProblemKind.THROTTLED,
    "InsufficientPrivilege": ProblemKind.FORBIDDEN,
    "InternalError": ProblemKind.SERVICE_FAILED,
    "NoValidSession": ProblemKind.UNAUTHENTICATED,
    "ResourceAtUriUnauthorized": ProblemKind.UNAUTHENTICATED,
    "ResourceInUse": ProblemKind.NOT_READY,
    "ResourceInStandby": ProblemKind.NOT_READY,
    "ServiceTemporarilyUnavailable": ProblemKind.NOT_READY,
    "ActionNotSupported": ProblemKind.BAD_REQUEST,
}
BY_STATUS: Final[Mapping[int, ProblemKind]] = {
    401: ProblemKind.UNAUTHENTICATED,
    403: ProblemKind.FORBIDDEN,
    404: ProblemKind.UNKNOWN_SERVER,
    429: ProblemKind.THROTTLED,
    503: ProblemKind.NOT_READY,
}
MISSING: Final = 404
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)


class Refusal(NamedTuple):
    """A refusal in Redfish's words: the MessageId without its registry, and its text."""

    code: str
    words: str


def refusal(body: bytes) -> Refusal | None:
    """Return what a body says of a refusal; None where it is not in Redfish's words."""
    fields = parse_json(body)
    error = fields.get("error") if isinstance(fields, dict) else None
    if not isinstance(error, dict):
        return None
    details = error.get("@Message.ExtendedInfo")
    first = details[0] if isinstance(details, list) and details else None
    detail: dict[str, Any] = first if isinstance(first, dict) else {}
    code = str(detail.get("MessageId") or error.get("code") or "")
    words = str(detail.get("Message") or error.get("message") or "")
    return Refusal(code.rpartition(".")[2], words)


def problem_of(
    reply: Reply, metadata: ResponseMetadata, secrets: Secrets, *, missing: ProblemKind
) -> Problem:
    """Return the problem that an answer is.

    Args:
        reply: the answer.
        metadata: what it told beside.
        secrets: what no word of it may repeat.
        missing: what it means that there is nothing at this path.
    """
    found = refusal(reply.body)
    kind = BY_MESSAGE.get(found.code) if found is not None else None
    if kind is None:
        kind = missing if reply.status == MISSING else _by_status(reply.status, own=bool(found))
    words = found.words if found is not None else words_of(reply.body)
    return Problem(
        kind=kind,
        message=told(words, secrets) or f"the BMC answers with status {reply.status}",
        code=told(found.code, secrets, CODE_MAX) or None if found is not None else None,
        http_status=reply.status,
        retry_after_s=retry_after_s(reply.headers),
        metadata=metadata,
    )


def _by_status(status: int, *, own: bool) -> ProblemKind:
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status in _CLIENT_ERRORS:
        return ProblemKind.BAD_REQUEST
    # What a proxy says tells nothing about the BMC, which may have acted on the request.
    if own and status in _SERVER_ERRORS:
        return ProblemKind.SERVICE_FAILED
    return ProblemKind.UNREADABLE
