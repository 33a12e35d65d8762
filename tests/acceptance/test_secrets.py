"""A token is read, sent, and never seen again."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest

from collector.emulator import TokenSpec
from tests.support.command import environment, fleet_of, run, servers, serving
from tests.support.pages import data_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def packed() -> bytes:
    """A small archive."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        member = tarfile.TarInfo("log.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"lines"))
    return written.getvalue()


CANARY = "canary-MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw" + "ggSjAgEAAoIBAQC7VJTUt9Us8cKj" * 20

ARCHIVE = packed()
BUGGY = """
import sys
from collector.cli import main
from collector.providers.clouddc.client import CloudDC

async def start_export(self, target, *, asks_limits):
    headers = {"X-Auth-Token": self._sources["ops"].token}
    raise RuntimeError(
        f"no header like {headers!r} and Authorization: Bearer unknown-canary"
    ) from ValueError(dict(headers), "Cookie: a=1; b=unknown-canary")

CloudDC.start_export = start_export
main(prog_name="collector")
"""

BUGGY_CALLS = """
import sys
from collector.cli import main
from collector.providers.clouddc.signin.sign_in import SignIn

async def heard(self, request, authorized, problem, note):
    secret = authorized.secret
    raise RuntimeError(
        f"sent {dict(authorized.headers)!r} {authorized!r} {secret!r} {list(secret.parts())!r}"
    ) from ValueError(list(secret.parts()), self._source, dict(authorized.headers))

SignIn.heard = heard
main(prog_name="collector")
"""


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


