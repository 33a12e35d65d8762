"""What is said of filters that match nothing, and of secrets where nothing is sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Command

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "environment variable CLOUDDC_TOKEN is not set"


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command beside an inventory whose endpoint nobody listens at."""
    servers = [
        {"id": f"id-{n}", "name": f"bms-00{n}", "tags": {"role": "db" if n < 3 else "web"}}
        for n in range(1, 5)
    ]
    project = {"id": "p1", "name": "payments", "endpoint": "http://127.0.0.1:9", "servers": servers}
    text = json.dumps({"version": 1, "projects": [project]})
    (tmp_path / "fleet.json").write_text(text)
    return Command(tmp_path, "secret-token")


def warnings(err: str) -> list[str]:
    return [line.partition("warning: ")[2] for line in err.splitlines() if "warning: " in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--first", "name=bms-0O1"],
         ["--first name=bms-0O1 matches no selected server; did you mean name=bms-001?"]),
        (["--exclude", "name=BMS-002"],
         ["--exclude name=BMS-002 matches no server in fleet.json; did you mean name=bms-002?"]),
        (["--select", "name=bms-001", "--select", "project=paymnts"],
         [("--select project=paymnts matches no server in fleet.json; "
           "did you mean project=payments?")]),
        (["--select", "tag:rol=db", "--select", "tag:role=dbb", "--select", "id=id-4"],
         ["--select tag:rol=db matches no server in fleet.json; did you mean tag:role=db?",
          "--select tag:role=dbb matches no server in fleet.json; did you mean tag:role=db?"]),
        (["--exclude", "tag:role=db,name=bms-004"],
         [("--exclude tag:role=db,name=bms-004 matches no server in fleet.json: "
           "none has all of these at once")]),
        (["--select", "name=bms-001", "--first", "name=bms-002"],
         ["--first name=bms-002 matches no selected server; did you mean name=bms-001?"]),
        (["--exclude", "name=zzz"], ["--exclude name=zzz matches no server in fleet.json"]),
        (["--exclude", "name=bms-001", "--first", "tag:role=web"], []),
    ],
    ids=" ".join,
)  # fmt: skip
def test_each_filter_that_matches_nothing_is_said_with_what_was_meant(
    command: Command, arguments: list[str], said: list[str]
) -> None:
    shown = command.run("inventory", "show", "fleet.json", *arguments)
    assert shown.returncode == 0, shown.stderr
    assert warnings(shown.stderr) == said


@pytest.mark.parametrize("name", ["collect", "plan", "inventory show"])
def test_a_selection_that_is_empty_is_refused_and_says_why(command: Command, name: str) -> None:
    empty = command.run(*name.split(), "fleet.json", "--select", "name=bms-0O1")
    assert empty.returncode == 2
    assert empty.stdout == ""
    assert empty.stderr.splitlines() == [
        (
            "collector: --select name=bms-0O1 matches no server in fleet.json; "
            "did you mean name=bms-001?"
        ),
        "no server is selected; use --allow-empty to run anyway",
    ]
    left = command.run(*name.split(), "fleet.json", "--exclude", "name=*")
    assert "--exclude leaves no server of fleet.json" in left.stderr
    assert not command.out.exists()


def test_an_unknown_key_is_refused_with_the_near_one(command: Command) -> None:
    refused = command.run("plan", "fleet.json", "--first", "nmae=bms-001")
    assert refused.returncode == 2
    assert "unknown key 'nmae'; did you mean 'name'?" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [["inventory", "check"], ["inventory", "show"], ["plan"], ["collect", "--dry-run"]],
    ids=" ".join,
)
def test_what_sends_nothing_needs_no_token_and_warns(
    command: Command, arguments: list[str]
) -> None:
    environment = command.environment()
    del environment["CLOUDDC_TOKEN"]
    ended = command.run(*arguments, "fleet.json", env=environment)
    assert ended.returncode == 0, ended.stderr
    assert warnings(ended.stderr) == [f"fleet.json:1:1: {VARIABLE}; a collect will need it"]
    quiet = command.run(*arguments, "fleet.json", "-q", env=environment)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    free = re.compile(r"\S+ \wB free")  # others use that disk too
    assert free.sub("", quiet.stdout) == free.sub("", ended.stdout)


def test_a_check_as_json_tells_what_is_missing(command: Command) -> None:
    ended = command.run(
        "inventory", "check", "--json", "fleet.json", env=command.environment(CLOUDDC_TOKEN="")
    )
    assert ended.returncode == 0
    found = json.loads(ended.stdout)
    assert found["ok"]
    (missing,) = found["warnings"]
    assert missing["what"] == "environment variable CLOUDDC_TOKEN is empty"


def test_a_collect_without_its_token_is_refused(command: Command) -> None:
    environment = command.environment()
    del environment["CLOUDDC_TOKEN"]
    ended = command.run("collect", "fleet.json", env=environment)
    assert ended.returncode == 2
    assert VARIABLE in ended.stderr
    assert not command.out.exists()
