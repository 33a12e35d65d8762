"""IAM: the request that signs in with a password, and what its answers mean.

API reference of IAM: `POST /v3/auth/tokens`, method password, scope project. The token is in the
header `X-Subject-Token`, when it ends in the body.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from collector.providers.clouddc.signin.issued import Issue
from collector.providers.clouddc.signin.problems import passing
from collector.providers.clouddc.signin.secret import Token
from collector.providers.http.replies import parse_json, text, words_of
from collector.providers.http.times import date_s, retry_after_s
from collector.providers.http.words import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.answers import Problem
    from collector.providers.http.replies import Reply
    from collector.redaction import Secrets

DOWN: Final = (
    "see whether iam_endpoint is right, and whether IAM works; then --resume the run with "
    "--retry-failed"
)
BUSY: Final = (
    "see which other programs sign in as this user; then --resume the run with --retry-failed"
)
SHORTEST_LIFE_S: Final = 60.0
"""What a token is trusted for whose life nobody can tell for sure: it is refused when it ends."""
LONGEST_LIFE_S: Final = 366 * 86_400.0
"""A year; what ends later has no end that a run could see."""
_REFUSALS: Final = frozenset({400, 401, 403, 404})
_ABOUT_A_USER: Final = re.compile(r"\b(user|username|password|domain|account|lock|locked)\b")
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429


def request_body(*, domain: str, user: str, password: str, project_id: str) -> bytes:
    """Return what asks for a token of one project."""
    identity = {
        "methods": ["password"],
        "password": {"user": {"name": user, "password": password, "domain": {"name": domain}}},
    }
    return json.dumps(
        {"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}
    ).encode("ascii")


@dataclass(frozen=True, slots=True)
class Refused:
    """IAM does not sign in: with this password, or to this project.

    Attributes:
        message: what it says, for a person.
        status: of HTTP.
        names_project: it says that it is about the project.
        names_user: it says that it is about the user: a wrong password, a lock.
    """

    message: str
    status: int
    names_project: bool
    names_user: bool


def said(
    reply: Reply, *, project_id: str, again_s: float, secrets: Secrets
) -> Issue | Refused | Problem:
    """Return what an answer of IAM means.

    Args:
        reply: the answer.
        project_id: that a token was asked for.
        again_s: when to ask again, where the answer does not say.
        secrets: what no word of it may repeat.
    """
    if reply.succeeded:
        return _issue(reply, again_s)
    fields = parse_json(reply.body)
    words, code = _error(fields) if isinstance(fields, dict) else ("", None)
    later_s = retry_after_s(reply.headers)
    if reply.status in _REFUSALS and (words or code):
        known = words.casefold()
        message = told(words, secrets) or f"code {code}"
        return Refused(
            message,
            reply.status,
            names_project=reply.status == _NOT_FOUND or "project" in known or project_id in words,
            names_user=_ABOUT_A_USER.search(known) is not None,
        )
    what = "IAM is asked too often" if reply.status == _TOO_MANY else "IAM has failed"
    why = told(words or words_of(reply.body), secrets)
    message = f"{what} ({reply.status})" + (f": {why}" if why else "")
    wait_s = again_s if later_s is None else max(0.0, later_s)
    return passing(message, wait_s, BUSY if reply.status == _TOO_MANY else DOWN)


def _issue(reply: Reply, again_s: float) -> Issue | Problem:
    fields = parse_json(reply.body)
    if not isinstance(fields, dict):
        what = words_of(reply.body) or "nothing"
        return passing(f"not IAM's answer came ({reply.status}): {what[:80]}", again_s, DOWN)
    token = reply.headers.get("X-Subject-Token", "").strip()
    if not token:
        return passing("IAM's answer has no token (X-Subject-Token)", again_s, DOWN)
    if not token.isascii() or not token.isprintable():
        return passing("IAM's token holds characters that no HTTP header can carry", again_s, DOWN)
    life_s = _life_s(fields, reply.headers)
    if life_s is None:
        return passing("IAM's answer does not say when its token ends (expires_at)", again_s, DOWN)
    if life_s <= 0:
        return passing("IAM's token had ended before it came (expires_at)", again_s, DOWN)
    return Issue(Token(token), life_s)


def _life_s(fields: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return how long a token lives, by the service's own clock where its answer tells it."""
    body = fields.get("token")
    ends = ends_s(body.get("expires_at")) if isinstance(body, dict) else None
    if ends is None:
        return None
    now_s = date_s(headers)
    if now_s is None:
        return min(LONGEST_LIFE_S, max(SHORTEST_LIFE_S, ends - time.time()))
    return min(LONGEST_LIFE_S, ends - now_s)


def ends_s(value: object) -> float | None:
    """Return an ISO 8601 time in Unix seconds; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _error(fields: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the words and the code of either shape that IAM's errors have."""
    error = fields.get("error")
    if isinstance(error, dict):
        words = text(error.get("message")) or text(error.get("title")) or ""
        return words, text(error.get("error_code")) or text(error.get("code"))
    words = text(fields.get("error_msg") or fields.get("error_message")) or ""
    return words, text(fields.get("error_code"))
