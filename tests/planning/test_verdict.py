"""What `plan` prints for a person."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from collector.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "https://clouddc.cn-east-3.a-long-name-of-a-region.example.com"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDDC_TOKEN", "t")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "fleet.json"
    projects = [
        {
            "id": f"p{number}",
            "name": f"project-{number}" * (1 + number),
            "endpoint": ENDPOINT,
            "limits": {"requests_per_second": 1 + number, "exports_in_flight": 20 + number},
            "servers": [{"id": f"{number}-{server}"} for server in range(50 + number)],
        }
        for number in range(15)
    ]
    credentials = {"ops-of-the-whole-company": {"kind": "token", "token_env": "CLOUDDC_TOKEN"}}
    document = {
        "version": 1, "credentials": credentials, "projects": projects,
        "defaults": {
            "credentials": "ops-of-the-whole-company", "limits": {"bytes_per_second": 123_456_789}
        },
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


def told(*arguments: str) -> list[str]:
    answer = CliRunner().invoke(main, ["plan", "fleet.json", *arguments])
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


@pytest.mark.usefixtures("fleet")
def test_the_last_line_says_how_long_it_takes() -> None:
    assert re.fullmatch(r"About .* for 855 servers\.", told()[-1])


@pytest.mark.usefixtures("fleet")
def test_the_last_line_answers_whether_a_deadline_holds() -> None:
    assert told("--deadline", "10h")[-1].startswith("Reachable in 10 h: 855 servers in about ")
    lines = told("--deadline", "4m")
    assert re.fullmatch(
        r"Not reachable in 4 min: about \d+ of 855 servers; all take about .*\.", lines[-1]
    )
    text = " ".join(lines)
    assert "What is assumed may be far off" in text
    assert "--first chooses which servers come first" in text


@pytest.mark.usefixtures("fleet")
def test_the_last_line_says_so_where_the_disk_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collector.planning.disk._free", lambda _: 1_000_000)
    lines = told("--deadline", "10h")
    assert lines[-1] == "The disk is too small: 3.4 GB needed, 1.0 MB free."
    assert lines[-2].startswith("Reachable in ")
    assert "Disk: 3.4 GB needed under collected, 1.0 MB free; 3.4 GB too little." in lines


@pytest.mark.usefixtures("fleet")
def test_projects_that_are_alike_are_one_line_and_one_that_differs_is_named(fleet: Path) -> None:
    document = json.loads(fleet.read_text())
    for number, project in enumerate(document["projects"]):
        project |= {"name": f"p-{number}", "limits": {}}
        project["servers"] = [{"id": f"{number}-{one}"} for one in range(70 if number == 7 else 50)]
    fleet.write_text(json.dumps(document))
    lines = told()
    rows = [line.split()[:5] for line in lines[: lines.index("")]]
    assert rows[0] == ["project", "servers", "calls", "time"]
    assert [row[:-2] for row in rows[1:]] == [
        ["p-7", "70", "210"], ["each", "of", "14"], ["all", "770", "2,310"]
    ]  # fmt: skip
    alone = told("--select", "project=p-7")
    assert not any(line.split()[:1] in (["project"], ["all"], ["each"]) for line in alone)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("projects", "unlike"), [(1, 1), (3, 3), (40, 1), (40, 9), (2000, 80)])
def test_it_fits_a_screen(fleet: Path, projects: int, unlike: int) -> None:
    document = json.loads(fleet.read_text())
    pattern = document["projects"][0]
    document["projects"] = [
        pattern
        | {
            "id": f"p{number}",
            "name": f"project-with-quite-a-long-name-{number}",
            "limits": {"exports_in_flight": 1 + number % unlike},
            "servers": [{"id": f"{number}-{one}"} for one in range(1 + number % unlike)],
        }
        for number in range(projects)
    ]
    fleet.write_text(json.dumps(document))
    assert len(told()) <= 23
    assert len(told("--deadline", "1m")) <= 23


@pytest.mark.usefixtures("fleet")
def test_each_limit_is_told_with_where_it_is_known_from() -> None:
    text = " ".join(" ".join(told("--select", "project=p0")).split())
    assert "1 calls in 1 s for the project project-0, set by the inventory" in text
    assert "20 exports at once for the project project-0, set by the inventory" in text
    assert "9 of 10 calls in 1 s for the account ops-of-the-whole-company at" in text
    assert "assumed: nothing is known yet" in text
    assert "123.5 MB a second for all downloads, set by the inventory" in text


@pytest.mark.usefixtures("fleet")
def test_a_share_changes_what_is_used() -> None:
    assert "5 of 10 calls in 1 s" in "".join(told("--select", "project=p0", "--share", "0.5"))


@pytest.mark.usefixtures("fleet")
def test_nothing_selected_is_nothing_to_do() -> None:
    assert told("--select", "id=nobody", "--allow-empty") == [
        "Nothing to do: no server is selected."
    ]
