"""What the emulator says to do works when it is pasted into a shell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from collector.emulator import scenario_from_mapping
from tests.support.command import COLLECTOR, environment, serving


@pytest.mark.parametrize(
    ("token", "options"),
    [("emulator-token", ()), ("a token' of $HOME", ("--inventory", "my fleet.json"))],
    ids=["curl", "file"],
)
def test_the_lines_to_paste_collect_the_fleet(
    tmp_path: Path, token: str, options: tuple[str, ...]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    scenario = {"fleet": {"servers": 2, "projects": 1}, "export_duration_s": 0}
    scenario["tokens"] = [{"value": token}]
    (here / "drill.json").write_text(json.dumps(scenario))
    arguments = ("--scenario", "drill.json", "--listen", "127.0.0.1:0", *options)
    with subprocess.Popen(
        [COLLECTOR, "emulator", *arguments],
        cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as emulator:  # fmt: skip
        assert emulator.stderr is not None
        said = "".join(iter(emulator.stderr.readline, "\n"))
        assert re.search(
            r"\n  project     [0-9a-f]{32}\n", said
        )  # for `inventory discover --project`
        script = said.partition("paste this into another terminal:\n")[2]
        path = f"{Path(COLLECTOR).parent}:{os.environ['PATH']}"
        pasted = subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=there, env=environment(PATH=path, XDG_STATE_HOME=str(there / "state")),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        emulator.send_signal(signal.SIGINT)
        emulator.communicate()
    assert pasted.returncode == 0, (script, pasted.stderr)
    assert "collected  2 of 2 servers" in pasted.stdout


def test_the_drill_of_the_page_collects_every_server(tmp_path: Path) -> None:
    """Its faults alone: how long exports take is another matter."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "emulator.md").read_text()
    drills = map(tomllib.loads, re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    (drill,) = (one for one in drills if one.get("dialect") == "mixed")
    assert any(fault["name"] == "reset_after" for fault in drill["faults"])
    quick = {"fleet": {"servers": 12, "projects": 2}, "export_duration_s": 0, "throttles": []}
    quick["archive_bytes"] = 2000
    with serving(scenario_from_mapping(drill | quick), tmp_path) as service:
        ended = service.run("collect", "fleet.json")
        assert ended.returncode == 0, ended.stdout
        assert service.emulator.statistics()["faults"]["reset_after"] > 0
