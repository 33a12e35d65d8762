"""A service that lists servers and alarms, on the loopback interface, in a thread of its own."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Entry = dict[str, Any]

TOKEN = "canary-" + "t0ken" * 8


def entry(number: int, **fields: object) -> Entry:
    """A server as the API lists it."""
    return {
        "id": f"{number:08d}-0000-4000-8000-00000000000a",
        "name": f"bms-{number}",
        "manage_state": "in-use",
        "health_state": "OK",
        "location": {"dc": "dc1", "rack": f"r{number % 7}", "unit": "12"},
        "hardware_attributes": {"sn": f"SN{number}", "model": "2288H V5"},
        "tags": [{"key": "role", "value": "db" if number % 2 else "web"}],
        **fields,
    }


def alarm(server: Entry, level: object, status: str = "alarm") -> Entry:
    """An alarm as the API lists it."""
    return {
        "alarm_record_id": f"ah{server['id'][:8]}",
        "alarm_status": status,
        "alarm_level": level,
        "metric": {"dimensions": [{"name": "server_id", "value": server["id"]}]},
    }


@dataclass(frozen=True)
class Said:
    """What the service says to a call."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One call: `what` is servers or alarms."""

    project: str
    what: str
    query: dict[str, str]
    token: str

    @property
    def marker(self) -> str | None:
        return self.query.get("marker")


@dataclass
class Directory:
    """The service; `instead` may answer a call in its place.

    Attributes:
        servers: of each project.
        alarms: of each project.
        instead: is shown each call, and returns what to say, or None.
        asked: every call.
    """

    servers: dict[str, list[Entry]]
    alarms: dict[str, list[Entry]] = field(default_factory=dict)
    instead: Callable[[Asked, int], Said | None] = lambda _asked, _number: None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lists(self) -> list[Asked]:
        return [one for one in self.asked if one.what == "servers"]

    def answer(self, asked: Asked) -> Said:
        with self._lock:
            number = len(self.asked)
            self.asked.append(asked)
        said = self.instead(asked, number)
        return said if said is not None else self.usual(asked)

    def usual(self, asked: Asked) -> Said:
        if asked.token != TOKEN:
            words = "Incorrect IAM authentication information: decrypt token fail"
            return Said(401, {"error_code": "APIGW.0301", "error_msg": words})
        if asked.project not in self.servers:
            return Said(404, {"error_code": "APIGW.0101", "error_msg": "no such project"})
        limit = int(asked.query.get("limit", 10))
        if asked.what == "alarms":
            alarms = self.alarms.get(asked.project, [])
            offset = int(asked.query.get("offset", 0))
            return Said(body={"alarms": alarms[offset : offset + limit], "count": len(alarms)})
        state = asked.query.get("manage_state")
        listed = self.servers[asked.project]
        if state is not None:
            listed = [one for one in listed if one["manage_state"] == state]
        return Said(body=page(listed, asked.marker, limit))


def page(servers: list[Entry], marker: str | None, limit: int) -> Entry:
    """A page as the API sends it."""
    begin = 0
    if marker is not None:
        begin = next(n for n, one in enumerate(servers) if one["id"] == marker) + 1
    some = servers[begin : begin + limit]
    more = begin + limit < len(servers)
    info = {
        "next_marker": some[-1]["id"] if more else None,
        "previous_marker": None,
        "current_count": len(some),
    }
    return {"servers": some, "page_info": info, "count": len(servers)}


@contextmanager
def listing(directory: Directory) -> Iterator[Directory]:
    """Serve it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the library's name
            parts = urlsplit(self.path)
            steps = parts.path.split("/")
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            what = "alarms" if steps[-1] == "alarms" else "servers"
            token = self.headers.get("X-Auth-Token", "")
            said = directory.answer(Asked(unquote(steps[2]), what, query, token))
            if said.status == 0:  # cut off
                self.close_connection = True
                return
            raw = said.raw
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    directory.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield directory
    finally:
        server.shutdown()
        server.server_close()
