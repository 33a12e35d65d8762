"""Where to listen: an address and a port, bound before anything else begins."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Any, Final

from collector.errors import CollectorError

_BACKLOG: Final = 128
_SEND_BUFFER: Final = 64 << 10
"""Of the system, for each onlooker; accepted sockets have their listener's."""
_PRIVILEGED: Final = 1024
_LARGEST_PORT: Final = 65535
_WRITTEN: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Za-z:.%_-]+)\]|(?P<host>[^\s:\[\]/@?#]+)):(?P<port>[0-9]{1,5})"
)


class AddressError(CollectorError):
    """Nobody can listen there: the text says why, and what to do.

    Attributes:
        address: as it was given.
    """

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        super().__init__(f"cannot serve at {address}: {why}")


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen; one, or where a name has several addresses, one for each.

    Attributes:
        host: as it was given: an address or a name.
        port: the one that was given, or the one that was free.
        sockets: bound and listening.
        is_loopback: only this machine can reach them.
    """

    host: str
    port: int
    sockets: tuple[socket.socket, ...]
    is_loopback: bool

    @property
    def url(self) -> str:
        """What a person on this machine opens to look."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def is_everywhere(self) -> bool:
        """Any address of this machine is listened at."""
        return any(one.getsockname()[0] in ("0.0.0.0", "::") for one in self.sockets)  # noqa: S104

    def close(self) -> None:
        """Stop listening."""
        for one in self.sockets:
            one.close()


def parse(address: str) -> tuple[str, int]:
    """Read `ADDR:PORT`.

    Raises:
        AddressError: it is something else.
    """
    found = _WRITTEN.fullmatch(address)
    if found is None:
        raise AddressError(address, "write ADDR:PORT, as in 127.0.0.1:8787 or [::1]:8787")
    if int(found["port"]) > _LARGEST_PORT:
        raise AddressError(address, f"ports end at {_LARGEST_PORT}; use 8787")
    return found["six"] or found["host"], int(found["port"])


def listen(address: str) -> Listening:
    """Bind and listen.

    Args:
        address: `ADDR:PORT`; port 0 stands for any that is free.

    Raises:
        AddressError: it is no address, or nobody can listen there.
    """
    host, port = parse(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise AddressError(
            address, f"the name {host!r} has no address here; use 127.0.0.1"
        ) from error
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        failure: OSError | None = None
        for family, _, _, _, place in dict.fromkeys(found):
            number = sockets[0].getsockname()[1] if sockets else place[1]
            try:
                sockets.append(_bound(family, (place[0], number, *place[2:])))
                opened.callback(sockets[-1].close)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or len(found) == 1:
                    raise AddressError(address, _why(error, host, port)) from error
                failure = error  # localhost is often an IPv6 address that the machine lacks
        if not sockets:
            raise AddressError(address, _why(failure, host, port)) from failure
        opened.pop_all()
    return Listening(
        host, sockets[0].getsockname()[1], tuple(sockets), all(map(_is_loopback, sockets))
    )


def _bound(family: int, place: tuple[Any, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(place)
        one.listen(_BACKLOG)
        one.setblocking(False)  # noqa: FBT003  # it takes no other
    except BaseException:
        one.close()
        raise
    return one


def _is_loopback(one: socket.socket) -> bool:
    return is_loopback(one.getsockname()[0])


def is_loopback(host: str) -> bool:
    """Whether text is an address that only this machine can reach."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _why(error: OSError | None, host: str, port: int) -> str:
    code = None if error is None else error.errno
    if code == errno.EADDRINUSE:
        return (
            "another program listens there, perhaps another collector; use another port, or port "
            "0 for any that is free"
        )
    if code in (errno.EACCES, errno.EPERM):
        below = f"; ports below {_PRIVILEGED} are reserved: use 8787" if port < _PRIVILEGED else ""
        return f"not permitted{below}"
    if code == errno.EADDRNOTAVAIL:
        return (
            f"this machine has no address {host}; use 127.0.0.1, or 0.0.0.0 for all of its "
            "addresses"
        )
    return os.strerror(code) if code else "no address was found"
