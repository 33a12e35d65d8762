"""What broke on the wire: the exceptions of aiohttp as a `Problem`."""

from __future__ import annotations

import os
import ssl
from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from collector import descriptors
from collector.engine.answers import Problem, ProblemKind
from collector.providers.clouddc.words import one_line

CONNECT_S: Final = 10.0
"""How long a TCP connection and its TLS handshake may take."""

CONNECTED_S: Final = 60.0
"""How long a call may wait for a connection in all: for a free one, DNS, and every address."""

IDLE_S: Final = 60.0
"""How long nothing may arrive in the middle of an answer, or before it."""

STALL_S: Final = 30.0
"""The same of an archive, unless a person says otherwise."""

TRUST_HINT: Final = (
    "name the file of the certificate authority with --ca-file, or mend the endpoint's certificate"
)

# UnicodeError: of host names that no DNS query can carry, which aiohttp passes on as they come.
WIRE_ERRORS: Final = (
    aiohttp.ClientError,
    HttpProcessingError,
    TimeoutError,
    OSError,
    UnicodeError,
)
_NEVER_LEFT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    UnicodeError,
)


def problem_of(error: Exception, idle_s: float = IDLE_S) -> Problem:
    """Return what an error of `WIRE_ERRORS` means to a call, without addresses or headers.

    `NOT_SENT` is certain: no byte of the request left. After that nothing is: a server that drops a
    connection, a kept one included, may have acted on what it had read.
    """
    if isinstance(error, _NEVER_LEFT):
        return Problem(ProblemKind.NOT_SENT, _why_not_sent(error), hint=_hint(error))
    if isinstance(error, aiohttp.ClientResponseError):
        return Problem(ProblemKind.UNREADABLE, "the answer is no valid HTTP")
    return Problem(ProblemKind.CUT, _why_cut(error, idle_s))


def _why_not_sent(error: Exception) -> str:  # noqa: PLR0911  # a return an exception
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused to connect, with status {error.status}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection was made in time"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} is not trusted: {_reason(error)}"
        case aiohttp.ClientConnectorSSLError():
            return f"no TLS connection to {error.host}: {_reason(error)}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} is not found: {_reason(error)}"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot connect to the proxy: {_reason(error)}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host} port {error.port}: {_reason(error)}"
        case _:
            return "the address is none that can be connected to"


def _why_cut(error: Exception, idle_s: float) -> str:
    match error:
        case TimeoutError():
            return f"nothing arrived for {idle_s:g} seconds"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case aiohttp.ClientPayloadError() | HttpProcessingError():
            return "the answer broke off before its end"
        case ConnectionResetError():
            return "the connection was reset before the answer was complete"
        case OSError() if error.errno:
            return f"the connection broke: {os.strerror(error.errno)}"
        case _:
            return f"the connection broke ({type(error).__name__})"


def _hint(error: Exception) -> str | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return TRUST_HINT
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = descriptors.refusal(error.os_error.errno)
        return None if refused is None else refused[1]
    return None


def _reason(error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause: BaseException = error.certificate_error
    else:
        cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return one_line(cause.verify_message)
    if isinstance(cause, ssl.SSLError):
        return one_line(cause.reason or str(cause))
    if isinstance(cause, OSError) and (refused := descriptors.refusal(cause.errno)):
        return refused[0]
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno)
    return one_line(getattr(cause, "strerror", None) or str(cause))
