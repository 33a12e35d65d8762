"""`plan --online`: what will not work is known before the first export."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from collector.emulator import ProjectSpec, Scenario, ServerSpec, TokenSpec
from tests.support.command import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.command import Service

FLEET = tuple(
    ProjectSpec(f"p{number}", name, tuple(ServerSpec(f"{name}-{i}") for i in range(3)))
    for number, name in enumerate(("payments", "storage"))
)


def serving_with(home: Path, *tokens: TokenSpec) -> AbstractContextManager[Service]:
    return serving(Scenario(projects=FLEET, tokens=tokens or (TokenSpec(),)), home)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving_with(tmp_path) as found:
        yield found


def test_nothing_is_started(service: Service) -> None:
    asked = service.run("plan", "fleet.json", "--online")
    assert asked.returncode == 0, asked.stderr
    seen = service.emulator.statistics()
    assert seen["exports"]["started"] == 0
    assert seen["calls"]["export"] == 0
    assert seen["calls"]["status"] == seen["calls"]["download"] == 2
    assert "no problem found in 2 projects" in asked.stdout
    assert max(map(len, asked.stdout.splitlines())) <= 80


def test_without_it_nothing_is_sent(service: Service) -> None:
    asked = service.run("plan", "fleet.json")
    assert asked.returncode == 0
    assert sum(service.emulator.statistics()["calls"].values()) == 0


@pytest.mark.parametrize(
    ("denied", "action"),
    [
        ("status", "clouddc:imetal:getDumpLogProgress"),
        ("download", "clouddc:imetal:createDownloadLog"),
    ],
)
def test_a_missing_permission_is_named(tmp_path: Path, denied: str, action: str) -> None:
    with serving_with(tmp_path, TokenSpec(denied=(denied,))) as service:  # type: ignore[arg-type]
        asked = service.run("plan", "fleet.json", "--online")
        told = service.run("plan", "fleet.json", "--online", "--json")
    assert asked.returncode == told.returncode == 5
    assert action in asked.stdout
    assert "nothing can be collected in 2 projects" in asked.stdout
    assert "--resume" not in asked.stdout + told.stdout  # there is no run
    online = json.loads(told.stdout)["online"]
    assert [one["permissions"][denied] for one in online] == ["denied", "denied"]
    assert not any(one["can_work"] for one in online)
    assert all(one["signed_in"] for one in online)


def test_a_missing_permission_to_list_is_named_and_hinders_nothing(tmp_path: Path) -> None:
    with serving_with(tmp_path, TokenSpec(denied=("list",))) as service:
        asked = service.run("plan", "fleet.json", "--online")
        told = service.run("plan", "fleet.json", "--online", "--json")
    assert asked.returncode == 0
    assert "clouddc:imetal:list" in asked.stdout
    online = json.loads(told.stdout)["online"]
    assert [one["permissions"]["list"] for one in online] == ["denied", "denied"]
    assert all(one["can_work"] for one in online)


def test_projects_that_discover_are_listed_and_asked(tmp_path: Path) -> None:
    with serving_with(tmp_path) as service:
        discovering(service)
        told = service.run("plan", "fleet.json", "--online", "--json")
        seen = service.emulator.statistics()
    planned = json.loads(told.stdout)
    assert planned["servers"] == 6
    assert [one["servers"] for one in planned["online"]] == [3, 3]
    assert seen["exports"]["started"] == 0


def test_a_project_that_cannot_be_listed_is_among_those_that_cannot_work(tmp_path: Path) -> None:
    with serving_with(tmp_path, TokenSpec(denied=("list",))) as service:
        discovering(service)
        asked = service.run("plan", "fleet.json", "--online", "--json")
    assert asked.returncode == 5
    online = json.loads(asked.stdout)["online"]
    assert [one["permissions"]["list"] for one in online] == ["denied", "denied"]
    assert not any(one["can_work"] for one in online)


def discovering(service: Service) -> None:
    """Let the inventory's projects discover their servers."""
    file = service.home / "fleet.json"
    inventory = json.loads(file.read_text())
    for project in inventory["projects"]:
        del project["servers"]
        project["discover"] = {}
    file.write_text(json.dumps(inventory))


def test_a_token_of_one_project_is_said_to_fail_in_the_other(tmp_path: Path) -> None:
    with serving_with(tmp_path, TokenSpec(projects=("p1",))) as service:
        asked = service.run("plan", "fleet.json", "--online", "--json")
    online = {one["name"]: one for one in json.loads(asked.stdout)["online"]}
    assert asked.returncode == 0
    assert not online["payments"]["can_work"]
    assert online["storage"]["can_work"]


def test_a_wrong_token_is_asked_about_in_few_projects(tmp_path: Path) -> None:
    fleet = tuple(ProjectSpec(f"p{i}", servers=(ServerSpec(f"s{i}"),)) for i in range(9))
    with serving(Scenario(projects=fleet), tmp_path) as service:
        environment = service.environment(CLOUDDC_TOKEN="no-such-token")
        asked = service.run("plan", "fleet.json", "--online", env=environment)
        seen = service.emulator.statistics()
    assert asked.returncode == 5
    assert "decrypt token fail" in asked.stdout
    assert seen["calls"]["status"] <= 3


def test_an_endpoint_that_nobody_listens_at_is_said(service: Service) -> None:
    inventory = json.loads((service.home / "fleet.json").read_text())
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        for project in inventory["projects"]:
            project["endpoint"] = f"http://127.0.0.1:{bound.getsockname()[1]}"
        (service.home / "away.json").write_text(json.dumps(inventory))
        asked = service.run("plan", "away.json", "--online")
        told = service.run("plan", "away.json", "--online", "--json")
    assert asked.returncode == 5
    assert "refused" in asked.stdout
    assert [one["reached"] for one in json.loads(told.stdout)["online"]] == [False, False]
    assert [one["signed_in"] for one in json.loads(told.stdout)["online"]] == [None, None]


def test_a_clock_that_is_off_is_said_with_the_seconds(tmp_path: Path) -> None:
    with serving(Scenario(projects=FLEET, clock_skew_s=-300.0), tmp_path) as service:
        asked = service.run("plan", "fleet.json", "--online")
    assert asked.stdout.count("5 min ahead") == 1  # their projects are alike


def test_what_cannot_be_listed_is_named_by_a_plan(service: Service) -> None:
    place = {"endpoint": service.emulator.url, "discover": {}}
    projects = [{"id": "p0", "name": "payments"} | place, {"id": "p9", "name": "locked"} | place]
    (service.home / "all.json").write_text(json.dumps({"version": 1, "projects": projects}))
    asked = service.run("plan", "all.json", "--online")
    assert asked.returncode == 0, asked.stderr
    assert "locked, no server known, credentials" in asked.stdout
    assert "servers of locked: could not be listed" in asked.stdout
    told = json.loads(service.run("plan", "all.json", "--online", "--json").stdout)
    assert told["not_listed"] == ["locked"]
    one = service.run("plan", "all.json", "--online", "--select", "project=payments")
    assert "locked" not in one.stdout


def test_a_plan_that_asks_nobody_does_not_say_that_there_is_nothing_to_do(service: Service) -> None:
    project = {"id": "p0", "endpoint": service.emulator.url, "discover": {}}
    (service.home / "all.json").write_text(json.dumps({"version": 1, "projects": [project]}))
    planned = service.run("plan", "all.json")
    assert planned.returncode == 0
    assert planned.stdout.endswith("\nNo server is known yet.\n")
    assert "plan --online" in planned.stdout
