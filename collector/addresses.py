"""Endpoint URLs in the one form that may be compared and put before a path."""

from __future__ import annotations

from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def normal(url: str) -> str:
    """The URL with scheme and host in small letters, without default port and last slash.

    Raises:
        ValueError: The URL is not http(s), names no host, or carries credentials, a query or a
            fragment. Its text never holds the URL, which may hold a secret.
    """
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("holds white space or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("carries credentials")
    if not parts.hostname:
        raise ValueError("names no host")
    if "?" in url or "#" in url:
        raise ValueError("carries a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port is None or port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"
