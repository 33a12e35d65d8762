"""Runs whose times are odd: killed long ago, of weeks, of ages, of no time, on a clock set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.support.browser import opened
from tests.support.fleets import fleet, stamp

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from collector.report.page import Page

LABELS = """() => {
  const said = [];
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    if (this.canvas.id === "lanes") said.push(text);
    return draw.call(this, text, ...rest);
  };
  return new Promise((done) => {
    document.getElementById("zoom-all").click();
    setTimeout(() => done(said), 200);
  });
}"""


def _ended(page: Page, at: str | None, state: str = "partial") -> Page:
    run = msgspec.structs.replace(page.run, finished_at=at, state=state)
    return msgspec.structs.replace(page, run=run)


def test_a_run_that_was_killed_took_until_its_last_event(browser: Browser, tmp_path: Path) -> None:
    page = _ended(fleet(20, pending=9, projects=1), None, "interrupted")
    page = msgspec.structs.replace(page, made_at=stamp(9e5), last_event_at=stamp(720))
    with opened(browser, page, tmp_path) as tab:
        assert "to 08:53:03 UTC" in tab.inner_text("#timeline-about")
        assert "Took\n12 min" in tab.inner_text("#numbers")
        assert "2026-11-23 08:41:03 \u2013 08:53:03 UTC" in tab.inner_text("#about")


def test_times_of_a_run_of_weeks_stand_in_the_table_whole(browser: Browser, tmp_path: Path) -> None:
    page = _ended(fleet(20, projects=1), stamp(20 * 86400.0))
    with opened(browser, page, tmp_path) as tab:
        cells = tab.locator("#rows .row:not([hidden]) .cell.ended").all()
        assert cells[0].inner_text().startswith("11-23 08:")
        for cell in cells:
            assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")


def test_a_run_of_ages_has_a_few_times_below_its_timeline(browser: Browser, tmp_path: Path) -> None:
    page = _ended(fleet(300, projects=1), "9999-12-31T23:59:59.999Z")
    with opened(browser, page, tmp_path) as tab:
        labels = tab.evaluate(LABELS)
        assert 2 <= len(labels) < 20


def test_a_run_of_no_time_says_each_time_once(browser: Browser, tmp_path: Path) -> None:
    page = fleet(300, projects=1)
    columns = msgspec.to_builtins(page.servers)
    for column in ("requested", "completed", "ended"):
        columns[column] = [0.0] * 300
    page = msgspec.structs.replace(page, servers=msgspec.convert(columns, type(page.servers)))
    with opened(browser, _ended(page, page.origin), tmp_path) as tab:
        labels = tab.evaluate(LABELS)
        assert labels
        assert len(set(labels)) == len(labels)


def test_what_took_less_than_no_time_is_not_known(browser: Browser, tmp_path: Path) -> None:
    page = fleet(1, projects=1)
    columns = msgspec.to_builtins(page.servers)
    columns |= {"requested": [9.0], "completed": [-259_200.0], "ended": [-259_190.0]}
    page = msgspec.structs.replace(page, servers=msgspec.convert(columns, type(page.servers)))
    with opened(browser, page, tmp_path) as tab:
        assert tab.inner_text("#rows .row:not([hidden]) .cell.export") == ""
        assert tab.inner_text("#rows .row:not([hidden]) .cell.download") == "0:10"
        assert "exported" not in tab.inner_text("#timeline-about")


def test_a_part_that_is_next_to_nothing_is_not_called_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    page = fleet(10)
    totals = msgspec.structs.replace(page.totals, requests=22_000, throttled=6)
    with opened(browser, msgspec.structs.replace(page, totals=totals), tmp_path) as tab:
        assert "under 0.1 % of calls" in tab.inner_text("#numbers")
