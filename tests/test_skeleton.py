import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_module_answers_help() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "collector", "--help"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0
    assert "fleet" in answer.stdout


def test_all_that_the_project_needs_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"].values()
    named = [*project["project"]["dependencies"], *(one for group in groups for one in group)]
    needed = {_name(one) for one in named if isinstance(one, str)}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = {_name(line) for line in lines if "==" in line}
    assert needed - pinned == set()


def _name(text: str) -> str:
    found = re.match(r"[\w.-]+", text)
    assert found is not None
    return re.sub(r"[._-]+", "-", found[0]).lower()
