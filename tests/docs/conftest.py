from __future__ import annotations

from pathlib import Path

import pytest

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
