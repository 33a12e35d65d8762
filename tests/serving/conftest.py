"""A server in this process, whose site says what it was asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from collector.serving.guard import Guard, Token
from collector.serving.listening import listen
from collector.serving.server import Answer, Asked, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from aiohttp import web

    from collector.serving.server import Site

TOKEN = "t0ken-of-the-tests"  # not a secret


async def echo(asked: Asked) -> web.StreamResponse:
    """Answer with what is known of whoever asks."""
    who = "token" if asked.has_token else "no token"
    return await asked.send(Answer(f"{asked.request.method} {asked.path} {who}".encode()))


@pytest.fixture
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Serve a site, and return its URL, which for any address is on loopback."""

    @contextmanager
    def serve(
        address: str = "127.0.0.1:0", site: Site = echo, token: str | None = TOKEN
    ) -> Iterator[str]:
        listening = listen(address)
        guard = Guard(listening, None if token is None else Token(token, is_new=False))
        with start_blocking_portal() as portal:
            server = portal.call(_made, listening, guard, site)
            try:
                yield listening.url
            finally:
                portal.call(server.close)

    async def _made(*parts: object) -> Server:
        server = Server(*parts)  # type: ignore[arg-type]
        await server.open()
        return server

    return serve
