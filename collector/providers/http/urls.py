"""URLs: a path from ids, a redirection's aim, and whether anything can be sent to one."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from yarl import URL

PORT_MAX: Final = 65_535


def segment(text: str) -> str:
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
