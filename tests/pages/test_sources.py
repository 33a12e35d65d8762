"""Rules for the sources of the page."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

import pytest

LONGEST: Final = 350
OURS: Final = sorted(
    entry.name
    for entry in files("collector.pages").iterdir()
    if entry.name.endswith((".js", ".css", ".html")) and not entry.name.startswith("uPlot")
)


def _text(name: str) -> str:
    return files("collector.pages").joinpath(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
def test_no_source_is_longer_than_one_reads(name: str) -> None:
    assert len(_text(name).splitlines()) <= LONGEST


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith(".js")])
def test_a_script_is_strict_and_says_what_it_is_about(name: str) -> None:
    first, second, *_ = _text(name).splitlines()
    assert first == '"use strict";'
    assert re.fullmatch(r"// [A-Z].{20,110}[.:]", second)


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_a_run_becomes_html_or_code(name: str) -> None:
    banned = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bstyle="
    )
    assert not re.search(banned, _text(name))


def test_every_script_is_in_a_page() -> None:
    pages = "".join(_text(name) for name in OURS if name.endswith(".html"))
    named = re.findall(r'<script src="([^"]+)">', pages)
    assert {*named} == {name for name in OURS if name.endswith(".js")} | {"uPlot.iife.min.js"}
