"""The event loop of commands: uvloop's, with host names resolved in threads of our own.

uvloop resolves in libuv's threads for every connection, even if the host is an address; and libuv
aborts the process if the system cannot start such a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

    Infos: TypeAlias = list[tuple[Any, Any, int, str, tuple[Any, ...]]]

LOOKUPS: Final = 4
"""Lookups at the same time, including those that nobody waits for any more."""


class Loop(uvloop.Loop):
    """Resolves hosts in threads that are not joined at exit, since some lookups take long."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = asyncio.Semaphore(LOOKUPS)

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  # asyncio's own name
        proto: int = 0,
        flags: int = 0,
    ) -> Infos:
        """Return a host's addresses, as `socket.getaddrinfo` does."""
        ask = partial(socket.getaddrinfo, host, port, family, type, proto)
        with contextlib.suppress(socket.gaierror):  # an address needs no lookup
            return ask(flags | socket.AI_NUMERICHOST)
        await self._lookups.acquire()
        found: asyncio.Future[Infos] = self.create_future()
        looking = partial(self._look_up, partial(ask, flags), found)
        try:
            threading.Thread(target=looking, name="lookup", daemon=True).start()
        except RuntimeError:  # the system allows no more threads
            self._lookups.release()
            return ask(flags)
        return await found

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Return an address as text; only numeric ones are asked for, which need no lookup."""
        return socket.getnameinfo(sockaddr, flags)

    def _look_up(self, ask: Callable[[], Infos], found: asyncio.Future[Infos]) -> None:
        """Look a host up. For a thread."""
        try:
            tell = partial(found.set_result, ask())
        except (OSError, UnicodeError) as error:
            tell = partial(found.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self.call_soon_threadsafe(self._looked_up, tell, found)

    def _looked_up(self, tell: Callable[[], None], found: asyncio.Future[Infos]) -> None:
        self._lookups.release()
        if not found.cancelled():
            tell()
