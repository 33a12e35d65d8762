from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing import plot

if TYPE_CHECKING:
    from pathlib import Path

TAKEN = {"report.png", "terminal.svg"}  # by docs/pictures.py, of a demo


@pytest.mark.parametrize("picture", plot.PICTURES, ids=lambda picture: str(picture.name))
def test_each_picture_is_what_the_engine_does_now(picture: plot.Picture, root: Path) -> None:
    there = (root / "docs" / "pictures" / picture.file).read_text(encoding="utf-8")
    assert there == plot.draw(picture), "stale: run `make docs`"


def test_every_picture_is_shown_on_a_page_and_said_in_words(pages: list[Path], root: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    shown = {path.name for path in (root / "docs" / "pictures").iterdir()}
    assert shown == {picture.file for picture in plot.PICTURES} | TAKEN
    for name in shown:
        assert re.search(rf"!\[[^]]{{30,}}\]\((docs/)?pictures/{re.escape(name)}\)", text), name


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_picture_of_the_readme_is_small_and_loads_nothing(name: str, root: Path) -> None:
    picture = (root / "docs" / "pictures" / name).read_bytes()
    assert len(picture) < 400_000
    assert b"http" not in picture.replace(b"http://www.w3.org/", b"").replace(b"http://127.", b"")
