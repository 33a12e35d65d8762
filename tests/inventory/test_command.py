from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import command
from tests.support.command import environment

if TYPE_CHECKING:
    import subprocess

SAMPLES = Path(__file__).parents[2] / "inventories"


def run(*args: str, stdin: str = "", variable: str = "x") -> subprocess.CompletedProcess[str]:
    return command.run("inventory", *args, stdin=stdin, env=environment(CLOUDDC_TOKEN=variable))


def test_check_counts_what_a_good_inventory_holds() -> None:
    answer = run("check", str(SAMPLES / "fleet.toml"))
    assert answer.returncode == 0
    assert answer.stdout == f"{SAMPLES / 'fleet.toml'}: ok: 6 servers in 2 projects\n"


def test_check_tells_every_mistake_on_stderr() -> None:
    answer = run("check", "-", stdin="version: 1\nprojcets: []\n", variable="")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "<stdin>:2:1: unknown key 'projcets'; did you mean 'projects'?" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_check_tells_mistakes_as_json() -> None:
    answer = run("check", "-", "--json", stdin="version: 1\nprojects: 7\n")
    assert answer.returncode == 2
    assert json.loads(answer.stdout) == {
        "ok": False,
        "servers": 0,
        "projects": 0,
        "mistakes": [
            {
                "file": "<stdin>",
                "line": 2,
                "column": 11,
                "what": "'projects' must be a list, not a number",
                "instead": "write a list of projects, each with id, region and servers",
            }
        ],
        "warnings": [],
    }


def test_show_lists_the_selection_in_the_order_of_collecting() -> None:
    answer = run(
        "show", str(SAMPLES / "fleet.csv"), "--select", "tag:role=*", "--exclude",
        "project=search", "--first", "tag:role=web",
    )  # fmt: skip
    assert answer.returncode == 0
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert rows[0] == ["PROJECT", "SERVER", "ID", "TAGS"]
    assert [row[1] for row in rows[1:]] == ["bms-003", "bms-004", "bms-001", "bms-002"]
    assert rows[1][0] == "payments"
    assert rows[1][3:] == ["role=web", "rack=r12"]


def test_show_as_json_is_an_inventory_again() -> None:
    shown = run("show", "--json", str(SAMPLES / "fleet.yaml"), "--select", "project=search")
    again = run("check", "-", "--json", stdin=shown.stdout)
    assert json.loads(again.stdout) == {
        "ok": True,
        "servers": 2,
        "projects": 1,
        "mistakes": [],
        "warnings": [],
    }


def test_a_selection_that_matches_nothing_is_refused_unless_allowed() -> None:
    file = str(SAMPLES / "fleet.yaml")
    answer = run("show", file, "--select", "name=none")
    assert answer.returncode == 2
    assert "matches no server" in answer.stderr
    assert run("show", file, "--select", "name=none", "--allow-empty").returncode == 0


def test_names_cannot_move_the_cursor() -> None:
    text = (
        '{"version": 1, "projects": [{"id": "p1", "region": "cn-east-3",'
        ' "servers": [{"id": "s1", "name": "a\\u001b[2Jb\\nc"}]}]}'
    )
    answer = run("show", "-", stdin=text)
    assert answer.stdout.splitlines()[1].split() == ["p1", "a\\u001b[2Jb\\u000ac", "s1"]
