"""A live page's server that does as it is told: it sends events, hangs up, and goes away."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import TYPE_CHECKING

import msgspec

from collector.pages.render import live, live_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.report.page import Delta, Page

HANG_UP = b""


class LookedOn:
    """What is served, and what was asked for.

    Attributes:
        page: the data, as they are answered now.
        asked: of each stream that was opened, its `after` and its `Last-Event-ID`.
        stops: the headers of each request to stop.
        refuses_to_stop: whether such a request is refused.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[tuple[str, str | None]] = []
        self.fetched = 0
        self.stops: list[dict[str, str]] = []
        self.refuses_to_stop = False
        self.url = ""
        self._events: SimpleQueue[bytes] = SimpleQueue()

    def send(self, name: str, delta: Delta | None = None) -> None:
        """Send an event to whoever looks on."""
        body = b"{}" if delta is None else msgspec.json.encode(delta)
        number = b"1" if delta is None else b"%d" % delta.revision
        self._events.put(b"id: e-%b\nevent: %b\ndata: %b\n\n" % (number, name.encode(), body))

    def hang_up(self) -> None:
        """Close the stream that is open."""
        self._events.put(HANG_UP)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        if path == "/events":
            self.asked.append((query, request.headers.get("Last-Event-ID")))
            self._stream(request)
        elif path == "/data":
            self.fetched += 1
            _send(
                request,
                msgspec.json.encode(self.page),
                "application/json",
                headers={"ETag": '"e-1"'},
            )
        elif path == "/":
            body = live("data", "events", "stop")
            policy = {"Content-Security-Policy": live_policy()}
            _send(request, body, "text/html", headers=policy)
        else:
            _send(request, b"", "text/plain", 204)

    def stopped(self, request: BaseHTTPRequestHandler) -> None:
        self.stops.append(dict(request.headers))
        _send(request, b"{}", "application/json", 500 if self.refuses_to_stop else 202)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        request.wfile.write(b"retry: 100\n\n")
        while event := self._events.get():
            request.wfile.write(event)


def _send(
    request: BaseHTTPRequestHandler,
    body: bytes,
    kind: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    sent = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    for name, value in sent.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def looked_on(page: Page) -> Iterator[LookedOn]:
    """A server of a page that is live."""
    told = LookedOn(page)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        def do_POST(self) -> None:
            told.stopped(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield told
    finally:
        told.hang_up()
        server.shutdown()
        server.server_close()
