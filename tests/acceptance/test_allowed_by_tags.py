"""Policies that go by the tags of servers: what they allow is collected, whatever comes first."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVERS = [f"s{number}" for number in range(12)]
REFUSED = {"error_code": "iMetal.0004", "error_msg": "Insufficient permissions."}
NO_EXPORT = {"error_code": "iMetal.0120", "error_msg": "no such export"}


def archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.log"))
    return packed.getvalue()


@dataclass
class Policy:
    """A service that forbids calls of some servers, of exports that nobody has as well.

    Attributes:
        servers: whose calls.
        calls: which: export, status or download.
        url: where it listens.
        posts: servers whose exports were asked for.
    """

    servers: frozenset[str]
    calls: frozenset[str]
    url: str = ""
    posts: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str) -> tuple[int, bytes]:
        steps = path.split("/")
        call = "export" if method == "POST" else "download" if steps[-1] == "content" else "status"
        if steps[4] in self.servers and call in self.calls:
            return 403, json.dumps(REFUSED).encode()
        if call == "export":
            self.posts.append(steps[4])
            return 202, json.dumps({"export_id": f"e-{steps[4]}", "status": "pending"}).encode()
        if not steps[7].startswith("e-"):
            return 404, json.dumps(NO_EXPORT).encode()
        if call == "status":
            return 200, json.dumps({"export_id": steps[7], "status": "completed"}).encode()
        return 200, archive()


@contextmanager
def forbidding(policy: Policy, home: Path) -> Iterator[Command]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the library's name
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = policy.answer(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:  # as above
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    entries = [{"id": one} for one in SERVERS]
    project = {"id": "p1", "endpoint": url, "servers": entries}
    (home / "fleet.json").write_text(json.dumps({"version": 1, "projects": [project]}))
    try:
        yield Command(home, "token")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("call", ["export", "status", "download"])
@pytest.mark.parametrize("forbidden", [1, 4])
def test_servers_that_are_forbidden_first_take_no_others_with_them(
    tmp_path: Path, call: str, forbidden: int
) -> None:
    policy = Policy(frozenset(SERVERS[:forbidden]), frozenset({call}))
    with forbidding(policy, tmp_path) as command:
        ended = command.run("collect", "fleet.json")
        assert ended.returncode == 3, ended.stderr
        assert command.manifest()["totals"]["collected"] == len(SERVERS) - forbidden


def test_a_plan_asks_about_another_server_where_one_is_forbidden(tmp_path: Path) -> None:
    policy = Policy(frozenset(SERVERS[:4]), frozenset({"status", "download"}))
    with forbidding(policy, tmp_path) as command:
        planned = command.run("plan", "fleet.json", "--online", "--json")
        assert planned.returncode == 0, planned.stdout + planned.stderr
        assert not policy.posts


@pytest.mark.parametrize("call", ["status", "download"])
def test_what_is_forbidden_to_all_still_costs_one_export(tmp_path: Path, call: str) -> None:
    policy = Policy(frozenset(SERVERS), frozenset({call}))
    with forbidding(policy, tmp_path) as command:
        ended = command.run("collect", "fleet.json")
        assert ended.returncode == 5, ended.stderr
        assert len(policy.posts) == 1
        assert command.manifest()["totals"]["requests"] < 10


def test_a_plan_names_each_permission_that_is_missing(tmp_path: Path) -> None:
    policy = Policy(frozenset(SERVERS), frozenset({"status", "download"}))
    with forbidding(policy, tmp_path) as command:
        planned = command.run("plan", "fleet.json", "--online")
        assert planned.returncode == 5, planned.stderr
        for action in ("getDumpLogProgress", "createDownloadLog"):
            assert f"clouddc:imetal:{action}" in planned.stdout
