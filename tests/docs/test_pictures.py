from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.pacing import plot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("picture", plot.PICTURES, ids=lambda picture: str(picture.name))
def test_each_picture_is_what_the_engine_does_now(picture: plot.Picture, root: Path) -> None:
    there = (root / "docs" / "pictures" / picture.file).read_text(encoding="utf-8")
    assert there == plot.draw(picture), "stale: run `make docs`"


def test_every_picture_is_shown_on_a_page(pages: list[Path], root: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    shown = {path.name for path in (root / "docs" / "pictures").iterdir()}
    assert shown == {picture.file for picture in plot.PICTURES}
    assert {name for name in shown if f"](pictures/{name})" not in text} == set()
