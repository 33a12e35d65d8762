"""The table of servers: found, filtered, sorted, opened, and followed with the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.support.browser import opened
from tests.support.fleets import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

FIRST = "#rows .row[aria-rowindex='2']"


def test_a_text_finds_servers_by_name_id_project_tag_and_message(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(800, failed=40)
    with opened(browser, page, tmp_path) as tab:
        for text, many in (
            ("bms-00123", 1),
            ("BMS-0012", 10),
            (page.servers.id[7], 1),
            ("ledger", 100),
            ("rack=r3 role=db", sum(tag == 3 for tag in page.servers.tags)),
            ("gzip is damaged", page.reasons[1].servers),
            ("nothing like that", 0),
        ):
            tab.fill("#search", text)
            tab.locator("#matches", has_text=f"{many} of 800 servers match").wait_for()
        assert tab.is_visible("#none")
        tab.click("#clear-none")
        assert tab.inner_text("#matches") == "800 servers"


def test_a_state_a_project_and_a_reason_filter_together(browser: Browser, tmp_path: Path) -> None:
    page = fleet(800, failed=40, pending=10)
    of_project = sum(
        project == 2 and phase == 4
        for project, phase in zip(page.servers.project, page.servers.phase, strict=True)
    )
    with opened(browser, page, tmp_path) as tab:
        tab.click("#states [data-state=failed]")
        assert tab.inner_text("#matches") == "40 of 800 servers match"
        tab.select_option("#project", label="search")
        assert tab.inner_text("#matches").startswith(f"{of_project} of 800")
        tab.click("#states [data-state=pending]")
        tab.select_option("#reason", index=1)
        assert tab.inner_text("#matches").startswith("0 of 800")


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [("Server", "bms-00000", "bms-00399"), ("Size", "539", None), ("Export", None, None)],
)
def test_any_column_sorts_both_ways(
    browser: Browser, tmp_path: Path, column: str, first: str | None, last: str | None
) -> None:
    with opened(browser, fleet(400, failed=20), tmp_path) as tab:
        head = tab.get_by_role("columnheader", name=column, exact=True)
        head.get_by_role("button").click()
        way = head.get_attribute("aria-sort")
        assert way == ("ascending" if column == "Server" else "descending")
        before = tab.inner_text(FIRST)
        if first and column == "Server":
            assert first in before
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") != way
        assert tab.inner_text(FIRST) != before
        if last:
            assert last in tab.inner_text(FIRST)


def test_what_has_no_value_comes_last_whichever_way_it_is_sorted(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(400, failed=20), tmp_path) as tab:
        size = tab.get_by_role("columnheader", name="Size", exact=True).get_by_role("button")
        for _ in range(2):
            size.click()
            tab.locator("#grid").press("End")
            assert "failed" in tab.inner_text(".row.active")
            tab.locator("#grid").press("Home")
            assert "MB" in tab.inner_text(".row.active")


def test_the_keyboard_alone_finds_follows_and_opens_a_server(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(1000, failed=3), tmp_path) as tab:
        tab.keyboard.press("/")
        tab.keyboard.type("payments")
        tab.locator("#matches", has_text="125 of").wait_for()
        tab.locator("#grid").focus()
        assert _row(tab) == 2
        for key, row in (("ArrowDown", 3), ("End", 126), ("ArrowDown", 126), ("ArrowUp", 125),
                         ("Home", 2)):  # fmt: skip
            tab.keyboard.press(key)
            assert _row(tab) == row
        tab.keyboard.press("PageDown")
        assert _row(tab) > 8
        name = tab.inner_text(".row.active .name")
        tab.keyboard.press("Enter")
        assert tab.inner_text("#details-name") == name
        assert tab.evaluate("document.activeElement.id") == "details"
        tab.keyboard.press("Escape")
        assert not tab.is_visible("#details")
        assert tab.evaluate("document.activeElement.id") == "grid"
        tab.keyboard.press("Escape")
        assert tab.inner_text("#matches") == "1,000 servers"


def _row(tab: Tab) -> int:
    """Where the cursor is: the row that the grid says is active, which is in sight."""
    row = tab.locator(f"#{tab.locator('#grid').get_attribute('aria-activedescendant')}")
    assert row.is_visible()
    assert row.get_attribute("aria-selected") == "true"
    return int(row.get_attribute("aria-rowindex") or 0)


def test_what_one_sees_is_in_the_address_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    page = fleet(400, failed=40)
    with opened(browser, page, tmp_path) as tab:
        tab.fill("#search", "bms-000")
        tab.click("#states [data-state=failed]")
        tab.select_option("#project", label="payments")
        tab.click(FIRST)
        tab.wait_for_url("**server=*")
        matches, name = tab.inner_text("#matches"), tab.inner_text("#details-name")
        tab.reload()
        tab.wait_for_selector("html[data-ready=all]")
        assert (tab.inner_text("#matches"), tab.inner_text("#details-name")) == (matches, name)
        assert tab.input_value("#search") == "bms-000"


@pytest.mark.parametrize(
    "odd", ["reason=99&state=__proto__&project=x&server=y", "find=%00%ff<b>&reason=-7", "%%%&&=&="]
)
def test_an_odd_address_asks_for_nothing(browser: Browser, tmp_path: Path, odd: str) -> None:
    with opened(browser, fleet(40, failed=4), tmp_path) as tab:
        tab.goto(f"{tab.url}#{odd}")
        tab.wait_for_timeout(50)
        assert not tab.is_visible("#details")
        assert tab.locator("#states [aria-pressed=true]").get_attribute("data-state") == "all"


def test_details_tell_a_servers_way_and_link_its_archive(browser: Browser, tmp_path: Path) -> None:
    page = fleet(40, failed=4)
    with opened(browser, page, tmp_path) as tab:
        tab.fill("#search", "bms-00007")
        tab.locator(FIRST, has_text="bms-00007").click()
        details = tab.inner_text("#details")
        for said in ("Waited", "Exported", "Downloaded", "Collected at", page.servers.id[7],
                     "rack=r7", "https://bms.cn-east-3.example.com"):  # fmt: skip
            assert said in details
        href = tab.locator("#details a").get_attribute("href")
        assert href == f"./{page.servers.path[7]}"


def test_details_tell_why_a_server_failed_and_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(40, failed=4), tmp_path) as tab:
        tab.click("#states [data-state=failed]")
        tab.click(FIRST)
        details = tab.inner_text("#details")
        assert "Why it failed" in details
        assert "retry-failed" in details or "check the id" in details
        assert "request id req-" in details
        assert "4 tries" in details


def test_the_time_of_earlier_exports_is_not_called_waiting_alone(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(40, failed=4)
    attempts = [2 if server == 7 else 1 for server in range(40)]
    page = msgspec.structs.replace(
        page, servers=msgspec.structs.replace(page.servers, attempts=attempts)
    )
    with opened(browser, page, tmp_path) as tab:
        for name, said in (("bms-00007", "Waited and tried before "), ("bms-00008", "Waited ")):
            tab.fill("#search", name)
            tab.press("#search", "Enter")
            tab.locator("#details-name", has_text=name).wait_for()
            details = tab.inner_text("#details")
            assert said in details
            assert ("tried before" in details) == (name == "bms-00007")


def test_a_hundred_thousand_servers_are_scrolled_sorted_and_found(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(100_000, failed=5000, projects=40), tmp_path) as tab:
        assert tab.locator("#rows .row").count() < 60
        tab.locator("#grid").focus()
        tab.keyboard.press("End")
        assert _row(tab) == 100_001
        tab.get_by_role("columnheader", name="Server", exact=True).get_by_role("button").click()
        tab.locator("#grid").press("Home")
        assert "bms-00000" in tab.inner_text(".row.active")
        tab.fill("#search", "bms-09999")
        tab.locator("#matches", has_text="1 of").wait_for()
        tab.click(FIRST)
        assert tab.inner_text("#details-name") == "bms-09999"
        tab.fill("#search", "")
        tab.click("#states [data-state=failed]")
        assert tab.inner_text("#matches") == "5,000 of 100,000 servers match"


def test_from_the_search_down_goes_to_the_rows_and_enter_opens_the_first(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(1000, failed=3), tmp_path) as tab:
        tab.keyboard.press("/")
        tab.keyboard.type("bms-0012")
        tab.keyboard.press("ArrowDown")
        assert tab.evaluate("document.activeElement.id") == "grid"
        assert _row(tab) == 2
        assert tab.inner_text("#matches") == "10 of 1,000 servers match"
        tab.keyboard.press("/")
        tab.keyboard.type("bms-00129")
        tab.keyboard.press("Enter")
        assert tab.inner_text("#details-name") == "bms-00129"
        assert tab.evaluate("document.activeElement.id") == "details"


def test_what_is_found_is_in_sight_while_one_types(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(1000, failed=30), tmp_path) as tab:
        tab.keyboard.press("/")
        tab.keyboard.type("bms-00123")
        tab.locator("#matches", has_text="1 of 1,000 servers matches").wait_for()
        for place in ("#search", FIRST):
            box = tab.locator(place).bounding_box()
            assert box is not None
            assert tab.viewport_size is not None
            assert 0 <= box["y"] <= tab.viewport_size["height"] - box["height"]


def test_a_server_that_failed_has_as_many_tries_as_its_reason_says(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(40, failed=4)
    page = msgspec.structs.replace(
        page, servers=msgspec.structs.replace(page.servers, attempts=[1] * 40)
    )
    with opened(browser, page, tmp_path) as tab:
        tab.click("#states [data-state=failed]")
        heads = tab.get_by_role("columnheader").all_inner_texts()
        cell = tab.locator(f"{FIRST} > *").nth([head.strip() for head in heads].index("Tries"))
        assert cell.inner_text() == "4"


def test_reasons_that_differ_only_in_where_they_were_met_can_be_told_apart(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(40, failed=4)
    reasons = [
        msgspec.structs.replace(page.reasons[0], stage=stage) for stage in ("export", "status")
    ]
    page = msgspec.structs.replace(page, reasons=[*reasons, *page.reasons[2:]])
    with opened(browser, page, tmp_path) as tab:
        choices = tab.locator("#reason option").all_inner_texts()
        assert len(set(choices)) == len(choices)
