"""What the pages show as output is what the command prints today."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

WRITTEN = re.compile(r"<!-- begin: .*?<!-- end: [^>]+ -->", re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LANGUAGES = ("text", "console", "json", "")
NO_OUTPUT = (
    "collected/latest ->",  # a run's directory, explained
    "OUT/latest ->",  # the same
    "                 ┌──",  # a drawing
    "30 2 * * *",  # a line for cron
)
"""How blocks begin that no command prints."""


@pytest.fixture(scope="module")
def samples(request: pytest.FixtureRequest) -> ModuleType:
    path = request.config.rootpath / "docs" / "samples.py"
    spec = importlib.util.spec_from_file_location("samples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_sample_is_what_is_printed_today(samples: ModuleType, pages: list[Path]) -> None:
    recorded = samples.recorded()
    shown: set[str] = set()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        shown |= {section["name"] for section in samples.SECTION.finditer(text)}
        assert samples.with_samples(text, recorded) == text, f"{page} is stale: run `make docs`"
    assert shown == set(recorded)


def test_no_page_shows_output_that_nobody_records(page: Path) -> None:
    text = WRITTEN.sub("", page.read_text(encoding="utf-8"))
    blocks = [block for language, block in BLOCK.findall(text) if language in LANGUAGES]
    unknown = [block for block in blocks if not block.startswith(NO_OUTPUT)]
    assert unknown == [], "record it in docs/samples.py, or say that it is no output"


def test_a_sample_is_rewritten_only_where_words_have_changed(samples: ModuleType) -> None:
    page = (
        "<!-- begin: sample x -->\n```text\nRun 20261129T130827Z-abcd: 58 of 60 servers,\n9.6 MB\n"
        "```\n<!-- end: sample x -->\n"
    )
    same = "Run 20271129T130827Z-2b67: 7 of 8 servers, 11 kB\n"
    assert samples.with_samples(page, {"x": same}) == page
    other = samples.with_samples(page, {"x": "Run 20271129T130827Z-2b67: 7 of 8 hosts, 11 kB\n"})
    assert "7 of 8 hosts" in other
    with pytest.raises(LookupError, match="no sample 'x'"):
        samples.with_samples(page, {})
