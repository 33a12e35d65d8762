"""What a refusal means: one table from call, status and code to a `Problem`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.model.answers import Call, Problem, ProblemKind, ResponseMetadata
from collector.providers.clouddc.parsing import error_body
from collector.providers.clouddc.throttling import SERVICE_THROTTLES, throttled_by
from collector.providers.http.times import retry_after_s
from collector.providers.http.words import CODE_MAX, REQUEST_ID_MAX, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.providers.clouddc.parsing import ErrorBody
    from collector.providers.http.replies import Reply
    from collector.redaction import Secrets

_P = ProblemKind
_UNAVAILABLE: Final = 503
OWN: Final = "iMetal.*"
"""Any code of the service itself; its gateway's begin with `APIGW.` or `APIG.`."""

FOREIGN: Final = "not the API's"
"""No code, since the body is not the API's own: a page, a text that is no JSON, or nothing."""

PERMISSIONS: Final[Mapping[Call, str]] = {
    Call.START_EXPORT: "clouddc:imetal:createDumpLog",
    Call.ASK_STATUS: "clouddc:imetal:getDumpLogProgress",
    Call.FETCH_ARCHIVE: "clouddc:imetal:createDownloadLog",
}
"""What a credential must be allowed to do (API reference)."""

LISTING_PERMISSION: Final = "clouddc:imetal:list"
ALARM_PERMISSIONS: Final = ("clouddc::listAlarm", "ces:alarmHistory:list")
"""What listing servers and alarms needs (API reference)."""


@dataclass(frozen=True, slots=True)
class Row:
    """Answers of one kind.

    Attributes:
        status: `404`, or a class of them: `4xx`; `*` is any.
        kind: what they mean to whoever decides what is next.
        meaning: what they mean to a person, where the answer has no words of its own.
        code: the error code they carry, `OWN`, `FOREIGN`, or None for any and none.
        call: the one call they answer, or None for any.
        blocked: they say that the service has not acted on the request.
    """

    status: str
    kind: ProblemKind
    meaning: str
    code: str | None = None
    call: Call | None = None
    blocked: bool = False

    def matches(self, call: Call, status: int, code: str | None, *, own: bool = True) -> bool:
        """Tell whether an answer is one of these; `own`: it is in the API's own words."""
        if self.status not in (str(status), f"{status // 100}xx", "*"):
            return False
        if self.call is not None and self.call is not call:
            return False
        if self.code is None or self.code == FOREIGN:
            return self.code is None or not own
        given, wanted = (code or "").casefold(), self.code.casefold()
        return given == wanted or (self.code == OWN and given.startswith(wanted.rstrip("*")))


TABLE: Final = (
    Row("4xx", _P.THROTTLED, "too many requests, says the service", SERVICE_THROTTLES),
    Row("429", _P.THROTTLED, "too many requests"),
    Row("407", _P.NOT_SENT, "the proxy wants a user name and password, or refuses them"),
    Row("408", _P.UNREADABLE, "the request was not received in time; it may have been acted on"),
    Row("421", _P.UNREADABLE, "the request reached a machine that does not answer for it", None,
        blocked=True),
    Row("4xx", _P.NOT_READY, "the server's state is not ready for it", "iMetal.0101"),
    Row("4xx", _P.BAD_REQUEST, "the hardware inspection failed", "iMetal.0110"),
    Row("409", _P.NOT_READY, "the service is busy with this server"),
    Row("423", _P.NOT_READY, "the service has locked this server"),
    Row("425", _P.NOT_READY, "the service says that it is too early"),
    Row("4xx", _P.UNREADABLE, "something on the way to the service refused the request", FOREIGN,
        blocked=True),
    Row("401", _P.UNAUTHENTICATED, "the token is wrong or has expired"),
    Row("403", _P.FORBIDDEN, "the credential is not allowed to do this"),
    Row("404", _P.UNKNOWN_SERVER, "the service does not know this server", "iMetal.0100"),
    Row("404", _P.UNKNOWN_SERVER, "there is no such server or project", None, Call.START_EXPORT),
    Row("404", _P.FORGOTTEN, "the service does not know this export (any more)"),
    Row("410", _P.UNKNOWN_SERVER, "this server or project is gone", None, Call.START_EXPORT),
    Row("410", _P.FORGOTTEN, "the export is gone"),
    Row("4xx", _P.BAD_REQUEST, "the service refuses the request"),
    Row("5xx", _P.SERVICE_FAILED, "the service failed", OWN),
    Row("511", _P.UNREADABLE, "the network wants somebody to sign in first", None, blocked=True),
    Row("5xx", _P.UNREADABLE, "something on the way to the service failed"),
    Row("303", _P.UNREADABLE, "a redirection to another answer"),
    Row("3xx", _P.UNREADABLE, "a redirection in place of an answer", None, blocked=True),
    Row("2xx", _P.SERVICE_FAILED, "the service failed", OWN),
    Row("2xx", _P.UNREADABLE, "a success without what it must say"),
    Row("*", _P.UNREADABLE, "a status that HTTP does not have"),
)  # fmt: skip
"""The first row that matches is the one."""

