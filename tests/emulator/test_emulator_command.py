from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from collector.cli import main

if TYPE_CHECKING:
    from pathlib import Path

RUN = "from collector.cli.commands.emulator import command; command()"


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "--listen", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_then_prints_statistics(
    stop: signal.Signals, tmp_path: Path
) -> None:
    file = tmp_path / "fleet.json"
    with start("--json", "--inventory", str(file), "--servers", "7") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        inventory = json.loads(file.read_text())
        with urllib.request.urlopen(f"{ready['url']}/emulator/inventory") as response:  # noqa: S310 - loopback
            assert json.load(response) == inventory
        process.send_signal(stop)
        out, err = process.communicate()
    assert process.returncode == 0
    assert (ready["token"], ready["inventory"]) == ("emulator-token", str(file))
    assert sum(len(project["servers"]) for project in inventory["projects"]) == 7
    assert json.loads(out)["calls"]["total"] == 0
    assert err == ""


def test_without_json_people_are_told_how_to_go_on() -> None:
    with start("--servers", "2") as process:
        assert process.stderr is not None
        said = "".join(iter(process.stderr.readline, "\n"))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert "2 servers in 2 projects" in said
    assert "CLOUDDC_TOKEN=emulator-token collector collect fleet.json" in said
    assert "emulator-password (user emulator/oncall)" in said
    assert "EMULATORACCESSKEY001, emulator-secret-key" in said
    assert json.loads(out)["calls"]["total"] == 0


@pytest.mark.parametrize(
    ("sign_in", "credential", "environment"),
    [
        (
            "password",
            {"kind": "password", "domain": "emulator", "user": "oncall"},
            {"CLOUDDC_PASSWORD": "emulator-password"},
        ),
        (
            "aksk",
            {"kind": "aksk"},
            {
                "HUAWEICLOUD_SDK_AK": "EMULATORACCESSKEY001",
                "HUAWEICLOUD_SDK_SK": "emulator-secret-key",
            },
        ),
    ],
)
def test_the_inventory_signs_in_and_discovers_as_asked(
    sign_in: str, credential: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "fleet.json"
    options = ("--inventory", str(file), "--sign-in", sign_in, "--discover")
    with start("--json", *options) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        inventory = json.loads(file.read_text())
        page = f"{ready['url']}/emulator/inventory?sign_in={sign_in}&discover"
        with urllib.request.urlopen(page) as response:  # noqa: S310 - loopback
            assert json.load(response) == inventory
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert ready["environment"] == environment
    told = inventory["credentials"]["emulator"]
    assert credential.items() <= told.items()
    assert told.get("iam_endpoint", ready["url"]) == ready["url"]
    assert {name for key, name in told.items() if key.endswith("_env")} == set(environment)
    assert all(project["discover"] == {} for project in inventory["projects"])
    assert not any("servers" in project for project in inventory["projects"])


def test_without_a_file_the_guide_asks_for_the_same_inventory() -> None:
    with start("--sign-in", "aksk", "--discover") as process:
        assert process.stderr is not None
        said = "".join(iter(process.stderr.readline, "\n"))
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert "/emulator/inventory?sign_in=aksk&discover' > fleet.json" in said
    assert "HUAWEICLOUD_SDK_SK=emulator-secret-key collector collect fleet.json" in said


def test_a_scenario_in_which_nobody_signs_in_so_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "drill.toml"
    file.write_text("users = []\nkeys = []\n")
    for sign_in, words in (("password", "nobody may sign in"), ("aksk", "none to sign with")):
        options = ["--scenario", str(file), "--sign-in", sign_in, "--listen", "127.0.0.1:0"]
        result = CliRunner().invoke(main, ["emulator", *options])
        assert result.exit_code == 2
        assert words in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--listen", "18080"], "invalid ADDR:PORT"),
        (["--listen", "127.0.0.1:99999"], "invalid ADDR:PORT"),
        (["--limit", "20"], "invalid limit '20'"),
        (["--servers", "2", "--projects", "3"], "a server for each"),
        (["--listen", "127.0.0.1:0", "--inventory", "/nowhere/fleet.json"], "with --inventory"),
    ],
)
def test_mistake_is_a_usage_error(options: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["emulator", *options])
    assert result.exit_code == 2
    assert message in result.output


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(main, ["emulator", "--listen", listen])
    assert result.exit_code == 2
    assert f"{listen} is already in use; choose another port with --listen" in result.output


def test_scenario_file_is_played_and_options_go_over_it(tmp_path: Path) -> None:
    file = tmp_path / "drill.toml"
    file.write_text('tokens = [{value = "drill"}]\nfleet = {servers = 5, projects = 1}\n')
    with start("--json", "--scenario", str(file), "--limit", "ip:1/1h") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{ready['url']}/v1/p/physicalservers/s/logs/exports/1",
            headers={"X-Auth-Token": "drill"},
        )
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(request)  # noqa: S310 - loopback
            answer.value.close()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert answer.value.code == 429
    assert json.loads(out)["throttled"]["by_scope"]["ip"]["status"] == 1
