"""A token is read, sent, and never seen again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import TokenSpec
from tests.acceptance.command import COLLECTOR, environment, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "canary-MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw" + "ggSjAgEAAoIBAQC7VJTUt9Us8cKj" * 20


class Indiscreet(BaseHTTPRequestHandler):
    """Refuses every call, and says the caller's token in its words, whole and cut in two."""

    protocol_version = "HTTP/1.1"
    status = 400

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers["X-Auth-Token"]
        message = f"{'x' * 250} bad token {token} in X-Auth-Token: {token}"
        said = {"error_code": token, "error_msg": message, "request_id": token}
        body = json.dumps(said).encode()
        self.send_response(self.status)
        self.send_header("X-Request-Id", token)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401  # the class's own signature
        return


@contextlib.contextmanager
def indiscreet(status: int) -> Iterator[str]:
    handler = type("Handler", (Indiscreet,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_token_is_nowhere_even_where_the_service_says_it(tmp_path: Path, status: int) -> None:
    with indiscreet(status) as url:
        fleet = {
            "version": 1,
            "credentials": {"ops": {"kind": "token", "token_env": "CANARY"}},
            "defaults": {"credentials": "ops"},
            "projects": [{"id": "p1", "endpoint": url, "servers": [{"id": "s1"}]}],
        }
        ended = subprocess.run(
            [COLLECTOR, "collect", "-", "-vv", "--json", "--max-attempts", "1"],
            cwd=tmp_path, env=environment(CANARY=CANARY), input=json.dumps(fleet),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode in (4, 5), ended.stderr
    assert json.loads(ended.stdout)["not_collected"][0]["error"]["http_status"] == status
    assert_unseen(tmp_path, ended.stdout, ended.stderr)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_token_is_nowhere_after_a_run_that_went_well(tmp_path: Path, log_format: str) -> None:
    scenario = fleet_of(servers(2), tokens=(TokenSpec(CANARY),), redirect_downloads=True)
    with serving(scenario, tmp_path) as service:
        ended = service.run("collect", "fleet.json", "-vv", "--log-format", log_format)
        assert ended.returncode == 0
        assert_unseen(tmp_path, ended.stdout, ended.stderr)


def test_signature_of_a_redirection_is_nowhere(tmp_path: Path) -> None:
    with serving(fleet_of(servers(2), redirect_downloads=True), tmp_path) as service:
        ended = service.run("collect", "fleet.json", "-vv")
        assert service.emulator.statistics()["redirects"] == 2
        assert_unseen(tmp_path, ended.stdout, ended.stderr, secret="Signature=")


def assert_unseen(home: Path, *outputs: str, secret: str = CANARY[:24]) -> None:
    """No output and no file holds it; the first characters are enough to give it away."""
    for output in outputs:
        assert secret not in output
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        assert secret.encode() not in path.read_bytes(), path
