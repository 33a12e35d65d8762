"""Whatever shows a run may fail, and the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.emulator import fleet
from tests.support.command import serving
from tests.support.terminal import on_terminal, screen

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = """
import importlib

def fail(*_, **__):
    raise ZeroDivisionError("broken on purpose")

owner = importlib.import_module("{module}")
*classes, name = "{name}".split(".")
for one in classes:
    owner = getattr(owner, one)
getattr(owner, name)
setattr(owner, name, fail)
"""
LOUD = [
    ("collector.observe.view", "drawn", "the live view failed"),
    ("collector.observe.screen", "Screen.__init__", "the live view failed"),
    ("collector.observe.screen", "Screen.above", "the live view failed"),
    ("collector.observe.screen", "Screen.draw", "the live view failed"),
    ("collector.observe.plain", "Plain.end", "the live view failed"),
    ("collector.report.glance", "Watch.glance", "the live view failed"),
    ("collector.observe.narration", "told", "telling of an event failed"),
    ("collector.observe.repeats", "Repeats.more", "telling of an event failed"),
    ("collector.report.series", "Follower.follow", "the report's maker failed"),
    ("collector.report.series", "Follower.series", "failed"),
    ("collector.rundir.report_file", "made", "the report's maker failed"),
    ("collector.serving.serving", "Serving.__init__", "the live page failed"),
    ("collector.serving.server", "Server.open", "the live page failed"),
    ("collector.serving.server", "Server.close", "the live page failed"),
    ("collector.serving.page_state", "PageState.look", "the live page failed"),
]


def broken(home: Path, module: str, name: str) -> dict[str, str]:
    """Return the variables with which the command has a part that fails."""
    (home / "sitecustomize.py").write_text(BROKEN.format(module=module, name=name))
    return {"PYTHONPATH": str(home)}


@pytest.mark.parametrize(("module", "name", "what"), LOUD)
def test_a_view_that_fails_is_given_up_with_one_warning_and_the_run_goes_on(
    module: str, name: str, what: str, tmp_path: Path
) -> None:
    scenario = fleet(servers=6, projects=2, export_duration_s=1.5)
    with serving(scenario, tmp_path) as service:
        code, written = on_terminal(
            service, "collect", "fleet.json", "-v", "--serve", "127.0.0.1:0",
            "--log-file", "full.log", size=(60, 200), variables=broken(tmp_path, module, name),
        )  # fmt: skip
        assert code == 0
        assert service.manifest()["totals"]["collected"] == 6
    shown = [line for line in screen(written, (60, 200)) if "broken on purpose" in line]
    assert shown
    assert all(what in line and "the run goes on without it" in line for line in shown)
    assert len(shown) == len({line[10:] for line in shown}), "each is said once"
    assert "Traceback" not in written.decode()
    assert "Traceback (most recent" in (tmp_path / "full.log").read_text()


@pytest.mark.parametrize("of", ["_Lines", "_Kept"])
def test_a_log_that_fails_ends_no_run(of: str, tmp_path: Path) -> None:
    scenario = fleet(servers=6, projects=2, export_duration_s=0.5)
    with serving(scenario, tmp_path) as service:
        code, written = on_terminal(
            service, "collect", "fleet.json", "-v", "--log-file", "full.log",
            variables=broken(tmp_path, "collector.observe.logs", f"{of}.tell"),
        )  # fmt: skip
    assert code == 0
    assert "Traceback" not in written.decode()
    assert "sitecustomize" not in written.decode(), "nothing was broken"


def test_progress_in_lines_that_fails_ends_no_run(tmp_path: Path) -> None:
    scenario = fleet(servers=6, projects=2, export_duration_s=0.5)
    with serving(scenario, tmp_path) as service:
        variables = broken(tmp_path, "collector.report.glance", "Watch.glance")
        done = service.run("collect", "fleet.json", env=service.environment(**variables))
    assert done.returncode == 0
    assert done.stderr.count("showing progress failed (ZeroDivisionError: broken on pur") == 1
