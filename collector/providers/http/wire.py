"""What went wrong with a call, as a `Problem`: on the wire, or in reading what came."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http import HttpProcessingError

from collector import descriptors
from collector.model.answers import Problem, ProblemKind
from collector.providers.http.words import one_line, told

if TYPE_CHECKING:
    from collector.redaction import Secrets

CONNECT_S: Final = 10.0
"""How long a TCP connection and its TLS handshake may take."""

CONNECTED_S: Final = 20.0
"""How long a call may wait for a connection in all: for a free one, DNS, and every address."""

TOTAL_S: Final = 30.0
"""How long a small call may take in all, to its last byte; and a download, to its first one.

It is longer than `CONNECTED_S`, so that whoever runs out of it has been connected."""

STALL_S: Final = 30.0
"""How long nothing may arrive in the middle of an archive, unless a person says otherwise."""

TRUST_HINT: Final = (
    "name the certificate authority's file with --ca-file, or renew the endpoint's certificate"
)
TLS_HINT: Final = "check whether the endpoint is https:// or http://, and what a proxy does to TLS"
NAME_HINT: Final = "check the endpoint's name in the inventory, and this machine's DNS"
PROXY_HINT: Final = "check the proxy that https_proxy or http_proxy names, and no_proxy"
ADDRESS_HINT: Final = (
    "check the endpoint's address and port in the inventory, and firewalls on the way to it"
)

_REASON_MAX: Final = 160
_BYTES: Final = re.compile(r"""\s*:?\s*\bb(?:'|").*""", re.DOTALL)
"""The bytes that a parser stumbled over, as its error repeats them."""


class UnusableAddressError(ValueError):
    """A URL names a host or a port that nothing can be sent to."""


_NEVER_LEFT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    UnusableAddressError,
)
_BROKE_OFF: Final = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    TimeoutError,
    OSError,
)


def problem_of(
    error: Exception, secrets: Secrets, *, total_s: float = TOTAL_S, idle_s: float = STALL_S
) -> Problem:
    """Return what an error means that a call ended with, without addresses or headers.

    `NOT_SENT` is certain: no byte of the request left, since these errors arise before that alone.
    After that nothing is: a server that drops a connection, a kept one included, may have acted on
    what it had read. Any other error arose from what came, and keeps its own words.

    Args:
        error: aiohttp's, or what reading the answer raised.
        secrets: what no word of it may repeat.
        total_s: how long the call might take.
        idle_s: how long nothing might arrive.
    """
    if isinstance(error, _NEVER_LEFT):
        return Problem(ProblemKind.NOT_SENT, _why_not_sent(error), hint=_hint(error))
    if isinstance(error, _BROKE_OFF):
        return Problem(ProblemKind.CUT, _why_cut(error, total_s, idle_s))
    return Problem(ProblemKind.UNREADABLE, f"the answer cannot be read: {_words(error, secrets)}")


def _words(error: Exception, secrets: Secrets) -> str:
    """Return an error's own words, without the bytes that it repeats, and its type."""
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        words = error.message
    else:
        words = str(error)
    words = told(_BYTES.sub("", words), secrets, _REASON_MAX).rstrip(" .:")
    name = type(error).__name__
    return f"{words} ({name})" if words else name


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


def _why_cut(  # noqa: PLR0911  # as above
    error: Exception, total_s: float, idle_s: float
) -> str:
    match error:
        case aiohttp.SocketTimeoutError():
            return f"nothing arrived for {idle_s:g} seconds"
        case TimeoutError():
            return f"the answer was not complete after {total_s:g} seconds"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case aiohttp.ClientPayloadError():
            return "the answer broke off before its end"
        case ConnectionResetError():
            return "the connection was reset before the answer was complete"
        case OSError() if error.errno:
            return f"the connection broke: {os.strerror(error.errno)}"
        case _:
            return f"the connection broke ({type(error).__name__})"


def _hint(error: Exception) -> str | None:
    """Return what can be done about a call that never left."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return TRUST_HINT
    if isinstance(error, aiohttp.ClientConnectorError) and (
        refused := descriptors.refusal(error.os_error.errno)
    ):
        return refused[1]
    # The first that an error is one of: some are kinds of others.
    for kind, hint in (
        (aiohttp.ClientConnectorSSLError, TLS_HINT),
        (aiohttp.ClientConnectorDNSError, NAME_HINT),
        (aiohttp.ClientHttpProxyError, PROXY_HINT),
        (aiohttp.ClientProxyConnectionError, PROXY_HINT),
        (aiohttp.ClientConnectorError, ADDRESS_HINT),
        (aiohttp.ConnectionTimeoutError, ADDRESS_HINT),
    ):
        if isinstance(error, kind):
            return hint
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
