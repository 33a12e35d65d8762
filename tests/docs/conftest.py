from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture
def root() -> Path:
    """The project's directory."""
    return ROOT


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    """Each page of the documentation in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def pages() -> list[Path]:
    """All pages of the documentation."""
    return PAGES


@pytest.fixture
def render(root: Path) -> ModuleType:
    """The script that renders the pages."""
    spec = importlib.util.spec_from_file_location("render", root / "docs" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
