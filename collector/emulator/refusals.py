"""Refusals: status, code and body as the API reference documents them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from collector.emulator.chance import fraction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.emulator.faults import Fault
    from collector.emulator.throttling import RefusalForm, RetryAfter, Throttle

JSON = "application/json"
HTML_PAGE = (
    b"<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
PROXY_FAULTS = (
    "bad_gateway", "timeout_408", "unavailable", "no_content", "bad_redirect", "html",
)  # fmt: skip
_RETRY_AFTER_S = 5
_FORMS: tuple[RefusalForm, ...] = (
    "gateway",
    "gateway_apig",
    "gateway_status",
    "service",
    "text",
    "empty",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of a call."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, headers: Mapping[str, str]) -> web.Response:
        """Return the response, with the headers of every answer."""
        all_headers = {**headers, **self.headers, "Content-Type": self.content_type}
        return web.Response(status=self.status, body=self.body, headers=all_headers)


def service_error(status: int, code: str, message: str) -> Refusal:
    """The service's own error body."""
    return Refusal(status, json.dumps({"error_code": code, "error_msg": message}).encode())


def gateway_error(status: int, code: str, message: str, request_id: str) -> Refusal:
    """The gateway's error body, which names the request."""
    body = {"error_code": code, "error_msg": message, "request_id": request_id}
    return Refusal(status, json.dumps(body).encode())


def html_page(status: int, title: str) -> Refusal:
    """An HTML page, as a proxy or a load balancer sends."""
    words = title.encode()
    return Refusal(status, HTML_PAGE % (words, words), "text/html")


def proxy_fault(fault: Fault) -> Refusal:
    """A proxy on the way answers in place of the service."""
    match fault.name:
        case "bad_gateway":
            return html_page(502, "502 Bad Gateway")
        case "timeout_408":
            return html_page(408, "408 Request Time-out")
        case "unavailable":
            later = _RETRY_AFTER_S if fault.retry_after_s is None else fault.retry_after_s
            headers = {"Retry-After": str(later)}
            return Refusal(503, b"down for maintenance\n", "text/plain", headers)
        case "no_content":
            return Refusal(204, b"")
        case "bad_redirect":
            headers = {"Location": "http://objects.example:99999/"}
            return Refusal(302, b"", "text/plain", headers)
        case _:
            return html_page(fault.status or 200, "Service is being upgraded")


def unauthorized(
    request_id: str, why: str = "decrypt token fail", *, status: int = 401, code: str = "APIGW.0301"
) -> Refusal:
    """A token, a key or a signature that is not accepted."""
    message = f"Incorrect IAM authentication information: {why}"
    return gateway_error(status, code, message, request_id)


def no_such_api(request_id: str) -> Refusal:
    """A method and path that are none of the API's calls."""
    return gateway_error(
        404, "APIGW.0101", "The API does not exist or has not been published", request_id
    )


def unknown_export(export_id: str) -> Refusal:
    """An export that was never started, or is forgotten; the reference has no code for it."""
    return service_error(404, "iMetal.0120", f"log export {export_id} does not exist")


def service_fault(name: str, server_id: str) -> Refusal:
    """Return the service's refusal or failure, by the fault's name."""
    status, code, message = {
        "error_500": (500, "iMetal.0099", "Internal error."),
        "no_permission": (403, "iMetal.0004", "Insufficient permissions."),
        "unknown_id": (404, "iMetal.0100", f"physical server {server_id} not found"),
        "not_ready": (400, "iMetal.0101", f"physical server {server_id} state is not ready"),
        "conflict": (409, "iMetal.0103", f"physical server {server_id} is being operated on"),
        "locked": (423, "iMetal.0104", f"physical server {server_id} is locked"),
        "bad_parameter": (400, "iMetal.0001", "Invalid parameter."),
    }[name]
    return service_error(status, code, message)


def throttled(
    throttle: Throttle, wait_s: float, *, request_id: str, clock_s: float, draw: tuple[object, ...]
) -> Refusal:
    """Return the 429 of a policy, in its configured form.

    Args:
        throttle: The policy that refuses.
        wait_s: How long until it would admit the call.
        request_id: The call's.
        clock_s: The service's clock, in seconds since 1970.
        draw: The name of the draw that picks a form where they are mixed.
    """
    words = (
        f"The throttling threshold has been reached: policy {throttle.scope} over ratelimit,"
        f"limit:{throttle.limit},time:{throttle.period}"
    )
    refusal = _worded(_form(throttle, draw), words, request_id)
    headers = retry_after(throttle.retry_after, wait_s, clock_s)
    return Refusal(429, refusal.body, refusal.content_type, headers)


def retry_after(form: RetryAfter, wait_s: float, clock_s: float) -> dict[str, str]:
    """Return the header that tells how long to wait, if it is told at all."""
    match form:
        case "none":
            return {}
        case "seconds":
            return {"Retry-After": str(math.ceil(wait_s))}
        case "date":
            return {"Retry-After": formatdate(math.ceil(clock_s + wait_s), usegmt=True)}


def too_many_requests() -> Refusal:
    """The service's own throttle, as where a project has too many running exports."""
    return _worded("service", "", "")


def _form(throttle: Throttle, draw: tuple[object, ...]) -> RefusalForm:
    form = throttle.refusal or ("service" if throttle.scope == "project" else "gateway")
    if form == "mixed":
        return _FORMS[int(fraction(*draw, "form of refusal") * len(_FORMS))]
    return form


def _worded(form: RefusalForm, words: str, request_id: str) -> Refusal:
    match form:
        case "gateway_apig":
            return gateway_error(429, "APIG.0308", words, request_id)
        case "gateway_status":
            body = {
                "status_code": 429,
                "request_id": request_id,
                "error_code": "APIGW.0308",
                "error_message": words,
            }
            return Refusal(429, json.dumps(body).encode())
        case "service":
            return service_error(429, "iMetal.0005", "Too many requests.")
        case "text":
            return Refusal(429, b"Too Many Requests", "text/plain")
        case "empty":
            return Refusal(429, b"", "text/plain")
        case _:
            return gateway_error(429, "APIGW.0308", words, request_id)
