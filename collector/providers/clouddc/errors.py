"""What a refusal means: one table from call, status and code to a `Problem`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.engine.answers import Call, Heard, Problem, ProblemKind
from collector.providers.clouddc.parsing import error_body
from collector.providers.clouddc.throttling import SERVICE_THROTTLES, retry_after_s, throttled_by
from collector.providers.clouddc.words import CODE_MAX, MESSAGE_MAX, REQUEST_ID_MAX, one_line
from collector.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.providers.clouddc.parsing import ErrorBody, Reply
    from collector.redaction import Secrets

_P = ProblemKind
OWN: Final = "iMetal.*"
"""Any code of the service itself; its gateway's begin with `APIGW.` or `APIG.`."""

PERMISSIONS: Final[Mapping[Call, str]] = {
    Call.START_EXPORT: "clouddc:imetal:createDumpLog",
    Call.ASK_STATUS: "clouddc:imetal:getDumpLogProgress",
    Call.FETCH_ARCHIVE: "clouddc:imetal:createDownloadLog",
}
"""What a credential must be allowed to do (API reference)."""


@dataclass(frozen=True, slots=True)
class Row:
    """Answers of one kind.

    Attributes:
        status: `404`, or a class of them: `4xx`; `*` is any.
        kind: what they mean to whoever decides what is next.
        meaning: what they mean to a person, where the answer has no words of its own.
        code: the error code they carry, `OWN`, or None for any and none.
        call: the one call they answer, or None for any.
    """

    status: str
    kind: ProblemKind
    meaning: str
    code: str | None = None
    call: Call | None = None

    def matches(self, call: Call, status: int, code: str | None) -> bool:
        """Tell whether an answer is one of these."""
        if self.status not in (str(status), f"{status // 100}xx", "*"):
            return False
        if self.call is not None and self.call is not call:
            return False
        if self.code is None:
            return True
        given, wanted = (code or "").casefold(), self.code.casefold()
        return given == wanted or (self.code == OWN and given.startswith(wanted.rstrip("*")))


TABLE: Final = (
    Row("4xx", _P.THROTTLED, "too many requests, says the service", SERVICE_THROTTLES),
    Row("401", _P.UNAUTHENTICATED, "the token is wrong or has expired"),
    Row("403", _P.FORBIDDEN, "the credential is not allowed to do this"),
    Row("429", _P.THROTTLED, "too many requests"),
    Row("407", _P.NOT_SENT, "the proxy wants a user name and password, or refuses them"),
    Row("408", _P.UNREADABLE, "the request was not received in time; it may have been acted on"),
    Row("404", _P.UNKNOWN_SERVER, "the service does not know this server", "iMetal.0100"),
    Row("404", _P.UNKNOWN_SERVER, "there is no such server or project", None, Call.START_EXPORT),
    Row("404", _P.FORGOTTEN, "the service does not know this export (any more)"),
    Row("4xx", _P.NOT_READY, "the server's state is not ready for it", "iMetal.0101"),
    Row("4xx", _P.BAD_REQUEST, "the hardware inspection failed", "iMetal.0110"),
    Row("4xx", _P.BAD_REQUEST, "the service refuses the request"),
    Row("5xx", _P.SERVICE_FAILED, "the service failed", OWN),
    Row("5xx", _P.UNREADABLE, "something on the way to the service failed"),
    Row("3xx", _P.UNREADABLE, "a redirection in place of an answer"),
    Row("2xx", _P.UNREADABLE, "a success without what it must say"),
    Row("*", _P.UNREADABLE, "a status that HTTP does not have"),
)
"""The first row that matches is the one."""


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
    call: Call, reply: Reply, *, heard: Heard, secrets: Secrets, error: ErrorBody | None = None
) -> Problem:
    """Return the problem that an answer is.

    Args:
        call: what was asked.
        reply: the answer.
        heard: what it told beside.
        secrets: what no word of it may repeat.
        error: the answer's body, where it was read already.
    """
    error = error_body(secrets.out_of_bytes(reply.body)) if error is None else error
    row = next(row for row in TABLE if row.matches(call, reply.status, error.code))
    words = told(error.words, secrets)
    throttled = row.kind is _P.THROTTLED
    return Problem(
        kind=row.kind,
        message=words or row.meaning,
        code=told(error.code or "", secrets, CODE_MAX) or None,
        http_status=reply.status,
        request_id=told(
            error.request_id or reply.headers.get("X-Request-Id", ""), secrets, REQUEST_ID_MAX
        )
        or None,
        throttled_by=throttled_by(error.words) if throttled else None,
        retry_after_s=retry_after_s(reply.headers),
        hint=_hint(call, row.kind),
        heard=heard,
    )


def told(text: str, secrets: Secrets, limit: int = MESSAGE_MAX) -> str:
    """Return what a service says in one line, without secrets and what looks like one.

    They are taken out before it is cut to length: of a token that is cut in two, half would stay.
    """
    return one_line(hide(secrets.out_of(text)[: 8 * limit]), limit)


def _hint(call: Call, kind: ProblemKind) -> str | None:
    if kind is _P.FORBIDDEN:
        return (
            f"ask for the permission {PERMISSIONS[call]} in this project, then --resume the run "
            "with --retry-failed"
        )
    return None
