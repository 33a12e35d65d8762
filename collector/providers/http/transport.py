"""The HTTP session that all calls share, with aiohttp's defaults set right for this work."""

from __future__ import annotations

import asyncio
import math
import ssl
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from anyio import move_on_after

from collector import inputs
from collector.errors import CollectorError
from collector.providers.http.urls import leads_somewhere
from collector.providers.http.wire import CONNECT_S, CONNECTED_S, UnusableAddressError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from multidict import CIMultiDict
    from yarl import URL

    from collector.providers.http.proxies import Proxies

# `identity`: bytes that are unpacked on the way have another hash and another length.
_ALWAYS: Final = {"Accept": "*/*", "Accept-Encoding": "identity"}
CLOSED_WITHIN_S: Final = 2.0
CONNECTED_PART: Final = 0.8
"""Of a call's time, so much may go into connecting: whoever runs out of the rest was connected."""

HEADER_MAX: Final = 64 << 10
"""Bytes of one header: links to object storage may carry tokens of several KiB."""

HEADERS_MAX: Final = 1000
"""Headers of one answer: gateways that set cookies may set hundreds."""

ARCHIVE_BUFFER: Final = 512 << 10
"""Bytes of an archive that wait for their reader; twice as many, and the sender is held up."""


LARGEST_CA_FILE: Final = 16 << 20
"""Bytes: the authorities of a whole system are some hundred KiB."""


class UnusableCAFileError(CollectorError):
    """A file of certificate authorities cannot be used.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(
            f"cannot read certificates from {path} ({reason}); name a file in PEM format"
        )


class Transport:
    """One session, to any number of hosts.

    It follows no redirection, keeps no cookie, unpacks nothing and tries nothing twice: all this
    is the caller's to decide. It must be made where an event loop runs.

    Args:
        connections: how many there may be at once.
        tls: which certificates are trusted; True for the system's.
        proxies: which lead where.
    """

    def __init__(self, *, connections: int, tls: ssl.SSLContext | bool, proxies: Proxies) -> None:
        self._proxies = proxies
        self._session = _session(aiohttp.TCPConnector(limit=connections, ssl=tls))
        self._afresh = _session(aiohttp.TCPConnector(limit=connections, ssl=tls, force_close=True))

    def request(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str] | None = None,
        body: bytes | None = None,
        *,
        stall_s: float | None = None,
        within_s: float = math.inf,
        afresh: bool = False,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Return a context that sends a request, and lets its connection go at the end.

        Args:
            method: of HTTP.
            url: where to.
            headers: beside those that every request carries.
            body: what it brings.
            stall_s: seconds without a byte that end it; None for a small call, which its caller
                gives a time in all. A reader that does not ask for more stops that clock.
            within_s: the time in all that the caller gives it; connecting must leave some of it.
            afresh: over a connection of its own.

        Raises:
            UnusableAddressError: nothing can be sent to such a URL.
        """
        if not leads_somewhere(url):
            raise UnusableAddressError
        options: dict[str, Any] = {}
        if stall_s is not None:
            options = {"timeout": _timeout(stall_s), "read_bufsize": ARCHIVE_BUFFER}
        elif within_s < CONNECTED_S:
            options = {"timeout": _timeout(None, CONNECTED_PART * within_s)}
        return (self._afresh if afresh else self._session).request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxies.towards(url),
            **options,
        )

    @staticmethod
    def retire(response: aiohttp.ClientResponse) -> None:
        """Keep the next request off a connection: whoever answered so may not answer that one.

        The connection is back among those that are kept as soon as the answer's last byte came.
        """
        connection = response._protocol  # noqa: SLF001  # there is no other way to it
        if isinstance(connection, _Connection):
            connection.is_retired = True

    async def close(self) -> None:
        """Close every connection."""
        with move_on_after(CLOSED_WITHIN_S, shield=True):  # a stop must not leave one of them open
            await self._session.close()
            await self._afresh.close()


class _Connection(ResponseHandler):
    """A connection that does not hand on what is wrong with it, as those of aiohttp 3.14 do.

    A kept one on which something came that nobody had asked for is not used again: that would be
    taken for the answer to the next request, and that one's for the next but one's. And the reader
    of a body that becomes invalid HTTP is told so: aiohttp tells only whoever waits for headers,
    and stops the clock of a silent peer too, so that the reader would wait for ever.
    """

    is_retired = False

    def is_connected(self) -> bool:
        """Whether a request may leave over it."""
        fit = not self._buffer and self.exception() is None and not self.is_retired
        return fit and super().is_connected()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Pass it on to the body's reader as well."""
        body = self._payload
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            body.set_exception(exc)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    # There is no other way to have connections of a class of one's own.
    connector._factory = partial(  # type: ignore[assignment]  # noqa: SLF001
        _Connection, loop=asyncio.get_running_loop()
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=_timeout(None),
        headers=_plain_headers(),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=HEADER_MAX,
        max_field_size=HEADER_MAX,
        max_headers=HEADERS_MAX,
    )
    # aiohttp sends a GET again, unasked and uncounted, when a kept connection turns out closed.
    session._retry_connection = False  # noqa: SLF001  # there is no other switch
    return session


def _plain_headers() -> dict[str, str]:
    """Return what every request carries, whoever it goes to: nothing that is secret."""
    return {**_ALWAYS, "User-Agent": f"collector/{version('collector')}"}


@lru_cache(maxsize=64)
def _timeout(idle_s: float | None, connected_s: float = CONNECTED_S) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,
        connect=connected_s,
        sock_connect=min(CONNECT_S, connected_s),
        sock_read=idle_s,
    )


def trusting(ca_file: Path) -> ssl.SSLContext:
    """Trust the certificate authorities of a PEM file beside the system's own.

    Raises:
        UnusableCAFileError: it cannot be read, or holds none.
    """
    context = ssl.create_default_context()
    try:
        content = inputs.read_input(ca_file, LARGEST_CA_FILE)
        if len(content) > LARGEST_CA_FILE:
            raise UnusableCAFileError(ca_file, f"it is larger than {LARGEST_CA_FILE} bytes")
        if ca_file.is_file():
            context.load_verify_locations(ca_file)
        else:  # a pipe, whose content is read now, and which OpenSSL would wait for without end
            context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except ssl.SSLError as error:
        raise UnusableCAFileError(ca_file, error.reason or "no certificate in it") from None
    except OSError as error:
        raise UnusableCAFileError(ca_file, error.strerror or type(error).__name__) from None
    return context
