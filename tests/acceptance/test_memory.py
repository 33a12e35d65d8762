"""What the command learns is kept for this user, and the next command begins with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Throttle
from tests.support.command import Service, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    scenario = fleet_of(servers(3), throttles=(Throttle("user", 50, 1.0),))
    with serving(scenario, tmp_path_factory.mktemp("memory")) as found:
        yield found


@pytest.fixture
def kept(service: Service) -> Path:
    return service.state / "collector" / "learned.json"


def test_a_limit_that_was_learned_is_what_the_next_plan_goes_by(
    service: Service, kept: Path
) -> None:
    assert "assumed" in service.run("plan", "fleet.json").stdout
    assert not kept.exists()  # a plan keeps nothing
    assert service.run("collect", "fleet.json").returncode == 0
    assert [one["limit"] for one in json.loads(kept.read_bytes())["limits"]] == [50]
    told = " ".join(service.run("plan", "fleet.json").stdout.split())
    assert "47 of 50 calls in 1 s" in told
    assert "remembered from an earlier run" in told
    assert "3 servers at their size in an earlier run there" in told


def test_a_damaged_memory_is_said_once_and_costs_no_server(service: Service, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("{")
    ended = service.run("collect", "fleet.json", "--progress", "none")
    assert ended.returncode == 0
    assert ended.stderr.count("was not written by a collector") == 1
    assert json.loads(kept.read_bytes())["limits"]


def test_a_place_that_cannot_be_written_is_said_to_whoever_asks(service: Service) -> None:
    (service.home / "file").touch()
    environment = service.environment(XDG_STATE_HOME=str(service.home / "file"))
    quiet = service.run("collect", "fleet.json", "--progress", "none", env=environment)
    asked = service.run("collect", "fleet.json", "--progress", "none", "-v", env=environment)
    assert quiet.returncode == asked.returncode == 0
    assert "learned.json" not in quiet.stderr
    assert asked.stderr.count("cannot write") == 1


def test_a_share_holds_for_the_run_and_is_refused_where_it_is_none(service: Service) -> None:
    assert service.run("collect", "fleet.json", "--share", "0.5").returncode == 0
    journal = (service.latest / "journal.jsonl").read_text().splitlines()
    selected = [json.loads(line) for line in journal if "ProjectSelected" in line]
    assert [event["share"] for event in selected] == [0.5]
    refused = service.run("collect", "fleet.json", "--share", "1.5")
    assert refused.returncode == 2
    assert "0.9" in refused.stderr
