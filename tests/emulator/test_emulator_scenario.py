from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import collector.emulator
from collector.emulator import (
    AlarmSpec,
    Dialect,
    Fault,
    IamFault,
    KeySpec,
    ListFault,
    Lognormal,
    ProjectSpec,
    Scenario,
    ScenarioError,
    ServerSpec,
    Throttle,
    TokenSpec,
    Uniform,
    UserSpec,
    fleet,
    load_scenario,
    scenario_from_mapping,
)
from collector.emulator.chance import draw

FULL = """
seed = 4
exports_in_flight = 20
export_duration_s = {kind = "lognormal", median = 5, sigma = 0.4, high = 60}
archive_bytes = {kind = "uniform", low = 1000, high = 9000}
dialect = "mixed"
faults = [{name = "error_500", probability = 0.01, calls = ["status"]}]
throttles = ["20/1s", {scope = "project", limit = 5, window = "bucket", retry_after = "date"}]

iam_throttle = "3/1m"
iam_faults = ["reset", {name = "unavailable", times = 2, retry_after_s = 3}]
list_faults = ["throttled", {name = "vanish", project = "p1", skip = 1, times = 1}]
gateway_codes = "mixed"
foreign_project_status = 403

[[users]]
domain = "acme"
name = "night"
password = "secret"
projects = ["p1"]
token_life_calls = 100
denied = ["download"]

[[keys]]
ak = "AK"
sk = "SK"
security_token = "ST"
expires_after_s = 60

[[tokens]]
value = "one"
user = "acme"

[[projects]]
id = "p1"
name = "payments"

[[projects.servers]]
id = "s1"
tags = {role = "db"}
health = "Critical"
alarms = [{level = 1, began_ago_s = 60}]
export_duration_s = 2
dialect = {percentage = "float"}
faults = ["stuck_export", {name = "slow", bytes_per_s = 10}]
"""


def test_everything_can_be_said_in_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "drill.toml"
    path.write_text(FULL)
    assert load_scenario(path) == Scenario(
        seed=4,
        exports_in_flight=20,
        export_duration_s=Lognormal(5.0, 0.4, high=60.0),
        archive_bytes=Uniform(1000.0, 9000.0),
        dialect="mixed",
        faults=(Fault("error_500", calls=("status",), probability=0.01),),
        throttles=(
            Throttle("user", 20, 1.0),
            Throttle("project", 5, window="bucket", retry_after="date"),
        ),
        iam_throttle=Throttle("user", 3, 60.0),
        iam_faults=(IamFault("reset"), IamFault("unavailable", times=2, retry_after_s=3)),
        list_faults=(
            ListFault("throttled"),
            ListFault("vanish", project="p1", skip=1, times=1),
        ),
        gateway_codes="mixed",
        foreign_project_status=403,
        users=(
            UserSpec(
                "acme",
                "night",
                "secret",
                projects=("p1",),
                token_life_calls=100,
                denied=("download",),
            ),
        ),
        keys=(KeySpec("AK", "SK", security_token="ST", expires_after_s=60.0),),
        tokens=(TokenSpec("one", user="acme"),),
        projects=(
            ProjectSpec(
                "p1",
                name="payments",
                servers=(
                    ServerSpec(
                        "s1",
                        tags={"role": "db"},
                        health="Critical",
                        alarms=(AlarmSpec(1, began_ago_s=60.0),),
                        export_duration_s=2.0,
                        dialect=Dialect(percentage="float"),
                        faults=(Fault("stuck_export"), Fault("slow", bytes_per_s=10.0)),
                    ),
                ),
            ),
        ),
    )


