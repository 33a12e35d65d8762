"""Takes requests within bounds: who does not read is dropped, and holds little until then."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from collector.serving import server
from tests.support.onlooking import ask, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest
    from aiohttp import web

    from collector.serving.server import Asked

    Serving = Callable[..., AbstractContextManager[str]]

LARGE = bytes(50 << 20)


class Sender:
    """A site whose answer is large: it counts what was taken of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.ends: list[str] = []

    async def site(self, asked: Asked) -> web.StreamResponse:
        response = await asked.begin("application/octet-stream", {})
        end = "cancelled"
        try:
            for start in range(0, len(LARGE), 1 << 16):
                await asked.write(response, LARGE[start : start + (1 << 16)])
                self.sent = start
            end = "whole"
        except ConnectionError as error:
            end = str(error)
            raise
        finally:
            self.ends.append(end)
        return await asked.end(response)


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].strip("/"))))


def test_who_does_not_read_is_dropped_and_little_is_held_for_them(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STALL_S", 0.2)
    sender = Sender()
    with serving(site=sender.site) as url, connected(url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: sender.ends)
        assert sender.ends == ["the onlooker reads too slowly"]
        assert sender.sent < 10 << 20


def test_who_reads_gets_it_all(serving: Serving) -> None:
    sender = Sender()
    with serving(site=sender.site) as url:
        assert len(ask(url).body) == len(LARGE)
    assert sender.ends == ["whole"]


def test_who_goes_in_the_middle_is_no_error(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender()
    with serving(site=sender.site) as url:
        with connected(url) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(1000)
        until(lambda: sender.ends)
        assert sender.ends != ["whole"]
        assert ask(url, headers={"Host": "evil.example"}).status == 403
    assert caplog.records == []


def test_no_more_connect_than_may(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 5)
    with serving() as url:
        clients = [connected(url) for _ in range(9)]
        try:
            for client in clients[5:]:
                client.settimeout(20)
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            clients[0].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert clients[0].recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for client in clients:
                client.close()


def test_who_sends_no_request_is_dropped(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_IDLE_S", 0.2)
    with serving() as url:
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
            with connected(url) as client:
                client.settimeout(20)
                client.sendall(beginning)
                assert client.recv(100) == b""


def test_an_error_of_a_site_is_a_warning_and_the_next_is_answered(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async def site(asked: Asked) -> web.StreamResponse:
        raise ZeroDivisionError(asked.path)

    with serving(site=site) as url:
        for _ in range(2):
            answer = ask(url)
            assert (answer.status, answer.body) == (500, b"This went wrong.\n")
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
