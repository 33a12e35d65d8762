"""What requests look like: their URLs and headers."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from multidict import CIMultiDict, istr
from yarl import URL

if TYPE_CHECKING:
    from collector.providers.base import Target

EXPORT_BODY: Final = b"{ }"
"""As the API reference writes it."""

PORT_MAX: Final = 65_535

# `identity`: bytes that are unpacked on the way have another hash and another length.
_ALWAYS: Final = {"Accept": "*/*", "Accept-Encoding": "identity"}
_TOKEN: Final = istr("X-Auth-Token")
_DEBUG: Final = istr("X-Apig-Mode")
_CONTENT_TYPE: Final = istr("Content-Type")


def plain_headers() -> dict[str, str]:
    """Return what every request carries, whoever it goes to: nothing that is secret."""
    return {**_ALWAYS, "User-Agent": f"collector/{version('collector')}"}


class AuthorizedHeaders:
    """What requests to the API carry beside, made once for each token."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool, bool], CIMultiDict[str]] = {}

    def of(self, token: str, *, posting: bool, asks_limits: bool) -> CIMultiDict[str]:
        """Return the headers of a request.

        Args:
            token: what authorizes it.
            posting: whether it has a body, which is JSON.
            asks_limits: whether it asks the gateway to tell its limits.
        """
        key = (token, posting, asks_limits)
        headers = self._made.get(key)
        if headers is None:
            headers = CIMultiDict({_TOKEN: token})
            if posting:
                headers[_CONTENT_TYPE] = "application/json"
            if asks_limits:
                headers[_DEBUG] = "debug"
            self._made[key] = headers
        return headers


class Addresses:
    """The URLs of one endpoint.

    Args:
        endpoint: its base URL, without a trailing slash.
    """

    def __init__(self, endpoint: str) -> None:
        self._base = URL(endpoint)
        self._prefix = self._base.raw_path.rstrip("/")

    def exports(self, target: Target) -> URL:
        """Return where exports of a server are started."""
        return self._base.with_path(self._exports(target), encoded=True)

    def export(self, target: Target, export_id: str) -> URL:
        """Return where the status of an export is."""
        return self._base.with_path(f"{self._exports(target)}/{_segment(export_id)}", encoded=True)

    def content(self, target: Target, export_id: str) -> URL:
        """Return where the archive of an export is."""
        return self._base.with_path(
            f"{self._exports(target)}/{_segment(export_id)}/content", encoded=True
        )

    def _exports(self, target: Target) -> str:
        project, server = _segment(target.project_id), _segment(target.server_id)
        return f"{self._prefix}/v1/{project}/physicalservers/{server}/logs/exports"


def _segment(text: str) -> str:
    """Return one segment of a path, whatever an id holds; dots alone would climb out of it."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def redirected(url: URL, location: str) -> URL | None:
    """Return where a redirection leads to; None where it leads to nothing we would follow.

    Never from https to http: whoever listens on the way would read the archive.
    """
    as_sent = location.isascii() and location.isprintable() and " " not in location
    try:
        # As it was sent, since a signed link is signed to the letter.
        aim = url.join(URL(location, encoded=as_sent))
        # A name and a password in a link would be sent as a credential that nobody has given.
        if aim.raw_user is not None or aim.raw_password is not None:
            aim = aim.with_user(None)
    except ValueError:
        return None
    if not leads_somewhere(aim) or (url.scheme, aim.scheme) == ("https", "http"):
        return None
    return aim


def leads_somewhere(url: URL) -> bool:
    """Tell whether something can be sent to a URL: the rest is for DNS and the network to say."""
    try:
        host, port = url.raw_host, url.port
        url.origin()
        if not host:
            return False
        host.encode("idna")  # as every query for it is written
    except ValueError:
        return False
    return url.scheme in ("http", "https") and port is not None and 0 < port <= PORT_MAX