_STATUS_OF: Final[Mapping[str, int]] = {
    "imetal.0001": 400,
    "imetal.0002": 400,
    "imetal.0003": 401,
    "imetal.0004": 403,
    "imetal.0005": 429,
    "imetal.0100": 404,
    "imetal.0101": 400,
    "imetal.0110": 400,
    "apigw.0301": 401,
    "apig.0301": 401,
    "apigw.0308": 429,
    "apig.0308": 429,
}
"""The status that the API reference gives each code: for an error that comes under 200."""


class DocumentedRow(NamedTuple):
    """A row of the table as the documentation shows it."""

    status: str
    code: str
    call: str
    kind: str
    meaning: str


def rows() -> Iterator[DocumentedRow]:
    """Yield the table for the documentation, in the order in which it is read."""
    for row in TABLE:
        call = "any" if row.call is None else str(row.call)
        yield DocumentedRow(row.status, row.code or "any", call, str(row.kind), row.meaning)


def problem_of(
    call: Call,
    reply: Reply,
    *,
    metadata: ResponseMetadata,
    secrets: Secrets,
    error: ErrorBody | None = None,
) -> Problem:
    """Return the problem that an answer is.

    Args:
        call: what was asked.
        reply: the answer.
        metadata: what it told beside.
        secrets: what no word of it may repeat.
        error: the answer's body, where it was read already.
    """
    error = error_body(secrets.out_of_bytes(reply.body)) if error is None else error
    status = reply.status
    if reply.succeeded:
        status = _STATUS_OF.get((error.code or "").casefold(), status)
    row = next(row for row in TABLE if row.matches(call, status, error.code, own=error.own))
    later_s = retry_after_s(reply.headers)
    return Problem(
        kind=row.kind,
        message=told(error.words or reply.packed, secrets) or row.meaning,
        code=told(error.code or "", secrets, CODE_MAX) or None,
        http_status=reply.status,
        request_id=told(
            error.request_id or reply.headers.get("X-Request-Id", ""), secrets, REQUEST_ID_MAX
        )
        or None,
        throttled_by=throttled_by(error.words) if row.kind is _P.THROTTLED else None,
        retry_after_s=later_s,
        hint=_hint(call, row.kind),
        # Whoever says when to come again has done nothing yet (RFC 9110, 15.6.4).
        blocked=row.blocked or (reply.status == _UNAVAILABLE and later_s is not None),
        metadata=metadata,
    )


def _hint(call: Call, kind: ProblemKind) -> str | None:
    if kind is _P.FORBIDDEN:
        return (
            f"ask for the permission {PERMISSIONS[call]} in this project, then --resume the run "
            "with --retry-failed"
        )
    return None
