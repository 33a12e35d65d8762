"""A report on paper: the verdict, reasons, changes, plots, and the rows that match."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from tests.support.browser import opened
from tests.support.fleets import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


def test_a_report_is_printed_on_a_few_light_pages(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(2000, failed=30), tmp_path, scheme="dark") as tab:
        pdf = tab.pdf(format="A4")
        assert pdf.startswith(b"%PDF-")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
        assert 4 <= pages <= 20
        assert len(zlib.compress(pdf)) < 3_000_000
        assert tab.locator(".printed table").count() == 0  # nothing of it stays on the screen


def test_the_rows_that_match_are_printed_up_to_a_number(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(2000, failed=30), tmp_path) as tab:
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.emulate_media(media="print")
        assert "The first 300 of 2,000 servers" in tab.inner_text("#printed")
        assert tab.locator("#printed tbody tr").count() == 300
        for shown in ("#headline", "#reason-list", "#change-list", ".plot .chart", "#lanes"):
            assert tab.locator(shown).first.is_visible()
        for hidden in ("#grid", ".filters", ".top"):
            assert not tab.is_visible(hidden)
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        tab.emulate_media(media="screen")
        tab.click("#states [data-state=failed]")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.emulate_media(media="print")
        assert "30 servers (filtered)" in tab.inner_text("#printed")
