"""The live page: follows a run where the reader stands, and says when it cannot."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.report.glance import TimeLeft
from collector.report.page import Delta, Note, Page
from tests.support.browser import AXE, context_of, heard, violations
from tests.support.command import fleet_of, servers, serving
from tests.support.fleets import fleet
from tests.support.looked_on import LookedOn, looked_on
from tests.support.onlooking import told as served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab


@contextmanager
def _following(browser: Browser, page: Page) -> Iterator[tuple[Tab, LookedOn]]:
    with looked_on(page) as told, context_of(browser) as context:
        tab = context.new_page()
        complaints = heard(tab)
        tab.goto(told.url)
        tab.wait_for_selector("html[data-ready=all]")
        yield tab, told
        assert [said for said in complaints if "Failed to load" not in said] == []


def _running() -> Page:
    return fleet(300, failed=5, pending=60, running=True)


def _delta(page: Page, revision: int, at: int, **changes: object) -> Delta:
    """One server has changed, and the headline says so."""
    columns = {name: [column[at]] for name, column in msgspec.to_builtins(page.servers).items()}
    for name, value in changes.items():
        columns[name] = [value]
    return Delta(
        revision=revision,
        at=[at],
        rows=msgspec.convert(columns, type(page.servers)),
        notes={str(at): Note("the BMC burns", None, 2)} if changes.get("phase") == 4 else {},
        headline=f"revision {revision}",
        run=page.run,
        totals=page.totals,
        projects=None,
        reasons=None,
        series=None,
        glance=page.glance,
    )


def _ended(page: Page, delta: Delta) -> Delta:
    run = msgspec.structs.replace(page.run, state="partial", finished_at="2026-11-23T09:41:03Z")
    return msgspec.structs.replace(delta, run=run, glance=None)


def test_a_live_page_says_rate_time_left_and_troubles(browser: Browser) -> None:
    with _following(browser, _running()) as (tab, _):
        line = tab.inner_text("#live")
        assert "Live" in line
        assert "14.2 of 15 calls/s" in line
        assert "11 to 15 min left" in line
        assert "its endpoint has not answered" in tab.inner_text("#troubles")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (TimeLeft(5.0, 40.0), "less than a minute left"),
        (TimeLeft(20.0, 900.0), "up to 15 min left"),
        (TimeLeft(900.0, 900.0), "about 15 min left"),
    ],
)
def test_the_time_left_is_no_finer_than_it_is_known(
    browser: Browser, left: TimeLeft, said: str
) -> None:
    page = _running()
    assert page.glance is not None
    page = msgspec.structs.replace(
        page, glance=msgspec.structs.replace(page.glance, time_left=left)
    )
    with _following(browser, page) as (tab, _):
        assert tab.inner_text("#live").endswith(said)


def test_what_changes_is_shown_and_the_reader_stays_where_they_are(browser: Browser) -> None:
    page = _running()
    server = page.servers.phase.index(1)
    with _following(browser, page) as (tab, told):
        tab.fill("#search", "bms")
        tab.click("#states [data-state=pending]")
        tab.evaluate("document.querySelector('#grid').scrollTop = 600")
        name = page.servers.name[server]
        told.send("delta", _delta(page, 2, server, phase=4, ended=700.0, reason=1))
        tab.locator("h1", has_text="Revision 2").wait_for()
        assert tab.evaluate("document.querySelector('#grid').scrollTop") == 600
        assert tab.input_value("#search") == "bms"
        assert tab.inner_text("#matches").startswith("59 of 300")
        tab.fill("#search", "bmc burns")
        tab.click("#states [data-state=failed]")
        assert name in tab.inner_text("#rows .row[aria-rowindex='2']")


def test_open_details_and_the_focus_outlast_a_change(browser: Browser) -> None:
    page = _running()
    server = page.servers.phase.index(2)
    with _following(browser, page) as (tab, told):
        tab.fill("#search", page.servers.name[server])
        tab.locator("#matches", has_text="1 of").wait_for()
        tab.locator("#grid").focus()
        tab.keyboard.press("Enter")
        assert "downloading" in tab.inner_text("#details")
        told.send("delta", _delta(page, 2, server, phase=3, ended=700.0, bytes=123_456_789))
        tab.locator("#details", has_text="123.5 MB").wait_for()
        assert tab.evaluate("document.activeElement.id") == "details"
        assert "collected" in tab.inner_text("#details-state")


def test_a_lost_connection_is_told_and_taken_up_again(browser: Browser) -> None:
    page = _running()
    with _following(browser, page) as (tab, told):
        told.send("delta", _delta(page, 7, 1))
        tab.locator("h1", has_text="Revision 7").wait_for()
        assert told.asked == [("after=e-1", None)]
        tab.route("**/events*", lambda route: route.abort())
        told.hang_up()
        tab.locator("#live", has_text="Connection lost, trying again · as of").wait_for()
        assert tab.is_visible("#rows .row")  # what is known stays
        tab.unroute_all()
        tab.locator("#live", has_text="Live").wait_for()
        assert told.asked[-1][0] == "after=e-1"
        told.send("delta", _delta(page, 8, 1))
        tab.locator("h1", has_text="Revision 8").wait_for()


def test_a_browser_that_connects_again_says_what_it_has(browser: Browser) -> None:
    page = _running()
    with _following(browser, page) as (tab, told):
        told.send("delta", _delta(page, 7, 1))
        tab.locator("h1", has_text="Revision 7").wait_for()
        told.hang_up()
        told.send("delta", _delta(page, 8, 1))
        tab.locator("h1", has_text="Revision 8").wait_for()
        assert told.asked[-1] == ("after=e-1", "e-7")


def test_a_reset_fetches_all_of_it_anew(browser: Browser) -> None:
    page = _running()
    with _following(browser, page) as (tab, told):
        told.page = msgspec.structs.replace(fleet(700, pending=3, running=True), headline="anew")
        told.send("reset")
        tab.locator("h1", has_text="Anew").wait_for()
        assert tab.inner_text("#matches") == "700 servers"
        assert told.fetched == 2


def test_the_end_of_the_run_is_told_and_nothing_more_is_asked_for(browser: Browser) -> None:
    page = _running()
    with _following(browser, page) as (tab, told):
        told.send("ended", _ended(page, _delta(page, 9, 1)))
        tab.locator("#live", has_text="The run has ended").wait_for()
        assert tab.inner_text("h1") == "Revision 9."
        assert not tab.is_visible("#stop")
        streams = len(told.asked)
        told.hang_up()
        tab.wait_for_timeout(300)
        assert len(told.asked) == streams


def test_stop_asks_first_and_says_what_it_is(browser: Browser) -> None:
    with _following(browser, _running()) as (tab, told):
        tab.click("#stop")
        assert tab.evaluate("document.activeElement.id") == "stop-no"
        assert "collector collect --resume /srv/incident-4711" in tab.inner_text("#stop-dialog")
        tab.click("#stop-no")
        assert told.stops == []
        tab.click("#stop")
        told.refuses_to_stop = True
        tab.click("#stop-yes")
        tab.locator("#stop-error", has_text="was not stopped: 500").wait_for()
        told.refuses_to_stop = False
        tab.click("#stop-yes")
        tab.locator("#stop", has_text="Stopping…").wait_for()
        assert [headers["X-Collector"] for headers in told.stops] == ["stop", "stop"]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_live_page(browser: Browser, scheme: str) -> None:
    with looked_on(_running()) as told, context_of(browser, scheme=scheme) as context:
        tab = context.new_page()
        tab.goto(told.url)
        tab.wait_for_selector("html[data-ready=all]")
        tab.locator("#rows .row").first.click()
        assert violations(tab) == []
        tab.click("#stop")
        assert violations(tab) == []


def test_a_run_that_is_served_is_followed_to_its_end(browser: Browser, tmp_path: Path) -> None:
    slow = fleet_of(servers(12), export_duration_s=6.0)
    with serving(slow, tmp_path) as service, context_of(browser) as context:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        try:
            tab = context.new_page()
            complaints = heard(tab)
            tab.goto(served(process, "To stop the run").url)
            tab.wait_for_selector("html[data-ready=all]")
            if AXE.exists():
                assert violations(tab) == []
            tab.locator("#live", has_text="The run has ended").wait_for()
            assert "12 of 12" in re.sub(r"\s+", " ", tab.inner_text("#numbers"))
            assert complaints == []
        finally:
            process.communicate(timeout=60)