class Repeating(BaseHTTPRequestHandler):
    """Does what it is asked for, and repeats in every answer what it was sent."""

    protocol_version = "HTTP/1.1"
    asked = 0

    @property
    def token(self) -> str:
        return self.headers["X-Auth-Token"]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say({"export_id": "e1", "status": self.token})

    def do_GET(self) -> None:
        if not self.path.endswith("/content"):
            type(self).asked += 1
            proxied = self.headers.get("Proxy-Authorization", "no proxy")
            repeated = f"{quote(self.token, safe='')} {proxied}"
            word = repeated if self.asked == 1 else "completed"
            self.say({"export_id": "e1", "status": word, "percentage": "90%"})
            return
        self.answer(
            ARCHIVE,
            {
                "Content-Type": "application/gzip",
                "Content-Disposition": f'attachment; filename="log-{self.token}.tar.gz"',
                "ETag": f'"{self.token}"',
            },
        )

    def say(self, fields: dict[str, str], status: int = 200) -> None:
        self.answer(json.dumps(fields).encode(), {"Content-Type": "application/json"}, status)

    def answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {
            "X-Request-Id": self.token,
            "Set-Cookie": self.token,
            **headers,
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401  # the class's own signature
        return


AK, SK = "AKCANARY0123456789ABCD", "sk-canary-" + "s%d" * 12
SECURITY_TOKEN = "st-canary-" + "Tt0+/=" * 40
PASSWORD = 'pass-canary "ünïcode" \\ ☃'
ISSUED = "issued-canary-" + "MIIEvQIBADANBg" * 30
OF_KINDS = (AK, SK, SECURITY_TOKEN, PASSWORD, ISSUED, CANARY, *map(quote, (SK, PASSWORD)))
SEEN = tuple(secret[:14] for secret in OF_KINDS)
"""The first characters of each are enough to give it away."""


class Tattling(Repeating):
    """IAM and the API in one: each repeats all that it was sent, and refuses where told to."""

    status = 200

    @property
    def token(self) -> str:
        sent = ("X-Auth-Token", "X-Security-Token", "Authorization")
        return " ".join(value for name in sent if (value := self.headers[name])) or "nothing"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said: dict[str, Any] = {"export_id": "e1", "status": self.token}
        if self.path == "/v3/auth/tokens":
            password = json.loads(body)["auth"]["identity"]["password"]["user"]["password"]
            said = {
                "token": {"expires_at": "2099-01-01T00:00:00Z", "echo": body},
                "error": {"message": f"wrong password {password} in {body}", "code": password},
            }
            status = 401 if self.status == 402 else 201
            self.answer(json.dumps(said).encode(), {"X-Subject-Token": ISSUED}, status)
        elif self.status != 200:
            words = f"{'x' * 200} no {self.token} with {body}: ak {self.token} not exist"
            self.say({"error_code": "APIGW.0301", "error_msg": words}, self.status)
        else:
            self.say(said)


class Leading(Repeating):
    """Leads on to a link whose query opens the archive, and refuses that, with its words."""

    def do_GET(self) -> None:
        if self.path.endswith("/content"):
            aim = "/elsewhere?AccessKeyId=link-canary-id&Signature=link-canary%2Bsignature"
            self.answer(b"", {"Location": aim}, 302)
        elif "?" in self.path:
            signature = "link-canary+signature and link-canary-id"
            self.say(
                {"error_code": "link-canary-id", "error_msg": f"the link is no good: {signature}"},
                400,
            )
        else:
            self.say({"export_id": "e1", "status": "completed"})


@contextlib.contextmanager
def answered_by(kind: type[Repeating]) -> Iterator[str]:
    handler = type("Handler", (kind,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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
        ended = run(
            *("collect", "-", "-vv", "--json", "--max-attempts", "1"),
            cwd=tmp_path, env=environment(CANARY=CANARY), stdin=json.dumps(fleet),
        )  # fmt: skip
    assert ended.returncode in (4, 5), ended.stderr
    assert json.loads(ended.stdout)["not_collected"][0]["error"]["http_status"] == status
    assert_unseen(tmp_path, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("token_env", "-q"),
        ("token_file", "--json"),
        ("token_env", "-v"),
        ("token_file", "-vv"),
        ("token_env", "-vv --log-format=json --json"),
    ],
)
def test_what_the_service_repeats_in_a_run_that_goes_well_is_nowhere(
    tmp_path: Path, source: str, how: str
) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\n")
    named = {"token_env": "CANARY", "token_file": "token"}[source]
    with answered_by(Repeating) as url:
        ended = collect(
            fleet(url, {source: named}), tmp_path, *how.split(), "--max-attempts", "1",
            environ={"CANARY": CANARY if source == "token_env" else ""},
        )  # fmt: skip
    (tmp_path / "token").unlink()
    assert ended.returncode == 0, ended.stderr
    assert_unseen(tmp_path, ended.stdout, ended.stderr)


@pytest.mark.parametrize(("name", "how"), [("http_proxy", "-vv"), ("HTTP_PROXY", "--json")])
def test_password_of_a_proxy_is_nowhere(tmp_path: Path, name: str, how: str) -> None:
    with answered_by(Repeating) as proxy:
        variables = {name: proxy.replace("//", "//user:pass-canary@"), "no_proxy": ""}
        ended = collect(fleet("http://service.test"), tmp_path, how, environ=variables)
    assert ended.returncode == 0, ended.stderr
    encoded = base64.b64encode(b"user:pass-canary").decode()
    for secret in ("pass-canary", encoded, CANARY[:24]):
        assert_unseen(tmp_path, ended.stdout, ended.stderr, secret=secret)


def test_password_of_a_proxy_that_cannot_be_reached_is_nowhere(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://user:pass-canary@127.0.0.1:1")
    ended = collect(
        fleet("https://service.test"), tmp_path, "-vv", "--deadline", "1s",
        environ={"no_proxy": "", **proxies},
    )  # fmt: skip
    assert ended.returncode == 4
    assert "cannot connect to the proxy" in ended.stderr
    assert_unseen(tmp_path, ended.stdout, ended.stderr, secret="pass-canary")


def test_user_in_an_endpoint_is_refused_and_nowhere(tmp_path: Path) -> None:
    refused = collect(fleet("https://user:pass-canary@host.test"), tmp_path, "-vv")
    assert refused.returncode == 2
    assert "pass-canary" not in refused.stdout + refused.stderr


def test_arguments_are_recorded_without_secrets(tmp_path: Path) -> None:
    excluded = "name=https://user:arg-canary@host/x?token=arg-canary"
    with answered_by(Repeating) as url:
        ended = collect(
            fleet(url), tmp_path, "-vv", "--exclude", excluded,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (journal,) = tmp_path.glob("collected/2*/journal.jsonl")
    assert "name=https://***@host/x?***" in journal.read_text()
    assert_unseen(tmp_path, ended.stdout, ended.stderr, secret="arg-canary")


def test_arguments_of_a_resume_are_recorded_without_secrets(tmp_path: Path) -> None:
    with answered_by(Repeating) as url:
        assert collect(fleet(url), tmp_path).returncode == 0
        next((tmp_path / "collected" / "latest" / "p1").glob("*/*")).unlink()
        ended = collect(
            fleet(url), tmp_path, "-vv", "--resume", "latest",
            "--select", "id=s1", "--select", "name=https://user:arg-canary@*",
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert_unseen(tmp_path, ended.stdout, ended.stderr, secret="arg-canary")


@pytest.mark.parametrize("how", ["-q", "-vv --log-format=json"])
def test_trace_of_a_bug_is_without_the_headers_that_its_exception_carries(
    tmp_path: Path, how: str
) -> None:
    with answered_by(Repeating) as url:
        ended = collect(
            fleet(url), tmp_path, *how.split(),
            program=BUGGY,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "RuntimeError: no header like" in ended.stderr
    for secret in (CANARY[:24], "unknown-canary"):
        assert_unseen(tmp_path, ended.stdout, ended.stderr, secret=secret)


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


def test_query_of_a_link_that_is_repeated_is_nowhere(tmp_path: Path) -> None:
    with answered_by(Leading) as url:
        ended = collect(fleet(url), tmp_path, "-vv", "--max-attempts", "1")
    assert ended.returncode == 4, ended.stderr
    assert "the link is no good" in ended.stderr
    assert_unseen(tmp_path, ended.stdout, ended.stderr, secret="link-canary")


def of_kind(kind: str, home: Path, url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Credentials of a kind, and the variables that they need; their files are in `home`."""
    keys = {"AK": AK, "SK": SK, "ST": SECURITY_TOKEN}
    if kind == "password":
        named = {"domain": "acme", "user": "oncall", "iam_endpoint": url, "password_env": "P"}
        return {"kind": kind, **named}, {"P": PASSWORD}
    if kind == "password file":
        (home / "secret").write_text(PASSWORD, encoding="utf-8")
        named = {"domain": "a", "user": "o", "iam_endpoint": url, "password_file": "secret"}
        return {"kind": "password", **named}, {}
    if kind == "aksk":
        named = {"ak_env": "AK", "sk_env": "SK", "security_token_env": "ST"}
        return {"kind": kind, **named}, keys
    if kind == "sdk":
        text = f"[basic]\nak = {AK}\nsk = {SK}\nsecurity_token = {SECURITY_TOKEN}\n"
        (home / "secret").write_text(text)
        return {"kind": kind}, {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(home / "secret")}
    printed = {
        "command token": ISSUED,
        "command keys": json.dumps({"ak": AK, "sk": SK, "security_token": SECURITY_TOKEN}),
        "command that fails": f"{ISSUED} {AK}",
    }[kind]
    (home / "secret").write_text(printed)
    script = 'cat "$1"; cat "$1" >&2; '
    script += "exit 1" if kind == "command that fails" else "exit 0"
    return {"kind": "command", "command": ["sh", "-c", script, "sh", str(home / "secret")]}, {}


KINDS = ("password", "password file", "aksk", "sdk", "command token", "command keys")


@pytest.mark.parametrize("how", ["-q", "-vv", "-vv --log-format=json --json"])
@pytest.mark.parametrize("kind", [*KINDS, "command that fails"])
@pytest.mark.parametrize("status", [200, 401, 402])
def test_no_secret_of_any_kind_is_anywhere_though_services_repeat_all_they_are_sent(
    tmp_path: Path, kind: str, how: str, status: int
) -> None:
    fails = kind == "command that fails"
    with answered_by(type("Tattling", (Tattling,), {"status": status})) as url:
        credential, environ = of_kind(kind, tmp_path, url)
        inventory = fleet(url) | {"credentials": {"ops": credential}}
        ended = collect(inventory, tmp_path, *how.split(), "--max-attempts", "1", environ=environ)
    if (tmp_path / "secret").exists():
        (tmp_path / "secret").unlink()
    refused = fails or status == 401 or (status == 402 and kind.startswith("password"))
    assert ended.returncode == (5 if refused else 0 if status == 200 else 4), ended.stderr
    for secret in SEEN:
        assert_unseen(tmp_path, ended.stdout, ended.stderr, secret=secret)


@pytest.mark.parametrize("how", ["-q", "-vv --log-format=json"])
@pytest.mark.parametrize("kind", KINDS)
def test_trace_of_a_bug_is_without_secrets_of_any_kind(tmp_path: Path, kind: str, how: str) -> None:
    with answered_by(Tattling) as url:
        credential, environ = of_kind(kind, tmp_path, url)
        inventory = fleet(url) | {"credentials": {"ops": credential}}
        ended = collect(inventory, tmp_path, *how.split(), program=BUGGY_CALLS, environ=environ)
    if (tmp_path / "secret").exists():
        (tmp_path / "secret").unlink()
    assert ended.returncode == 1
    assert "RuntimeError: sent" in ended.stderr
    for secret in SEEN:
        assert_unseen(tmp_path, ended.stdout, ended.stderr, secret=secret)


def fleet(url: str, credential: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "version": 1,
        "credentials": {"ops": {"kind": "token", **(credential or {"token_env": "CANARY"})}},
        "defaults": {"credentials": "ops"},
        "projects": [{"id": "p1", "endpoint": url, "servers": [{"id": "s1"}]}],
    }


def collect(
    inventory: dict[str, Any],
    home: Path,
    *arguments: str,
    program: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Collect by the command, or by a program in its place."""
    variables = {"CANARY": CANARY, "XDG_STATE_HOME": str(home / "state")} | dict(environ or {})
    arguments, env = ("collect", "-", *arguments), environment(**variables)
    if program is None:
        return run(*arguments, cwd=home, env=env, stdin=json.dumps(inventory))
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=home, env=env, input=json.dumps(inventory), capture_output=True, text=True, check=False,
    )  # fmt: skip


def assert_unseen(home: Path, *outputs: str, secret: str = CANARY[:24]) -> None:
    """No output and no file holds it; the first characters are enough to give it away."""
    for output in outputs:
        assert secret not in output
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        content = path.read_bytes()
        if path.name == "members.jsonl.gz":
            content = gzip.decompress(content)
        if path.name == "report.html":
            content += msgspec.json.encode(data_of(content))
        assert secret.encode() not in content, path
        assert secret not in str(path.relative_to(home))
