"""`--log-file`: every fact, in a file of one's own, that never stands in a run's way."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [*servers(3), server("bad", Fault("unknown_id"))]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("log-file")) as found:
        yield found


def test_a_log_file_has_each_step_of_each_server_with_all_that_is_known(
    service: Service, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    ended = service.run("collect", "fleet.json", "--log-file", str(log), "--run-id", "first")
    assert ended.returncode == 3
    text = log.read_text()
    assert text.count("archive stored and verified") == 3
    (failed,) = (line for line in text.splitlines() if "server failed" in line)
    for part in ("[warning", "project=fleet", "server=bms-bad", "run=first", "T", "code="):
        assert part in failed
    assert "archive stored" not in ended.stderr
    assert "=" not in ended.stderr


def test_a_log_file_is_its_owners_alone_and_grows(service: Service, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    arguments = ("collect", "fleet.json", "-q", "--log-file", str(log))
    service.run(*arguments)
    before = log.read_text()
    assert service.run(*arguments).stderr == ""
    assert log.read_text().startswith(before)
    assert len(log.read_text()) > len(before)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_file_holds_objects_where_json_is_asked_for(service: Service, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    service.run("collect", "fleet.json", "--log-format", "json", "--log-file", str(log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert "archive stored and verified" in {line["event"] for line in lines}


@pytest.mark.parametrize("where", ["a directory", "nowhere", "below a file", "a pipe"])
def test_a_log_file_that_cannot_be_written_is_an_error_before_the_run(
    service: Service, tmp_path: Path, where: str
) -> None:
    place = {
        "a directory": tmp_path,
        "nowhere": tmp_path / "no" / "where.log",
        "below a file": service.home / "fleet.json" / "run.log",
        "a pipe": tmp_path / "pipe",
    }[where]
    if where == "a pipe":
        os.mkfifo(tmp_path / "pipe")
    before = service.emulator.statistics()["exports"]["started"]
    ended = service.run("collect", "fleet.json", "--log-file", str(place), "--run-id", "never")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"collector: cannot write the log file {place}: ")
    assert not (service.out / "never").exists()
    assert service.emulator.statistics()["exports"]["started"] == before


def test_a_log_file_that_takes_nothing_more_stops_no_run_and_is_told_of_once(
    service: Service,
) -> None:
    ended = service.run("collect", "fleet.json", "--log-file", "/dev/full", "-v")
    assert ended.returncode == 3
    lost = [line for line in ended.stderr.splitlines() if "/dev/full" in line]
    assert lost == [
        "cannot write the log file /dev/full: No space left on device; lines are missing there"
    ]


def test_a_log_file_has_no_secret(service: Service, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    wrong = service.environment(CLOUDDC_TOKEN="a-secret-of-many-words")
    service.run("collect", "fleet.json", "-vv", "--log-file", str(log), env=wrong)
    assert "server failed" in log.read_text()
    assert "a-secret" not in log.read_text()


def test_what_ended_a_command_is_in_its_log_file(service: Service, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    ended = service.run("verify", "no-such-run", "--log-file", str(log))
    assert ended.returncode == 2
    assert "no-such-run" in log.read_text()
    assert "[error" in log.read_text()
