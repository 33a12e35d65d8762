"""What IAM says: a token, an error in one of its two forms, or something odd (IAM reference)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from collector.emulator import refusals
from collector.emulator.chance import opaque
from collector.emulator.odd_bodies import odd_body
from collector.emulator.refusals import JSON, Refusal
from collector.emulator.tokens import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.emulator.iam_faults import IamFault
    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import ProjectSpec
    from collector.emulator.tokens import Token

Form = Literal["keystone", "code"]
ELSEWHERE = "/v3/auth/elsewhere"
"""Where a redirect leads: whoever follows it takes the password along."""
TOO_MANY = "The number of requests exceeds the limit."
_FAILURES: dict[str, tuple[int, str]] = {
    "error_500": (500, "An unexpected error prevented the server from answering."),
    "unavailable": (503, "The service is unavailable."),
    "throttled": (429, TOO_MANY),
}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_CODES = {
    400: "IAM.0011",
    401: "IAM.0101",
    403: "IAM.0002",
    404: "IAM.0004",
    429: "IAM.0429",
    500: "IAM.0006",
    503: "IAM.0006",
}


def error(
    form: Form, status: int, message: str, headers: Mapping[str, str] | None = None
) -> Refusal:
    """IAM's error."""
    body: dict[str, object] = {"error_msg": message, "error_code": _CODES[status]}
    if form == "keystone":
        body = {"error": {"code": status, "message": message, "title": _TITLES[status]}}
    return Refusal(status, json.dumps(body).encode(), JSON, headers or {})


def failure(fault: IamFault, form: Form, host: str) -> Refusal | None:
    """Return what is answered in place of an answer; None if the sign-in is acted on.

    Args:
        fault: What goes wrong.
        form: The form of errors.
        host: The request's.
    """
    if fault.name in _FAILURES:
        later = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return error(form, *_FAILURES[fault.name], later)
    match fault.name:
        case "bad_gateway":
            return refusals.html_page(502, "502 Bad Gateway")
        case "html":
            return refusals.html_page(200, "Sign in to the network")
        case "redirect":
            # Another name of the same machine is another origin.
            location = f"http://localhost:{host.rpartition(':')[2]}{ELSEWHERE}"
            return Refusal(307, b"", "text/plain", {"Location": location})
        case _:
            return None


def issued(
    token: Token, user: UserSpec, project: ProjectSpec, *, issued_s: float, life_s: float
) -> Refusal:
    """The answer that brings a token.

    Args:
        token: The token.
        user: Whose it is.
        project: What it is for.
        issued_s: When it was issued, on the service's clock in seconds since 1970.
        life_s: How long it lives.
    """
    domain = {"id": opaque(user.domain, "domain"), "name": user.domain}
    body = {
        "expires_at": moment(issued_s + life_s),
        "issued_at": moment(issued_s),
        "methods": ["password"],
        "project": {"id": project.id, "name": project.name or project.id, "domain": domain},
        "user": {
            "id": opaque(user.label, "user"),
            "name": user.name,
            "domain": domain,
            "password_expires_at": "",
        },
        "roles": [{"id": "0", "name": "clouddc_user"}],
        "catalog": [],
    }
    text = json.dumps({"token": body}).encode()
    return Refusal(201, text, JSON, {"X-Subject-Token": token.value})


def oddly(answer: Refusal, fault: IamFault) -> Refusal:
    """Return an answer that brings a token as a fault makes it."""
    headers, body = dict(answer.headers), answer.body
    match fault.name:
        case "no_token":
            headers = {}
        case "odd_token":
            headers["X-Subject-Token"] = "\N{KEY} \N{KEY}"
        case "no_expiry" | "odd_expiry":
            token = json.loads(body)["token"]
            token["expires_at"] = None if fault.name == "no_expiry" else "tomorrow"
            body = json.dumps({"token": token}).encode()
        case name:
            body = odd_body(name, body)
    return Refusal(answer.status, body, answer.content_type, headers)
