"""Endpoint URLs in one normal form, which can be compared and put before a path."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")


def normal(url: str) -> str:
    """The URL with scheme and host in lower case, without default port and trailing slash.

    Raises:
        ValueError: The URL is not http(s), has no host, or has credentials, a query or a
            fragment. The text never contains the URL, which may contain a secret.
    """
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("contains white space or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("contains credentials")
    if "?" in url or "#" in url:
        raise ValueError("contains a query or a fragment")
    host = _host(parts.hostname or "", in_brackets="[" in parts.netloc)
    if port == 0:
        raise ValueError("has port 0")
    shown = "" if port is None or port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"


def _host(name: str, *, in_brackets: bool) -> str:
    """Return a host as a URL has it, if anything can be sent to such a name."""
    if not name:
        raise ValueError("has no host")
    if in_brackets:
        from ipaddress import IPv6Address  # noqa: PLC0415  # few have one

        try:
            IPv6Address(name)
        except ValueError:
            raise ValueError("has no IPv6 address in brackets") from None
        return f"[{name}]"
    if name.isascii():
        if _HOST.fullmatch(name):
            return name
        raise ValueError("has an impossible host name")
    if unicodedata.normalize("NFKC", name) != name:
        raise ValueError("spells its host with characters that stand for others")
    try:
        name.encode("idna")  # as in a DNS query
    except UnicodeError:
        raise ValueError("has an impossible host name") from None
    return name
