"""The demo: the main job, without an account or a network."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from collector.rundir.verification import verify
from tests.support.command import COLLECTOR, environment
from tests.support.pages import data_of

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.timeout(300)  # the demo itself takes most of a minute


@dataclass(frozen=True)
class Shown:
    code: int
    summary: dict[str, Any]
    err: str
    directory: Path


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(demo_home: Path) -> Shown:
    done = subprocess.run(
        [COLLECTOR, "demo", "--json", "--progress", "plain"],
        cwd=demo_home,
        env=environment(XDG_STATE_HOME=str(demo_home / "state")),
        capture_output=True,
        text=True,
        check=False,
    )
    directory = (demo_home / "demo" / "latest").resolve()
    return Shown(done.returncode, json.loads(done.stdout), done.stderr, directory)


def test_58_of_60_servers_come_home(demo: Shown) -> None:
    assert demo.code == 3
    totals = demo.summary["totals"]
    assert (totals["servers"], totals["collected"], totals["failed"]) == (60, 58, 2)


def test_no_resume_is_promised_which_would_need_the_demos_emulator(demo: Shown) -> None:
    assert "Ctrl-C is safe: it stops cleanly." in demo.err
    assert "--resume" not in demo.err


def test_the_two_beyond_help_are_named_with_why(demo: Shown) -> None:
    errors = {row["error"]["stage"]: row["error"] for row in demo.summary["not_collected"]}
    assert set(errors) == {"export", "verify"}
    assert errors["export"]["code"] == "iMetal.0004"
    assert "createDumpLog" in errors["export"]["hint"]


def test_under_5_percent_of_its_calls_are_throttled(demo: Shown) -> None:
    assert demo.summary["totals"]["throttled"] < 0.05 * demo.summary["totals"]["requests"]


def test_it_says_that_an_emulator_stands_in_for_the_service(demo: Shown) -> None:
    assert demo.err.startswith("The emulator at http://127.0.0.1:")
    assert "Traceback" not in demo.err


def test_what_it_learns_of_its_emulator_is_not_kept(demo: Shown, demo_home: Path) -> None:
    assert demo.summary["limits"]
    assert {path.name for path in demo_home.iterdir()} == {"demo"}


def test_it_suggests_nothing_that_cannot_be_done(demo: Shown, demo_home: Path) -> None:
    told = subprocess.run(
        [COLLECTOR, "status", str(demo.directory)],
        cwd=demo_home, env=environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "createDumpLog" in told
    assert "collector verify demo/" in told
    assert not re.search("resume|retry", told)
    *_, verdict, ending = told.splitlines()
    assert verdict == "58 of 60 servers collected; 2 failed."
    assert ending == f"See for yourself in a browser: demo/{demo.directory.name}/report.html"
    page = data_of((demo.directory / "report.html").read_bytes())
    assert any("createDumpLog" in reason.hint for reason in page.reasons)
    assert not any(re.search("resume|retry", reason.hint) for reason in page.reasons)


def test_a_story_of_it_suggests_nothing_that_needs_its_emulator(
    demo: Shown, demo_home: Path
) -> None:
    told = subprocess.run(
        [COLLECTOR, "status", str(demo.directory), "--server", "bms-006"],
        cwd=demo_home, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "ask for the permission" in told
    assert "--resume" not in told


def test_what_it_leaves_is_a_run_like_any_other(demo: Shown) -> None:
    found = verify(demo.directory)
    assert found.ok, found.mismatches
    assert found.archives == 58
