"""A report, read from disk with the network off: verdict, reasons, changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.pages.render import static
from collector.report.manifest import RunTotals
from collector.report.page import Reason
from tests.support.browser import context_of, heard, opened
from tests.support.fleets import fleet
from tests.support.pages import page_of

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


def test_the_verdict_comes_first_with_its_numbers_and_what_to_do(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(1000, failed=20, pending=5), tmp_path) as tab:
        assert tab.inner_text("h1") == "25 of 1,000 servers are missing."
        assert "Stopped at its deadline" in tab.inner_text("#state")
        assert re.search(r"Collected\s+975 of 1,000", tab.inner_text("#numbers"))
        assert re.search(r"Failed\s+20 2.0 %", tab.inner_text("#numbers"))
        about = tab.inner_text("#about")
        assert "20261123T084103Z-7f3a" in about
        assert "oncall on ops-1" in about
        assert "project=payments or tag:role=db" in about
        following = tab.inner_text("#next")
        assert "check the id" in following
        assert "collector collect --resume /srv/incident-4711" in following
        assert tab.title().startswith("25 of 1,000 servers are missing")


def test_a_complete_run_is_told_how_to_prove_it(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(10), tmp_path) as tab:
        assert "collector verify /srv/incident-4711" in tab.inner_text("#next")
        assert not tab.is_visible("#reasons")


def test_a_demos_report_suggests_nothing_that_needs_its_emulator(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(10, failed=2, pending=1)
    run = msgspec.structs.replace(page.run, argv=["collector", "demo"])
    with opened(browser, msgspec.structs.replace(page, run=run), tmp_path) as tab:
        following = tab.inner_text("#next")
        assert "collector verify /srv/incident-4711" in following
        assert "collector collect" not in following


@pytest.mark.parametrize("servers", [0, 1, 10, 1000])
@pytest.mark.parametrize("size", ["phone", "laptop", pytest.param("wide", marks=pytest.mark.deep)])
def test_a_run_of_any_size_fits_any_screen(
    browser: Browser, tmp_path: Path, servers: int, size: str
) -> None:
    page = fleet(servers, failed=servers // 50, projects=max(1, min(40, servers // 5)))
    with opened(browser, page, tmp_path, size=size) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.locator("#grid").get_attribute("aria-rowcount") == str(servers + 1)


def test_a_reason_filters_the_table_and_its_servers_open(browser: Browser, tmp_path: Path) -> None:
    page = fleet(400, failed=30)
    many = page.reasons[0].servers
    with opened(browser, page, tmp_path) as tab:
        reason = tab.locator(".reason", has_text="Insufficient permissions.")
        assert str(many) in reason.inner_text()
        reason.click()
        assert tab.inner_text("#matches") == f"{many} of 400 servers match"
        assert reason.get_attribute("aria-pressed") == "true"
        reason.click()
        assert tab.inner_text("#matches") == "400 servers"
        first = tab.locator("#reason-list .link").first
        name = first.inner_text()
        first.click()
        assert tab.inner_text("#details-name") == name


def test_changes_since_another_run_filter_the_table(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(400, failed=30), tmp_path) as tab:
        assert "20261122T084100Z-11ce" in tab.inner_text("#changes-about")
        for label, many in (("New", 8), ("Failing now", 15)):
            tab.locator("button.change", has_text=label).click()
            assert tab.inner_text("#matches") == f"{many} of 400 servers match"
        tab.locator("#group").click()
        assert tab.inner_text("#matches") == "400 servers"


def test_an_outlier_is_named_beside_the_rest_of_its_project(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(400), tmp_path) as tab:
        assert "bms-00005 (payments)" in tab.inner_text("#outliers")
        tab.locator("#outliers .link", has_text="bms-00005").first.click()
        assert tab.inner_text("#details-name") == "bms-00005"


def test_times_are_in_utc_until_one_asks_for_the_local_zone(
    browser: Browser, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_bytes(static(fleet(3, projects=1)))
    with context_of(browser, offline=True) as before:
        context = (
            before.browser.new_context(timezone_id="Asia/Shanghai") if before.browser else None
        )
        assert context is not None
        tab = context.new_page()
        complaints = heard(tab)
        tab.goto(report.as_uri())
        tab.wait_for_selector("html[data-ready=all]")
        assert "2026-11-23 08:41:03" in tab.inner_text("#about")
        tab.click("#zone")
        assert "2026-11-23 16:41:03" in tab.inner_text("#about")
        assert "UTC+08:00" in tab.inner_text("#zone")
        assert complaints == []
        context.close()


def test_a_file_that_was_cut_says_so(browser: Browser, tmp_path: Path) -> None:
    whole = static(fleet(100))
    at = whole.index(b'id="data">') + 2000
    report = tmp_path / "report.html"
    report.write_bytes(whole[:at] + whole[whole.index(b"</script>", at) :])
    with context_of(browser, offline=True) as context:
        tab = context.new_page()
        tab.goto(report.as_uri())
        tab.wait_for_selector("#reading[role=alert]")
        assert "The file may be cut; make it anew: collector report." in tab.inner_text("#reading")


def test_reasons_beyond_the_first_are_shown_when_asked_for(
    browser: Browser, tmp_path: Path
) -> None:
    reasons = [
        Reason("pending", "export", None, None, f"no {at}", f"do {at}", 1) for at in range(30)
    ]
    totals = RunTotals(30, 0, 0, 30, 0, 0, 0, "exact")
    with opened(browser, page_of(reasons=reasons, totals=totals), tmp_path) as tab:
        assert tab.locator(".reason").count() == 8
        tab.get_by_text("Show all 30 reasons").click()
        assert tab.locator(".reason").count() == 30
