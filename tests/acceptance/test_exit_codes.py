"""Each exit code by a real run."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [
        server("good"),
        server("slow", export_duration_s=60.0),
        server("unknown", Fault("unknown_id")),
        server("forbidden", Fault("no_permission")),
    ]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("codes")) as found:
        yield found


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["collect", "fleet.json", "--select", "name=bms-good"]),
        (0, ["collect", "fleet.json", "--select", "name=nobody", "--allow-empty"]),
        (2, ["collect", "fleet.json", "--select", "name=nobody"]),
        (2, ["collect", "fleet.json", "--select", "colour=red"]),
        (2, ["collect", "absent.json"]),
        (2, ["collect"]),
        (2, ["collect", "fleet.json", "--deadline", "soon"]),
        (2, ["collect", "fleet.json", "--max-attempts", "0"]),
        (2, ["collect", "fleet.json", "--stall-timeout", "0"]),
        (2, ["collect", "fleet.json", "--max-bandwidth", "fast"]),
        (2, ["collect", "fleet.json", "--durability", "none"]),
        (0, ["collect", "fleet.json", "--select", "name=bms-good", "--durability", "relaxed",
             "--max-bandwidth", "50MB", "--max-unpacked", "1GB", "--max-ratio", "50"]),
        (4, ["collect", "fleet.json", "--select", "name=bms-good", "--max-members", "2"]),
        (2, ["collect", "fleet.json", "--no-such-option"]),
        (2, ["collect", "fleet.json", "--run-id", "../up"]),
        (2, ["collect", "--resume", "absent"]),
        (2, ["collect", "fleet.json", "--retry-failed"]),
        (2, ["collect", "fleet.json", "--reuse-exports", "never"]),
        (2, ["no-such-command"]),
        (2, ["verify", "absent"]),
        (2, ["status", "absent"]),
        (3, ["collect", "fleet.json", "--exclude", "name=bms-slow"]),
        (4, ["collect", "fleet.json", "--select", "name=bms-unknown"]),
        (4, ["collect", "fleet.json", "--select", "name=bms-slow", "--deadline", "0.2"]),
        (4, ["collect", "fleet.json", "--select", "name=bms-unknown",
             "--select", "name=bms-forbidden"]),
        (5, ["collect", "fleet.json", "--select", "name=bms-forbidden"]),
    ],
)  # fmt: skip
def test_exit_code_says_what_became_of_it(
    service: Service, code: int, arguments: list[str]
) -> None:
    ended = service.run(*arguments)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    if code == 2:
        assert ended.stdout == ""
        assert ended.stderr


def test_wrong_token_is_5_and_is_told_once(service: Service) -> None:
    ended = service.run("collect", "fleet.json", env=service.environment() | {"CLOUDDC_TOKEN": "x"})
    assert ended.returncode == 5
    assert "a new token" in ended.stdout
    assert ended.stderr.count("decrypt token fail") == 1


def test_unset_token_is_2_and_is_named(service: Service) -> None:
    environment = service.environment()
    del environment["CLOUDDC_TOKEN"]
    ended = service.run("collect", "fleet.json", env=environment)
    assert ended.returncode == 2
    assert "CLOUDDC_TOKEN" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_130_or_143_and_leaves_a_run_to_resume(tmp_path: Path, number: int) -> None:
    fleet = [server("good"), server("slow", export_duration_s=3600.0)]
    with serving(fleet_of(fleet), tmp_path) as service:
        with service.start("collect", "fleet.json", "--json", "--progress", "plain") as process:
            service.wait_for_export("id-slow")
            held = service.run("collect", "--resume", "latest")
            process.send_signal(number)
            out, err = process.communicate()
        assert held.returncode == 75
        assert f"in use by process {process.pid}" in held.stderr
        assert process.returncode == 128 + number
        assert "Traceback" not in err
        assert json.loads(out)["run"]["state"] == "interrupted"
        row = service.manifest()["projects"][0]["servers"][1]
        assert (row["state"], row["waiting"]["reason"]) == ("pending", "stopped")
        assert service.verify()["ok"]


def test_second_signal_stops_at_once(tmp_path: Path) -> None:
    slow = server("slow", Fault("slow", bytes_per_s=200))
    with (
        serving(fleet_of([slow], archive_bytes=50_000), tmp_path) as service,
        service.start("collect", "fleet.json", "--json") as process,
    ):
        service.wait_for_export("id-slow")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in err
        assert json.loads(out)["totals"]["pending"] == 1


def test_run_id_that_exists_is_2(tmp_path: Path) -> None:
    with serving(fleet_of(servers(1)), tmp_path) as service:
        assert service.run("collect", "fleet.json", "--run-id", "one").returncode == 0
        before = (service.out / "one" / "journal.jsonl").read_bytes()
        again = service.run("collect", "fleet.json", "--run-id", "one")
        assert again.returncode == 2
        assert f"--resume {service.out.name}/one)" in again.stderr
        assert service.run("collect", "--resume", "one").returncode == 0
        assert (service.out / "one" / "journal.jsonl").read_bytes() == before
