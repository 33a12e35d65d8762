"""What a run says of itself while it waits, and of why it waited when it has ended."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.answers import error, reply, sane
from tests.support.command import Command
from tests.support.trial import wired
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30.0
HINTS = {
    "certificate": "name the certificate authority's file with --ca-file, or renew the endpoint's "
    "certificate",
    "name": "check the endpoint's name in the inventory, and this machine's DNS",
    "address": "check the endpoint's address and port in the inventory, and firewalls on the way "
    "to it",
}


def inventory(**endpoints: str) -> str:
    """A project of two servers at each endpoint."""
    projects = [
        {
            "id": f"id-{name}", "name": name, "endpoint": endpoint,
            "servers": [{"id": f"{name}-{n}", "name": f"{name}-{n}"} for n in (1, 2)],
        }
        for name, endpoint in endpoints.items()
    ]  # fmt: skip
    return json.dumps({"version": 1, "projects": projects})


def told(command: Command, until: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What `status --json` says as soon as it is so."""
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        asked = command.run("status", "--json")
        if asked.returncode == 0:
            found: dict[str, Any] = json.loads(asked.stdout)
            if until(found):
                return found
        assert time.monotonic() < give_up_s, asked
        time.sleep(0.05)


def in_words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_endpoint_that_is_down_is_told_since_when_and_why_and_a_resume_keeps_it(
    tmp_path: Path, closed: int
) -> None:
    url = f"http://127.0.0.1:{closed}"
    (tmp_path / "fleet.json").write_text(inventory(web=url))
    command = Command(tmp_path, "a-token")
    why = f"cannot connect to 127.0.0.1 port {closed}: Connection refused"
    hint = HINTS["address"]
    arguments = ("collect", "fleet.json", "--deadline", "6s", "--progress", "plain")
    with command.start(*arguments) as process:
        found = told(command, lambda found: found["endpoints_down"])
        status = in_words(command.run("status").stdout)
        out, err = process.communicate()
    assert process.returncode == 4
    (down,) = found["endpoints_down"]
    assert (down["endpoint"], down["message"], down["hint"]) == (url, why, hint)
    clock = f"{down['since'][11:16]} (UTC)"
    assert f"down {url} since {clock}" in status
    assert f": {why} -> {hint}" in status
    (line,) = (line for line in err.splitlines() if "the endpoint is down" in line)
    assert hint in line
    said = in_words(out)
    assert "ended at its deadline. " in said
    assert f"2 servers pending while the endpoint was down, waiting: {why} web-1, web-2 -> " in said
    assert said.endswith(" Deadline reached: 0 of 2 servers collected; 2 pending.")
    assert said.count(f"-> {hint}") == 1
    waiting = [row["waiting"] for row in command.manifest()["projects"][0]["servers"]]
    assert [one["reason"] for one in waiting] == ["endpoint_down"] * 2
    assert [one["last_error"]["hint"] for one in waiting] == [hint] * 2

    again = command.run("collect", "--resume", "latest", "--deadline", "0.01s")
    assert again.returncode == 4
    # Either, as it has begun to look for the endpoint by then, or not.
    when = "(when the deadline came|while the endpoint was down)"
    said = in_words(again.stdout)
    assert re.search(f"2 servers pending {when}, waiting: {re.escape(why)} web-1, web-2", said)
    waiting = [row["waiting"] for row in command.manifest()["projects"][0]["servers"]]
    assert [one["last_error"]["message"] for one in waiting] == [why] * 2


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """An endpoint whose certificate nobody has signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command to make a certificate with")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with contextlib.suppress(OSError), connection:
                        context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_each_reason_why_nothing_can_be_sent_comes_with_what_to_do(
    tmp_path: Path, closed: int, untrusted: str
) -> None:
    endpoints = {
        "certificate": untrusted,
        "name": "http://nobody.invalid",
        "address": f"http://127.0.0.1:{closed}",
    }
    (tmp_path / "fleet.json").write_text(inventory(**endpoints))
    command = Command(tmp_path, "a-token")
    ended = command.run("collect", "fleet.json", "--deadline", "5s")
    assert ended.returncode == 4
    hints = {
        project["name"]: {row["waiting"]["last_error"]["hint"] for row in project["servers"]}
        for project in command.manifest()["projects"]
    }
    assert hints == {name: {hint} for name, hint in HINTS.items()}
    said = in_words(ended.stdout)
    assert all(f"-> {hint[:50]}" in said for hint in HINTS.values())
    assert "certificate/certificate-1, certificate/certificate-2 -> " in said


@pytest.mark.parametrize(
    ("answer", "whom"),
    [
        (error(429, "APIGW.0308", b"Retry-After: 500"), "for "),
        (reply(503, b"", b"Retry-After: 500"), "for the server "),
    ],
    ids=["429", "503"],
)
def test_a_long_wait_that_the_service_asks_for_is_told_until_when(
    tmp_path: Path, answer: bytes, whom: str
) -> None:
    wire = Wire(("s-1", "s-2"), sane, everywhere={"export": lambda _: (answer,)})
    with wired(wire, tmp_path) as command:
        with command.start("collect", "fleet.json", "--progress", "plain") as process:
            found = told(command, lambda found: found["asked_to_wait"])
            status = in_words(command.run("status").stdout)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert process.returncode == 130
        told_until = found["asked_to_wait"][0]["until"][11:16]
        until = rf"asked to wait until (\d{{4}}-\d\d-\d\d )?{told_until} \(UTC\)"  # at midnight
        assert re.search(f"service {until}, {whom}", status)
        assert re.search(r"the service asks to wait until \d\d:\d\d:\d\d\n", err)
        assert re.search(f"service {until}, {whom}", in_words(out))
