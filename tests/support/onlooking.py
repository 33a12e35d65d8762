"""Onlookers of a served page: requests with any headers, and streams of events."""

from __future__ import annotations

import gzip
import json
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from http.client import HTTPResponse

WITHIN_S = 30.0


class Answer(NamedTuple):
    """What was answered; names of headers are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # whatever it holds
        unpacked = self.body
        if self.headers.get("content-encoding") == "gzip":
            unpacked = gzip.decompress(unpacked)
        return json.loads(unpacked)


class Event(NamedTuple):
    """One event of a stream."""

    id: str
    name: str
    data: Any


def ask(
    url: str, path: str = "", method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    """Ask for something below a URL, and follow no redirect.

    Args:
        url: of the page.
        path: what is asked for; may have a query.
        method: of HTTP.
        headers: `Host` among them replaces the URL's.
    """
    connection, response = _asked(url, path, method, headers or {})
    try:
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, response.read())
    finally:
        connection.close()


class Stream:
    """An open stream of events.

    Attributes:
        comments: how many have come.
    """

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.comments = 0
        self._response = response

    def __iter__(self) -> Iterator[Event]:
        """Yield events until the stream ends."""
        told: dict[str, str] = {}
        while line := self._response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments += 1
            elif text:
                name, _, value = text.partition(": ")
                told[name] = value
            elif "event" in told:
                yield Event(told["id"], told["event"], json.loads(told["data"]))
                told = {}


@contextmanager
def looking_on(url: str, path: str = "events", **headers: str) -> Iterator[Stream]:
    """Open a stream; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection, response = _asked(url, path, "GET", named)
    try:
        yield Stream(response)
    finally:
        response.close()
        connection.close()


def _asked(
    url: str, path: str, method: str, headers: Mapping[str, str]
) -> tuple[HTTPConnection, HTTPResponse]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=WITHIN_S)
    target = path if path.startswith("/") else f"{parts.path}{path}"
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": parts.netloc} | dict(headers)).items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection, connection.getresponse()


class Told(NamedTuple):
    """What a command that serves says of it on stderr."""

    url: str
    url_with_token: str | None
    lines: list[str]


def told(process: subprocess.Popen[str], last: str = "http") -> Told:
    """Read stderr up to the line that tells the last URL.

    Args:
        process: the command.
        last: what is in that line.
    """
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if last in line:
            break
    urls = [line.split("http", 1)[1] for line in lines if "http" in line]
    found = [f"http{url.split()[0]}" for url in urls]
    with_token = [url for url in found if "?token=" in url]
    plain = [url for url in found if "?token=" not in url]
    first = plain[0] if plain else with_token[0].partition("?")[0]
    return Told(first, with_token[0] if with_token else None, lines)


def until(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    ends = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)
