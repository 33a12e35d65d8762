"""The glossary: sorted, without doubles, and true to the modules that it names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def entries(root: Path) -> list[tuple[str, str]]:
    """Terms and what is said of them, in the order of the page."""
    text = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^\*\*([^*]+?)\.?\*\*(.*?)(?=^\*\*|\Z)", text, re.DOTALL | re.MULTILINE)


def test_every_entry_names_a_module_that_exists(entries: list[tuple[str, str]], root: Path) -> None:
    for term, meaning in entries:
        places = re.findall(r"`(collector/\S+)`", meaning)
        assert places, f"{term}: no module"
        for place in places:
            assert (root / place).is_file(), f"{term}: there is no {place}"


def test_no_term_is_listed_twice_and_all_are_in_order(entries: list[tuple[str, str]]) -> None:
    terms = [term.lower() for term, _ in entries]
    assert len(terms) > 60
    assert terms == sorted(set(terms))
