"""Every way to sign in, against a service whose credentials die in the middle of runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from collector.emulator import (
    Emulator,
    Fault,
    IamFault,
    KeySpec,
    ProjectSpec,
    Scenario,
    Throttle,
    UserSpec,
)
from tests.support.command import server, serving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.support.command import Service

PROJECTS, SERVERS = 3, 50
CALLS = 100
PASSWORD = "pass-canary-ünïcode ☃"
USER = UserSpec(domain="acme", name="oncall", password=PASSWORD)
KEY = KeySpec(ak="AKCANARY0123456789AB", sk="sk-canary-" + "s" * 30)
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
"""
"""A program that prints a credential, as vaults' programs do."""


def fleet(projects: int = 1, servers: int = 2, **options: Any) -> Scenario:  # noqa: ANN401  # Scenario's
    return Scenario(
        projects=tuple(
            ProjectSpec(
                f"p{number}",
                f"project-{number}",
                tuple(server(f"{number}-{one}") for one in range(servers)),
            )
            for number in range(projects)
        ),
        **{"export_duration_s": 0.05, "archive_bytes": 1000, **options},
    )


def collect(
    service: Service, credential: dict[str, Any], *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Collect the whole fleet with a credential."""
    inventory = json.loads((service.home / "fleet.json").read_text())
    inventory["credentials"] = {"ops": credential}
    inventory["defaults"] = {"credentials": "ops", "limits": {"downloads": 20}}
    (service.home / "fleet.json").write_text(json.dumps(inventory))
    return service.run(
        "collect", "fleet.json", "--json", *arguments, env=service.environment(**variables)
    )


def password_of(service: Service, **options: str) -> dict[str, str]:
    return {
        "kind": "password",
        "domain": USER.domain,
        "user": USER.name,
        "password_env": "P",
        "iam_endpoint": service.emulator.url,
    } | options


def problems(ended: subprocess.CompletedProcess[str]) -> list[str]:
    return [row["error"]["message"] for row in json.loads(ended.stdout)["not_collected"]]


def assert_all_collected(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr
    totals = json.loads(ended.stdout)["totals"]
    assert totals["collected"] == totals["servers"]


def dying() -> Scenario:
    user = UserSpec(domain="acme", name="oncall", password=PASSWORD, token_life_calls=CALLS)
    return fleet(PROJECTS, SERVERS, users=(user,))


def test_150_servers_whose_passwords_tokens_die_are_all_collected(tmp_path: Path) -> None:
    with serving(dying(), tmp_path) as service:
        assert_all_collected(collect(service, password_of(service), P=PASSWORD))
        counted = service.emulator.statistics()
    spent = counted["tokens_spent_by_project"]
    assert sum(spent.values()) >= PROJECTS
    for project, issued in counted["tokens_issued_by_project"].items():
        assert issued <= spent.get(project, 0) + 1, "at most one renewal a death and project"
    assert counted["iam_calls"] == counted["tokens_issued"]


@pytest.mark.parametrize("kind", ["password", "aksk"])
@pytest.mark.parametrize("call", ["export", "download"])
def test_a_server_that_alone_refuses_what_others_accept_fails_alone(
    tmp_path: Path, kind: str, call: Literal["export", "download"]
) -> None:
    members = [server(one) for one in range(8)]
    members[3] = server(3, Fault("expired_token", calls=(call,)))
    scenario = fleet(0, users=(USER,), keys=(KEY,))
    projects = (ProjectSpec("p0", "project-0", tuple(members)),)
    with serving(replace(scenario, projects=projects), tmp_path) as service:
        keys = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
        credential = keys if kind == "aksk" else password_of(service)
        ended = collect(service, credential, P=PASSWORD, AK=KEY.ak, SK=KEY.sk)
    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)["totals"]["collected"] == 7


@contextlib.contextmanager
def another_program(emulator: Emulator, path: Path) -> Iterator[None]:
    """A program that puts a fresh token into a file whenever the one there is spent."""
    ended = threading.Event()

    def put() -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(emulator.issue_token(USER.name))
        fresh.chmod(0o600)
        fresh.replace(path)

    def watch() -> None:
        renewed = 0
        while not ended.wait(0.005):
            spent = emulator.statistics()["tokens_spent"]
            if spent > renewed:
                renewed = spent
                put()

    put()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def test_150_servers_whose_token_file_another_program_rewrites_are_all_collected(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    with serving(dying(), tmp_path) as service, another_program(service.emulator, path):
        ended = collect(service, {"kind": "token", "token_file": str(path)})
        counted = service.emulator.statistics()
    assert_all_collected(ended)
    assert counted["tokens_spent"] >= PROJECTS * SERVERS * 3 // CALLS - 1


@pytest.mark.parametrize("page", ["token", "key"])
def test_150_servers_whose_command_prints_what_dies_are_all_collected(
    tmp_path: Path, page: str
) -> None:
    (tmp_path / "fetch.py").write_text(FETCH)
    with serving(dying(), tmp_path) as service:
        url = f"{service.emulator.url}/emulator/{page}?user={USER.name}"
        words = [sys.executable, "-S", str(tmp_path / "fetch.py"), url]
        ended = collect(service, {"kind": "command", "command": words}, "-vv")
        counted = service.emulator.statistics()
    assert_all_collected(ended)
    issued = counted["tokens_issued"] + counted["keys_issued"]
    assert issued >= PROJECTS * SERVERS * 3 // CALLS
    runs = ended.stderr.count("printed a credential")
    assert runs == issued
    assert issued <= PROJECTS * SERVERS * 3 // CALLS + 3, "at most one run a death"
    assert counted["wrong_signatures_in_a_row"] <= 3
    assert counted["keys_locked"] == 0


@pytest.mark.parametrize("token", [None, "st-canary-" + "t" * 200])
def test_signed_calls_collect_everything(tmp_path: Path, token: str | None) -> None:
    key = KeySpec(ak=KEY.ak, sk=KEY.sk, security_token=token)
    named = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
    if token is not None:
        named["security_token_env"] = "ST"
    with serving(fleet(2, 5, keys=(key,), redirect_downloads=True), tmp_path) as service:
        assert_all_collected(collect(service, named, AK=KEY.ak, SK=KEY.sk, ST=token or ""))
        counted = service.emulator.statistics()
    assert counted["wrong_signatures"] == 0
    assert counted["leaked_credentials"] == 0


@pytest.mark.parametrize("ahead_s", [7200.0, -7200.0])
def test_a_clock_that_is_off_is_said_with_the_seconds_and_signing_follows_the_services(
    tmp_path: Path, ahead_s: float
) -> None:
    named = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
    with serving(fleet(1, 5, keys=(KEY,), clock_skew_s=ahead_s), tmp_path) as service:
        ended = collect(service, named, AK=KEY.ak, SK=KEY.sk)
    assert_all_collected(ended)
    (told,) = [line for line in ended.stderr.splitlines() if "this machine's clock is" in line]
    seconds = int(told.partition("clock is ")[2].partition(" s ")[0])
    assert 7190 <= seconds <= 7210
    assert ("behind that of" if ahead_s > 0 else "ahead of that of") in told


def test_a_wrong_secret_key_never_locks_whatever_is_tried(tmp_path: Path) -> None:
    named = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
    with serving(fleet(5, 4, keys=(KEY,)), tmp_path) as service:
        for _ in range(4):
            ended = collect(service, named, AK=KEY.ak, SK="wrong-" + KEY.sk)
            assert ended.returncode == 5
            resumed = service.run(
                "collect", "--resume", "latest", "--retry-failed",
                env=service.environment(AK=KEY.ak, SK="wrong-" + KEY.sk),
            )  # fmt: skip
            assert resumed.returncode == 5
        counted = service.emulator.statistics()
        assert counted["wrong_signatures"] <= 3
        assert counted["keys_locked"] == 0
        assert "no call is made with it" in resumed.stderr
        assert KEY.ak not in resumed.stderr + ended.stdout


def test_a_wrong_secret_key_never_locks_though_nothing_can_be_kept_of_it(tmp_path: Path) -> None:
    with serving(fleet(keys=(KEY,)), tmp_path) as service:
        service.state.mkdir(parents=True, exist_ok=True)
        (service.state / "collector").write_text("no directory")
        keys = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
        for _ in range(5):
            ended = collect(service, keys, AK=KEY.ak, SK="wrong" * 8)
            assert ended.returncode == 5, ended.stderr
        assert service.emulator.statistics()["wrong_signatures"] <= 3


def test_a_wrong_secret_key_never_locks_though_many_runs_try_it_at_once(tmp_path: Path) -> None:
    with serving(fleet(4, 2, keys=(KEY,)), tmp_path) as service:
        inventory = json.loads((tmp_path / "fleet.json").read_text())
        inventory["credentials"] = {"emulator": {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}}
        (tmp_path / "fleet.json").write_text(json.dumps(inventory))
        env = service.environment(AK=KEY.ak, SK="wrong-" + KEY.sk)
        runs = [
            service.start("collect", "fleet.json", "-q", "--run-id", f"r{number}", env=env)
            for number in range(6)
        ]
        for process in runs:
            process.communicate(timeout=60)
            assert process.returncode == 5
        counted = service.emulator.statistics()
    assert counted["wrong_signatures"] <= 3
    assert counted["keys_locked"] == 0


def test_keys_whose_endpoint_answers_nobody_leave_their_servers_pending(tmp_path: Path) -> None:
    named = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
    with serving(fleet(2, 3, keys=(KEY,)), tmp_path) as service, answering_nobody() as url:
        path = tmp_path / "fleet.json"
        path.write_text(path.read_text().replace(service.emulator.url, url))
        ended = collect(service, named, "--deadline", "3s", AK=KEY.ak, SK=KEY.sk)
    assert ended.returncode == 4
    told = json.loads(ended.stdout)
    assert told["totals"]["pending"] == 6
    assert told["totals"]["requests"] <= 3
    assert {row["waiting"]["reason"] for row in told["not_collected"]} == {"endpoint_down"}


@contextlib.contextmanager
def answering_nobody() -> Iterator[str]:
    """A service that closes each connection once it was asked."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_many_runs_that_begin_at_once_with_good_keys_all_collect(tmp_path: Path) -> None:
    with serving(fleet(2, 2, keys=(KEY,), latency_s=0.2), tmp_path) as service:
        inventory = json.loads((tmp_path / "fleet.json").read_text())
        inventory["credentials"] = {"emulator": {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}}
        (tmp_path / "fleet.json").write_text(json.dumps(inventory))
        env = service.environment(AK=KEY.ak, SK=KEY.sk)
        runs = [
            service.start(
                "collect", "fleet.json", "-q", "--run-id", f"r{number}", "--reuse-exports", "0",
                env=env,
            )
            for number in range(6)
        ]  # fmt: skip
        for process in runs:
            process.communicate(timeout=60)
            assert process.returncode == 0


OLD = KeySpec(ak=KEY.ak, sk=KEY.sk, security_token="st-canary-of-old", expires_after_s=0.0)
ONE = KeySpec(ak=KEY.ak, sk=KEY.sk, projects=("p1",))


@pytest.mark.parametrize(
    ("key", "variables", "told"),
    [
        (KEY, {"AK": "AKWRONG0123456789AB"}, "'ops' is refused: {} ak *** not exist"),
        (KEY, {"SK": "sk-wrong-canary"}, "'ops' is refused: {} verify aksk signature fail"),
        (OLD, {"ST": str(OLD.security_token)}, "'ops' is refused: {} token expires"),
        (OLD, {"ST": "st-wrong-canary"}, "'ops' is refused: {} decrypt token fail"),
        (OLD, {}, "'ops' is refused: {} x-security-token not found"),
        (ONE, {}, "this project refuses credential 'ops', and others accept it"),
    ],
)
def test_what_is_wrong_with_keys_ends_in_few_calls_and_words_of_its_own(
    tmp_path: Path, key: KeySpec, variables: dict[str, str], told: str
) -> None:
    named = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
    if "ST" in variables:
        named["security_token_env"] = "ST"
    with serving(fleet(3, 4, keys=(key,)), tmp_path) as service:
        ended = collect(service, named, **{"AK": KEY.ak, "SK": KEY.sk, **variables})
    assert ended.returncode == (3 if key is ONE else 5), ended.stderr
    words = told.format("Incorrect IAM authentication information:")
    assert all(words in one for one in problems(ended))
    refused = json.loads(ended.stdout)["totals"]["requests"] - 3 * 4 * (key is ONE)
    assert refused < 10
    assert "canonicalRequest" not in ended.stdout + ended.stderr


def test_the_sdks_profile_collects(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text(f"[night]\nak = {KEY.ak}\nsk = {KEY.sk}\n")
    (tmp_path / "profile").chmod(0o600)
    with serving(fleet(keys=(KEY,)), tmp_path) as service:
        ended = collect(
            service, {"kind": "sdk", "profile": "night"},
            HUAWEICLOUD_SDK_CREDENTIALS_FILE=str(tmp_path / "profile"),
        )  # fmt: skip
    assert_all_collected(ended)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password_env": "WRONG"}, "IAM refuses the domain, the user or the password (401)"),
        ({"user": "nobody"}, "IAM refuses the domain, the user or the password (401)"),
        ({"domain": "elsewhere"}, "IAM refuses the domain, the user or the password (401)"),
        pytest.param(
            {"iam_endpoint": "http://127.0.0.1:1"},
            "IAM at 127.0.0.1 gives no answer",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_what_is_wrong_with_a_password_ends_in_few_calls_and_words_of_its_own(
    tmp_path: Path, change: dict[str, str], told: str
) -> None:
    with serving(fleet(3, 4, users=(USER,)), tmp_path) as service:
        ended = collect(service, password_of(service, **change), P=PASSWORD, WRONG="wrong-password")
        counted = service.emulator.statistics()
    assert ended.returncode == 5
    assert len(set(problems(ended))) == 1
    assert told in problems(ended)[0]
    assert "'ops'" in problems(ended)[0]
    assert counted["iam_calls"] <= 1
    assert json.loads(ended.stdout)["totals"]["requests"] == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("unavailable", "IAM has failed (503)"),
        pytest.param("html", "not IAM's answer", marks=pytest.mark.deep),
        pytest.param("reset", "IAM at", marks=pytest.mark.deep),
    ],
)
def test_iam_that_is_down_ends_in_few_calls(tmp_path: Path, name: Any, told: str) -> None:  # noqa: ANN401  # one of many
    faults = (IamFault(name, times=1000),)
    with serving(fleet(3, 4, users=(USER,), iam_faults=faults), tmp_path) as service:
        ended = collect(service, password_of(service), P=PASSWORD)
        counted = service.emulator.statistics()
    assert ended.returncode == 5
    assert told in problems(ended)[0]
    assert counted["iam_calls"] < 10


def test_iam_that_throttles_is_waited_for(tmp_path: Path) -> None:
    throttle = Throttle("user", limit=1, per_s=1.0, retry_after="seconds")
    with serving(fleet(3, 2, users=(USER,), iam_throttle=throttle), tmp_path) as service:
        ended = collect(service, password_of(service), P=PASSWORD)
        counted = service.emulator.statistics()
    assert_all_collected(ended)
    assert counted["tokens_issued"] == 3
    assert counted["iam_calls"] < 10


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_project_that_the_user_may_not_enter_fails_alone(tmp_path: Path, status: int) -> None:
    user = UserSpec(domain="acme", name="oncall", password=PASSWORD, projects=("p1", "p2"))
    scenario = fleet(3, 4, users=(user,), iam_project_status=status)
    with serving(scenario, tmp_path) as service:
        ended = collect(service, password_of(service), P=PASSWORD)
        counted = service.emulator.statistics()
    assert ended.returncode == 3
    assert len(problems(ended)) == 4
    assert all("no token for the project" in one for one in problems(ended))
    assert counted["iam_calls"] <= 4


def test_no_secret_is_an_argument_of_any_process(tmp_path: Path) -> None:
    seen: list[bytes] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.append(process.read_bytes())

    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system has no /proc")
    (tmp_path / "fetch.py").write_text(FETCH)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        with serving(fleet(users=(USER,)), tmp_path) as service:
            url = f"{service.emulator.url}/emulator/token?user={USER.name}"
            words = [sys.executable, str(tmp_path / "fetch.py"), url]
            assert_all_collected(collect(service, {"kind": "command", "command": words}))
            assert_all_collected(collect(service, password_of(service), P=PASSWORD))
            tokens = [service.emulator.issue_token(USER.name)]
    finally:
        ended.set()
        looking.join()
    assert any(b"fetch.py" in one for one in seen)
    for secret in (PASSWORD, *tokens):
        assert not any(secret.encode() in one for one in seen)


@pytest.mark.parametrize(
    ("command", "stop"),
    [
        (("collect", "fleet.json", "-q"), signal.SIGTERM),
        (("collect", "fleet.json", "-q"), signal.SIGKILL),
        (("plan", "fleet.json", "--online"), signal.SIGINT),
    ],
)
def test_a_command_that_is_stopped_ends_the_program_that_prints_its_credential(
    tmp_path: Path, command: tuple[str, ...], stop: signal.Signals
) -> None:
    script = tmp_path / "vault"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 300\n")
    script.chmod(0o700)
    with serving(fleet(users=(USER,)), tmp_path) as service:
        inventory = json.loads((tmp_path / "fleet.json").read_text())
        inventory["credentials"] = {"emulator": {"kind": "command", "command": ["./vault"]}}
        (tmp_path / "fleet.json").write_text(json.dumps(inventory))
        with service.start(*command) as process:
            until = time.monotonic() + 30
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
                assert time.monotonic() < until
                time.sleep(0.01)
            time.sleep(0.2)  # it may just have been started
            process.send_signal(stop)
            process.communicate(timeout=30)
        assert process.returncode in (128 + stop, -stop)
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process has not ended: one that nobody has asked for yet has."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()
    return state != "Z"
