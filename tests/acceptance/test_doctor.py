"""`doctor`: a report of this machine, wherever it is called, and never a secret."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Throttle
from tests.support.command import (
    COLLECTOR,
    Command,
    environment,
    fleet_of,
    run,
    servers,
    serving,
)

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-0123456789"


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path, CANARY)


def test_the_report_fits_a_narrow_terminal_and_ends_with_its_verdicts(command: Command) -> None:
    ended = command.run("doctor")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["collector", "0.1.0"]
    assert lines[-1].endswith("this report has no secrets")
    assert CANARY not in ended.stdout


def test_what_was_learned_is_told_with_the_name_of_the_account(tmp_path: Path) -> None:
    scenario = fleet_of(servers(3), throttles=(Throttle("user", 50, 1.0),))
    with serving(scenario, tmp_path) as service:
        assert service.run("collect", "fleet.json").returncode == 0
        told = " ".join(service.run("doctor").stdout.split())
    assert "50 calls in 1 s" in told
    assert service.token not in told


def test_json_has_the_same_items(command: Command) -> None:
    ended = command.run("doctor", "--json", env=command.environment(https_proxy="socks5://x"))
    found = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert found["verdict"] == "problem"
    items = {one["name"]: one for one in found["items"]}
    assert items["https_proxy"] == {
        "name": "https_proxy", "value": "socks5://x", "verdict": "problem",
        "advice": "set https_proxy to http://HOST:PORT, or unset it",
    }  # fmt: skip
    assert items["CLOUDDC_TOKEN"]["value"] == "set"
    assert CANARY not in ended.stdout


def test_it_works_where_the_current_directory_is_gone(command: Command) -> None:
    gone = command.home / "gone"
    gone.mkdir()
    script = f'cd {gone} && rmdir {gone} && exec "$0" doctor'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, COLLECTOR], capture_output=True, text=True,
        env=command.environment(), check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "PROBLEM: gone" in ended.stdout


@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": "", "XDG_STATE_HOME": ""},
        {"HOME": "relative", "XDG_STATE_HOME": "relative"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "de_DE.nowhere"},
        {"TZ": "nowhere/at all"},
        {"PATH": ""},
        {"TERM": "dumb", "COLUMNS": "20"},
    ],
    ids=str,
)
def test_it_works_in_odd_environments(command: Command, variables: dict[str, str]) -> None:
    ended = command.run("doctor", env=command.environment(**variables), installed=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "this report has no secrets" in ended.stdout


def test_it_works_without_any_environment(tmp_path: Path) -> None:
    ended = run("doctor", cwd=tmp_path, env={}, installed=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_place_that_cannot_be_written_is_a_problem(command: Command) -> None:
    command.home.chmod(0o755)
    for above in command.home.parents:
        if above.stat().st_uid == os.geteuid() and above != above.parent:
            above.chmod(above.stat().st_mode | 0o055)
    ended = command.run("doctor", user=65_534, env=environment(HOME="/nonexistent"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "PROBLEM: no (Permission denied)" in ended.stdout


def test_it_works_with_hardly_any_open_files(command: Command) -> None:
    ended = command.run("doctor", limits={resource.RLIMIT_NOFILE: (12, 12)}, installed=True)
    assert ended.returncode == 0
    assert "open files" in ended.stdout
    assert "PROBLEM: soft 12, hard 12" in ended.stdout


def test_a_reader_that_goes_away_is_no_error(command: Command) -> None:
    with command.start("doctor") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
