"""The HTTP session that all calls share, with aiohttp's defaults set right for this work."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from collector.errors import CollectorError
from collector.providers.clouddc.proxies import Proxies
from collector.providers.clouddc.requests import plain_headers
from collector.providers.clouddc.wire import CONNECT_S, CONNECTED_S, IDLE_S

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from multidict import CIMultiDict
    from yarl import URL

    from collector.redaction import Secrets

HEADER_MAX: Final = 64 << 10
"""Links to object storage may carry tokens of several KiB."""


ARCHIVE_BUFFER: Final = 512 << 10
"""Bytes of an archive that wait for their reader; twice as many, and the sender is held up."""


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
        ca_file: certificate authorities in PEM, trusted beside the system's own.
        secrets: where a proxy's password is made known.

    Raises:
        UnusableCAFileError: `ca_file` cannot be read, or holds none.
        UnusableProxyError: the environment names a proxy that cannot be used.
    """

    def __init__(self, *, connections: int, ca_file: Path | None, secrets: Secrets) -> None:
        self._proxies = Proxies(secrets)
        tls = True if ca_file is None else _trusting(ca_file)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=tls),
            timeout=_timeout(IDLE_S),
            headers=plain_headers(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=HEADER_MAX,
            max_field_size=HEADER_MAX,
        )
        # aiohttp sends a GET again, unasked and uncounted, when a kept connection turns out closed.
        self._session._retry_connection = False  # noqa: SLF001  # there is no other switch

    def request(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str] | None = None,
        body: bytes | None = None,
        *,
        stall_s: float | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Return a context that sends a request, and lets its connection go at the end.

        Args:
            method: of HTTP.
            url: where to.
            headers: beside those that every request carries.
            body: what it brings.
            stall_s: seconds without a byte that end it; None for those of a small call. A reader
                that does not ask for more stops that clock.
        """
        archive: dict[str, Any] = {}
        if stall_s is not None:
            archive = {"timeout": _timeout(stall_s), "read_bufsize": ARCHIVE_BUFFER}
        return self._session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxies.towards(url),
            **archive,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


@cache
def _timeout(idle_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None, connect=CONNECTED_S, sock_connect=CONNECT_S, sock_read=idle_s
    )


def _trusting(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise UnusableCAFileError(ca_file, error.reason or "no certificate in it") from None
    except OSError as error:
        raise UnusableCAFileError(ca_file, error.strerror or type(error).__name__) from None
    return context
