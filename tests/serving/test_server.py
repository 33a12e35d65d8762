"""Takes requests within bounds: who does not read is dropped, and holds little until then."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from collector.serving import server
from collector.serving.guard import Refused
from tests.support.onlooking import ask, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest
    from aiohttp import web

    from collector.serving.server import Asked

    Serving = Callable[..., AbstractContextManager[str]]

LARGE = bytes(50 << 20)
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


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
        client.sendall(REQUEST)
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
            client.sendall(REQUEST)
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
            for client in clients[:4]:
                client.settimeout(20)
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            clients[4].sendall(REQUEST)
            assert clients[4].recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for client in clients:
                client.close()


def test_who_asks_for_nothing_keeps_nobody_out(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 5)
    sender = Sender()
    with serving(site=sender.site) as url, contextlib.ExitStack() as opened:
        reader = opened.enter_context(connected(url))
        reader.sendall(REQUEST)
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        for _ in range(9):
            opened.enter_context(connected(url))
        assert ask(url).status == 200
        assert reader.recv(100)
        assert sender.ends == ["whole"]  # and the reader is still being answered


def test_who_asks_for_the_head_gets_no_body_and_may_ask_again(serving: Serving) -> None:
    with serving() as url, connected(url) as client:
        client.settimeout(20)
        answers = b""
        client.sendall(REQUEST.replace(b"GET", b"HEAD"))
        while not answers.endswith(b"\r\n\r\n"):
            answers += client.recv(1000)
        assert answers.startswith(b"HTTP/1.1 200")
        assert b"Content-Length: 15\r\n" in answers
        client.sendall(REQUEST)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_what_is_refused_in_the_middle_of_an_answer_cuts_it(serving: Serving) -> None:
    async def site(asked: Asked) -> web.StreamResponse:
        response = await asked.begin("text/plain", {})
        await asked.write(response, b"so far")
        raise Refused(409, "it went away")

    with serving(site=site) as url, connected(url) as client:
        client.settimeout(20)
        client.sendall(REQUEST)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(1000):
                answer += more
        assert answer.count(b"HTTP/1.1") == 1
        assert not answer.endswith(b"0\r\n\r\n")


def test_cookies_of_other_ports_of_this_host_keep_nobody_out(serving: Serving) -> None:
    with serving() as url:
        assert ask(url, headers={"Cookie": f"other={'x' * 6000}"}).status == 200


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
