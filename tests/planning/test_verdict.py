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
def test_the_first_line_says_how_long_it_takes() -> None:
    assert re.fullmatch(r"About .* for 855 servers\.", told()[0])


@pytest.mark.usefixtures("fleet")
def test_the_first_line_answers_whether_a_deadline_holds() -> None:
    assert told("--deadline", "10h")[0].startswith("Yes: 855 servers in about ")
    lines = told("--deadline", "4m")
    assert re.fullmatch(r"No: about \d+ of 855 servers by the deadline of 4 min\.", lines[0])
    assert lines[1].startswith("All of them take about ")
    assert lines[2].startswith("Assumed values below may be far off")


@pytest.mark.usefixtures("fleet")
def test_the_first_line_says_no_where_the_disk_is_too_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collector.planning.disk._free", lambda _: 1_000_000)
    lines = told("--deadline", "10h")
    assert lines[0] == "No: the run needs 3.4 GB; 1.0 MB is free."
    assert lines[2].startswith("Yes: ")


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
