"""Proxies, as the environment names them.

aiohttp would find them itself, but anew for every call, in two threads, and with `.netrc` beside,
whose password would then go to whatever host a redirection names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from collector.errors import CollectorError

if TYPE_CHECKING:
    from collector.redaction import Secrets


class UnusableProxyError(CollectorError):
    """The environment names a proxy that cannot be used.

    Attributes:
        scheme: of the URLs that it is for.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        super().__init__(
            f"the proxy for {scheme} URLs ({scheme}_proxy in the environment) is not one of "
            "http or https; set it to http://HOST:PORT, or unset it"
        )


class Proxies:
    """Which proxy leads to an origin; each is looked up once.

    Args:
        secrets: where their passwords are made known.

    Raises:
        UnusableProxyError: a proxy is set that is no http or https proxy.
    """

    def __init__(self, secrets: Secrets) -> None:
        found = getproxies()
        self._by_scheme = {
            scheme: _proxy(scheme, found[scheme])
            for scheme in ("http", "https")
            if found.get(scheme)
        }
        for proxy in self._by_scheme.values():
            if proxy.password:
                secrets.add(proxy.password)
                secrets.add(proxy.raw_password or "")
                secrets.add(f"{proxy.user or ''}:{proxy.password}")  # in base64: `Basic`
        self._by_host: dict[tuple[str, str], URL | None] = {}

    def towards(self, url: URL) -> URL | None:
        """Return the proxy for a URL; None for a direct connection."""
        if not self._by_scheme:
            return None
        key = (url.scheme, url.host or "")
        if key not in self._by_host:
            proxy = self._by_scheme.get(url.scheme)
            bypassed = proxy is not None and bool(proxy_bypass(key[1]))
            self._by_host[key] = None if bypassed else proxy
        return self._by_host[key]


def _proxy(scheme: str, value: str) -> URL:
    try:
        # Proxies are customarily written without a scheme, too.
        url = URL(value if "://" in value else f"http://{value}")
    except ValueError:
        raise UnusableProxyError(scheme) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise UnusableProxyError(scheme)
    return url
