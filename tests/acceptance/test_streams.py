"""Results on stdout, everything else on stderr, and neither ends a collection by going away."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import Fault
from tests.support.command import COLLECTOR, Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

YAML = """\
version: 1
credentials: {{ops: {{kind: token, token_env: CLOUDDC_TOKEN}}}}
defaults: {{credentials: ops}}
projects:
  - id: p1
    endpoint: {url}
    servers: [{{id: id-0}}]
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [*servers(2), server("bad", Fault("unknown_id"))]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("streams")) as found:
        yield found


def test_stdout_is_json_alone_while_progress_and_logs_go_to_stderr(service: Service) -> None:
    ended = service.run("collect", "fleet.json", "--json", "-vv", "--progress", "plain")
    told = json.loads(ended.stdout)
    manifest = service.manifest()
    assert told["run"] == manifest["run"]
    assert told["totals"] == manifest["totals"]
    assert [row["id"] for row in told["not_collected"]] == ["id-bad"]
    assert "2 of 3 collected" in ended.stderr
    assert "archive stored and verified" in ended.stderr


def test_without_json_a_person_is_told_what_is_missing_and_why(service: Service) -> None:
    ended = service.run("collect", "fleet.json")
    assert "2 of 3 servers" in ended.stdout
    assert "1 server failed at export: " in ended.stdout
    assert "bms-bad (id-bad)\n" in ended.stdout
    assert "collector collect --resume collected/" in ended.stdout
    assert max(map(len, ended.stdout.replace(COLLECTOR, "collector").splitlines())) <= 100


def test_log_lines_are_json_where_json_is_asked_for(service: Service) -> None:
    ended = service.run(
        "collect", "fleet.json", "--log-format", "json", "-vv", "--progress", "none"
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {"server", "project", "run", "level", "timestamp", "event"} <= set().union(*lines)
    assert {line["server"] for line in lines if "server" in line} >= {"bms-0", "bms-1", "bms-bad"}


def test_each_v_says_more_and_q_only_what_went_wrong(service: Service) -> None:
    def lines(*options: str) -> int:
        ended = service.run("collect", "fleet.json", "--progress", "none", *options)
        return len(ended.stderr.splitlines())

    assert 0 == lines("-q") < lines() < lines("-v") < lines("-vv")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_stream_that_nobody_reads_ends_no_collection(service: Service, stream: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        streams: dict[str, Any] = {stream: writing}
        ended = service.run("collect", "fleet.json", "-vv", "--progress", "plain", **streams)
    finally:
        os.close(writing)
    assert ended.returncode == 3
    assert service.manifest()["run"]["state"] == "partial"
    assert service.manifest()["totals"]["collected"] == 2


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "0<&-"])
def test_stream_that_is_closed_from_the_start_ends_no_collection(
    service: Service, closed: str
) -> None:
    run_id = closed.encode().hex()
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"$0" collect fleet.json -vv --run-id {run_id} {closed}', COLLECTOR],
        cwd=service.home,
        env=service.environment(),
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    assert service.manifest()["run"]["id"] == run_id
    assert service.manifest()["totals"]["collected"] == 2


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_inventory_comes_from_stdin(service: Service, form: str) -> None:
    text = YAML.format(url=service.emulator.url)
    if form == "json":
        text = json.dumps(service.emulator.inventory())
    ended = service.run("collect", "-", "--json", "--exclude", "id=id-bad", stdin=text)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["run"]["inventory"]["path"] == "<stdin>"


def test_what_inventory_show_prints_is_an_inventory(service: Service) -> None:
    shown = service.run("inventory", "show", "fleet.json", "--select", "id=id-1", "--json")
    ended = service.run("collect", "-", "--json", stdin=shown.stdout)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["totals"]["servers"] == 1


def test_dry_run_is_the_plan_and_sends_nothing(service: Service) -> None:
    calls = service.emulator.statistics()["calls"]["total"]
    dry = service.run("collect", "fleet.json", "--dry-run", "--json")
    planned = service.run("plan", "fleet.json", "--json")
    assert json.loads(dry.stdout)["servers"] == json.loads(planned.stdout)["servers"] == 3
    assert dry.returncode == planned.returncode == 0
    assert service.emulator.statistics()["calls"]["total"] == calls


def test_status_and_runs_tell_of_the_run_as_it_told_of_itself(service: Service) -> None:
    ended = service.run("collect", "fleet.json", "--json")
    told = json.loads(ended.stdout)
    status = json.loads(service.run("status", "collected/latest", "--json").stdout)
    assert {name: status[name] for name in told if name != "directory"} == {
        name: told[name] for name in told if name != "directory"
    }
    assert os.path.realpath(service.home / told["directory"]) == status["directory"]
    run = told["run"]
    listed = json.loads(service.run("runs", "collected", "--json").stdout)
    (line,) = (one for one in listed if one["id"] == run["id"])
    own = ("state", "started_at", "finished_at", "resumed")
    assert [line[name] for name in own] == [run[name] for name in own]
    assert line["totals"] == told["totals"]
    assert line["took_s"] >= 0