def test_json_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "drill.json"
    path.write_text(json.dumps({"seed": 4, "exports_in_flight": None, "fleet": {"servers": 9}}))
    assert load_scenario(path) == fleet(servers=9, seed=4)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([], "scenario: wanted a mapping"),
        ({"seeds": 1}, "scenario: unknown key 'seeds'; did you mean 'seed'?"),
        ({"seed": "1"}, "scenario.seed: wanted int, found '1'"),
        ({"seed": True}, "scenario.seed: wanted int, found True"),
        ({"etag": 1}, "scenario.etag: wanted bool, found 1"),
        ({"dialect": "french"}, "scenario.dialect: 'french' is none of 'plain', 'mixed'"),
        ({"faults": "slow"}, "scenario.faults: wanted a list, found 'slow'"),
        ({"faults": [{"times": 1}]}, "scenario.faults[0]: 'name' must be given"),
        ({"faults": [4]}, "scenario.faults[0]: wanted a mapping, found 4"),
        ({"faults": ["meteor"]}, "scenario.faults[0].name: 'meteor' is none of"),
        ({"throttles": ["20"]}, "scenario.throttles[0]: invalid limit '20'"),
        ({"latency_s": {"kind": "normal"}}, "scenario.latency_s.kind: 'normal' is none of"),
        ({"latency_s": {"kind": "uniform", "low": 2, "high": 1}}, "wanted 0 <= low <= high"),
        ({"projects": [{"id": "p", "servers": [{"id": "s", "nmae": "x"}]}]},
         "scenario.projects[0].servers[0]: unknown key 'nmae'; did you mean 'name'?"),
        ({"projects": [{"id": "p", "servers": [{"id": "s", "tags": {"a": 1}}]}]},
         "scenario.projects[0].servers[0].tags: wanted texts by name"),
        ({"projects": [{"id": "p"}, {"id": "p"}]}, "projects: 'p' is listed twice"),
        ({"exports_in_flight": 0}, "exports_in_flight: must be 1 or more"),
        ({"tokens": []}, "tokens: at least one is needed"),
        ({"fleet": {"servers": 2, "projects": 3}}, "at least one project, and a server for each"),
        ({"fleet": {"server": 2}}, "scenario.fleet: unknown key 'server'"),
        ({"fleet": {"servers": "2"}}, "scenario.fleet: wanted {servers = N, projects = N}"),
        ({"fleet": {}, "projects": []}, "give either fleet or projects"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_its_place(mapping: Any, message: str) -> None:  # noqa: ANN401 - of any kind
    with pytest.raises(ScenarioError, match=re.escape(message)):
        scenario_from_mapping(mapping)


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "seed ="), ("a.json", "{"), ("a.toml", "x=1")]
)
def test_error_in_a_file_names_the_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ScenarioError, match=re.escape(str(path))):
        load_scenario(path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="nowhere"):
        load_scenario(tmp_path / "nowhere.toml")


def draws(spread: Lognormal | Uniform | float) -> list[float]:
    return sorted(draw(spread, 1, name) for name in range(400))


def test_uniform_values_fill_their_range() -> None:
    values = draws(Uniform(10.0, 20.0))
    assert 10 <= values[0] < 10.5
    assert 19.5 < values[-1] <= 20


def test_lognormal_values_lie_about_the_median_and_within_bounds() -> None:
    assert 4 < draws(Lognormal(5.0, 1.0))[200] < 6
    bounded = draws(Lognormal(5.0, 1.0, low=3.0, high=8.0))
    assert (bounded[0], bounded[-1]) == (3.0, 8.0)


def test_one_value_is_for_all() -> None:
    assert set(draws(7.0)) == {7.0}


def test_fleet_is_the_same_for_a_seed_and_spread_evenly() -> None:
    scenario = fleet(servers=10, projects=3, seed=5, etag=False)
    assert scenario == fleet(servers=10, projects=3, seed=5, etag=False)
    assert [len(project.servers) for project in scenario.projects] == [4, 3, 3]
    others = fleet(servers=10, projects=3, seed=6, etag=False)
    assert scenario.projects[0].servers[0].id != others.projects[0].servers[0].id


def test_fleet_without_room_for_its_projects_is_refused() -> None:
    with pytest.raises(ScenarioError):
        fleet(servers=2, projects=3)


def test_emulator_imports_nothing_of_what_it_tests() -> None:
    room = Path(collector.emulator.__file__).parent
    for file in room.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "."]
            else:
                continue
            for name in names:
                allowed = {*sys.stdlib_module_names, "aiohttp", "anyio"}
                assert name.startswith("collector.emulator") or name.partition(".")[0] in allowed
