from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def test_every_page_says_what_the_code_says(page: Path, render: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert render.rendered(text) == text, "stale: run `make docs`"


def test_every_section_has_its_place_on_a_page(pages: list[Path], render: ModuleType) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for name in render.SECTIONS:
        assert f"<!-- begin: {name} -->" in text


def test_a_stale_section_is_written_anew_and_the_rest_is_left_alone(render: ModuleType) -> None:
    text = "before\n<!-- begin: regions -->\nstale\n<!-- end: regions -->\nafter\n"
    fresh = render.rendered(text)
    assert fresh.startswith("before\n<!-- begin: regions -->\n| region |")
    assert fresh.endswith("\n<!-- end: regions -->\nafter\n")
    assert "stale" not in fresh
    assert render.rendered(fresh) == fresh


@pytest.mark.parametrize("name", ["rumours", "help dance", "help collect dance"])
def test_a_section_that_nobody_knows_is_refused(name: str, render: ModuleType) -> None:
    with pytest.raises(LookupError):
        render.rendered(f"<!-- begin: {name} -->\n<!-- end: {name} -->")


def test_check_answers_1_for_a_stale_page_and_leaves_it_as_it_is(
    tmp_path: Path, render: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = "<!-- begin: regions -->\nstale\n<!-- end: regions -->\n"
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    for path in (page, tmp_path / "README.md", tmp_path / "CONTRIBUTING.md"):
        path.write_text(stale, encoding="utf-8")
    monkeypatch.setattr(render, "HERE", page.parent)
    assert render.main(["--check"]) == 1
    assert page.read_text(encoding="utf-8") == stale
    assert render.main([]) == 0
    assert page.read_text(encoding="utf-8") != stale
    assert render.main(["--check"]) == 0


def test_the_script_runs_as_a_program(root: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(root / "docs" / "render.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
