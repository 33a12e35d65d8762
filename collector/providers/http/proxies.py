"""Proxies, as the environment names them.

aiohttp would find them itself, but anew for every call, in two threads, and with `.netrc` beside,
whose password would then go to whatever host a redirection names. And of `no_proxy` it understands
the ends of names alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from yarl import URL

from collector.errors import CollectorError

if TYPE_CHECKING:
    from collector.redaction import Secrets

_ENTRY = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<plain>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")
"""An entry of `no_proxy`, with or without a port; an IPv6 address needs brackets to have one."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class UnusableProxyError(CollectorError):
    """The environment names a proxy that cannot be used.

    Attributes:
        scheme: of the URLs that it is for.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        super().__init__(
            f"the proxy for {scheme} URLs ({scheme}_proxy in the environment) cannot be used; set "
            "it to http://HOST:PORT, or unset it"
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
        # Where the environment says nothing, the settings of macOS do.
        self._direct = no_proxy(found.get("no", "")) if getproxies_environment() else None
        self._by_origin: dict[URL, URL | None] = {}

    def towards(self, url: URL) -> URL | None:
        """Return the proxy for a URL; None for a direct connection."""
        if not self._by_scheme:
            return None
        origin = url.origin()
        if origin not in self._by_origin:
            proxy = self._by_scheme.get(url.scheme)
            bypassed = proxy is not None and self._is_direct(origin)
            self._by_origin[origin] = None if bypassed else proxy
        return self._by_origin[origin]

    def _is_direct(self, url: URL) -> bool:
        host = url.raw_host or ""
        if self._direct is None:
            return bool(proxy_bypass(host))
        return any(entry.covers(host, url.port) for entry in self._direct)


@dataclass(frozen=True, slots=True)
class Direct:
    """An entry of `no_proxy`: hosts that are spoken to without one.

    Attributes:
        port: the only one that is meant; None for any.
        network: of addresses; None where names are meant.
        name: of a host and those below it, in lower case; empty for every host.
        itself: whether the host of that name is meant too.
    """

    port: int | None = None
    network: IPv4Network | IPv6Network | None = None
    name: str = ""
    itself: bool = True

    def covers(self, host: str, port: int | None) -> bool:
        """Whether a host, as a URL names it, is meant. A name is not looked up."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            try:
                return ip_address(host.partition("%")[0]) in self.network
            except ValueError:
                return False
        host = host.lower().rstrip(".")
        if not self.name:
            return True
        return (self.itself and host == self.name) or host.endswith(f".{self.name}")


def no_proxy(value: str) -> list[Direct]:
    """Read `no_proxy`; an entry that means nothing covers nothing.

    Args:
        value: entries between commas or spaces: `*`, `example.com`, `.example.com`,
            `*.example.com`, `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`, `::1`, and with a port
            `example.com:8080`, `[::1]:8080`.
    """
    return [entry for word in re.split(r"[,\s]+", value) if (entry := _entry(word)) is not None]


def _entry(word: str) -> Direct | None:
    port = None
    if not _is_network(word) and (match := _ENTRY.fullmatch(word)) is not None:
        word = match["v6"] or match["plain"] or ""
        port = int(match["port"]) if match["port"] else None
    if _is_network(word):
        return Direct(port, ip_network(word, strict=False))
    if word == "*":
        return Direct(port)
    below = word.startswith("*.")
    name = word.removeprefix("*").strip(".").lower()
    return Direct(port, None, _encoded(name), not below) if name else None


def _is_network(word: str) -> bool:
    try:
        ip_network(word, strict=False)
    except ValueError:
        return False
    return True


def _encoded(name: str) -> str:
    """Return a name as URLs carry it, where it is not ASCII."""
    try:
        return URL.build(scheme="http", host=name).raw_host or name
    except ValueError:
        return name


def _proxy(scheme: str, value: str) -> URL:
    try:
        # Proxies are customarily written without a scheme, too.
        value = value.strip()
        url = URL(value if _SCHEME.match(value) else f"http://{value}")
        usable = url.scheme in ("http", "https") and bool(url.host) and bool(url.port)
        f"{url.user}{url.password}".encode("latin-1")  # as aiohttp sends them
        usable = usable and ":" not in (url.user or "")
    except ValueError:
        raise UnusableProxyError(scheme) from None
    if not usable:
        raise UnusableProxyError(scheme)
    return url
