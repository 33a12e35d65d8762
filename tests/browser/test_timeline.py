"""The timeline and the plots: followed with the keyboard, in words, with the table's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.browser import opened
from tests.support.fleets import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab


def _said(tab: Tab) -> str:
    said = tab.locator("#lanes").get_attribute("aria-valuetext") or ""
    assert said == tab.inner_text("#lane")
    return said


def test_the_keyboard_follows_lanes_which_say_what_they_are(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(10, failed=1, projects=2), tmp_path) as tab:
        tab.locator("#lanes").focus()
        assert "bms-0000" in _said(tab)
        seen = {_said(tab)}
        for _ in range(9):
            tab.keyboard.press("ArrowDown")
            seen.add(_said(tab))
        assert len(seen) == 10
        assert sum("failed at" in said for said in seen) == 1
        assert all("waited" in said for said in seen)
        last = _said(tab)
        tab.keyboard.press("ArrowDown")
        assert _said(tab) == last
        tab.keyboard.press("Enter")
        assert tab.inner_text("#details-name") in last


def test_many_servers_share_lanes_and_are_looked_at_closer(
    browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, fleet(5000, failed=40), tmp_path) as tab:
        assert "5,000 servers, 14 to a lane" in tab.inner_text("#timeline-about")
        tab.locator("#lanes").focus()
        assert "14 servers, bms-" in _said(tab)
        tab.keyboard.press("Enter")
        assert "2 to a lane" in tab.inner_text("#timeline-about")
        tab.keyboard.press("Enter")
        assert "a lane each" in tab.inner_text("#timeline-about")
        tab.keyboard.press("Escape")
        assert "5,000 servers, 14 to a lane" in tab.inner_text("#timeline-about")


def test_the_tables_filter_is_the_timelines_too(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(1000, failed=7), tmp_path) as tab:
        tab.click("#states [data-state=failed]")
        assert "7 of 1,000 servers, a lane each" in tab.inner_text("#timeline-about")
        tab.locator("#lanes").focus()
        assert "failed at" in _said(tab)
        name = _said(tab).split()[0]
        assert name in tab.inner_text(".row.active")


def test_a_stretch_of_time_is_zoomed_into_and_left(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(50), tmp_path) as tab:
        whole = tab.inner_text("#timeline-about")
        tab.locator("#lanes").focus()
        tab.keyboard.press("+")
        zoomed = tab.inner_text("#timeline-about")
        assert zoomed != whole
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#timeline-about") not in {zoomed, whole}
        tab.keyboard.press("0")
        assert tab.inner_text("#timeline-about") == whole
        box = tab.locator("#lanes").bounding_box()
        assert box is not None
        tab.mouse.move(box["x"] + 100, box["y"] + 30)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 300, box["y"] + 30, steps=3)
        tab.mouse.up()
        assert tab.inner_text("#timeline-about") != whole
        tab.click("#zoom-all")
        assert tab.inner_text("#timeline-about") == whole


def test_each_plot_has_a_sentence_and_a_table(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(3000, failed=30), tmp_path) as tab:
        plots = tab.locator(".plot")
        assert plots.count() == 3
        text = tab.inner_text("#plots")
        for said in ("refused with 429", "At the end the limit of the account was",
                     "arrived, at most", "Half of the servers were here by"):  # fmt: skip
            assert said in text
        for at in range(3):
            assert plots.nth(at).locator("canvas").count() == 1
            assert plots.nth(at).locator("table").count() == 0
            plots.nth(at).locator("summary").click()
            plots.nth(at).locator("tbody tr").first.wait_for()
            assert plots.nth(at).locator("tbody tr").count() > 100
