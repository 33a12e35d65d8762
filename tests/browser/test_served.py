"""Pages as the commands serve them, in a real browser: live, hostile names and all."""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import command
from tests.support.browser import AXE, context_of, heard, violations
from tests.support.command import fleet_of, servers, serving
from tests.support.onlooking import told

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

RUNS = Path(__file__).parents[1] / "fixtures" / "runs"
HOSTILE = (
    b"<script>alert(1)<b>",
    b"<img src=x onerror=alert(1)>",
    b"\x1b[31mred",
    "\u202egnp.exe".encode(),
    b"\xff\xfe",
    b"n" * 255,
)


@contextmanager
def tab_of(browser: Browser, scheme: str = "light", size: str = "laptop") -> Iterator[Tab]:
    """A page of a browser that has seen nothing yet, and complains about nothing."""
    with context_of(browser, scheme=scheme, size=size) as context:
        tab = context.new_page()
        complaints = heard(tab)
        tab.on("dialog", lambda dialog: pytest.fail(dialog.message))
        yield tab
        assert [said for said in complaints if "net::ERR_" not in said] == []


@contextmanager
def listing(out: Path) -> Iterator[str]:
    process = command.start("serve", str(out), "--listen", "127.0.0.1:0", cwd=out.parent)
    try:
        yield told(process).url
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_run_is_followed_from_the_url_with_the_token_to_its_end(
    browser: Browser, tmp_path: Path
) -> None:
    fleet = fleet_of(servers(6), export_duration_s=6.0)
    with serving(fleet, tmp_path) as service, tab_of(browser) as tab:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        with process:
            page = told(process, "To stop the run")
            tab.goto(str(page.url_with_token))
            tab.locator("#live", has_text="Live").wait_for()
            assert tab.url == page.url  # the token is not in the history
            assert tab.evaluate("document.cookie") == ""
            tab.locator("#stop").wait_for()
            tab.locator("#live", has_text="The run has ended").wait_for()
            process.communicate()
        tab.locator("h1", has_text="All 6 servers collected").wait_for()
        assert tab.locator("#rows .row", has_text="collected").count() == 6


def test_the_button_stops_the_run(browser: Browser, tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=60.0)
    with serving(fleet, tmp_path) as service, tab_of(browser) as tab:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        with process:
            page = told(process, "To stop the run")
            service.wait_for_export("id-1")
            tab.goto(str(page.url_with_token))
            tab.click("#stop")
            tab.click("#stop-yes")
            tab.locator("#state", has_text="Interrupted").wait_for()
            process.communicate()
        assert process.returncode == 130


def test_without_the_token_there_is_no_button(browser: Browser, tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=60.0)
    with serving(fleet, tmp_path) as service, tab_of(browser) as tab:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        with process:
            page = told(process, "To stop the run")
            tab.goto(page.url)
            tab.locator("#live", has_text="Live").wait_for()
            assert tab.locator("#stop").is_hidden()
            process.kill()
            process.communicate()


def test_a_page_says_that_its_collector_is_gone_and_goes_on_with_the_next(
    browser: Browser, tmp_path: Path
) -> None:
    fleet = fleet_of(servers(4), export_duration_s=8.0)
    with serving(fleet, tmp_path) as service, tab_of(browser) as tab:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        page = told(process, "To stop the run")
        service.wait_for_export("id-3")
        tab.goto(page.url)
        tab.locator("#live", has_text="Live").wait_for()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        tab.locator("#live", has_text="Connection lost").wait_for()
        assert tab.locator("#rows .row").count() == 4
        address = page.url.removeprefix("http://").strip("/")
        again = service.start("collect", "--resume", "latest", "--serve", address)
        with again:
            tab.locator("#live", has_text="The run has ended").wait_for()
            again.communicate()
        tab.locator("h1", has_text="All 4 servers collected").wait_for()


def test_the_list_leads_to_each_run_and_back(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "collected"
    shutil.copytree(RUNS, out)
    with listing(out) as url, tab_of(browser) as tab:
        tab.goto(url)
        tab.locator("#rows a", has_text="finished").click()
        tab.locator("#live", has_text="The run has ended").wait_for()
        tab.locator("a", has_text="All runs").click()
        tab.locator("#rows a", has_text="killed").click()
        tab.locator("#live", has_text="live again once it is resumed").wait_for()
        assert "Killed: " in tab.title()


def test_runs_that_begin_later_show_up(browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "collected"
    with listing(out) as url, tab_of(browser) as tab:
        tab.goto(url)
        tab.locator("#none", has_text="cannot list the runs").wait_for()
        out.mkdir()
        tab.locator("#none", has_text="no runs here yet").wait_for()
        shutil.copytree(RUNS / "finished", out / "finished")
        tab.locator("#rows a", has_text="finished").wait_for()
        assert tab.locator("#none").is_hidden()


def test_hostile_names_are_inert_in_the_list_and_lead_to_their_runs(
    browser: Browser, tmp_path: Path
) -> None:
    out = tmp_path / "collected"
    out.mkdir()
    for name in HOSTILE:
        shutil.copytree(RUNS / "finished", out / os.fsdecode(name))
    with listing(out) as url, tab_of(browser) as tab:
        tab.goto(url)
        tab.locator("#rows a").nth(len(HOSTILE) - 1).wait_for()
        text = tab.inner_text("#rows")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert tab.locator("#rows script, #rows img").count() == 0
        for number in range(len(HOSTILE)):
            tab.goto(url)
            tab.locator("#rows a").nth(number).click()
            tab.wait_for_selector("html[data-ready=all]")
            tab.locator("#live", has_text="The run has ended").wait_for()


def test_another_page_reads_nothing_and_stops_nothing(browser: Browser, tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=60.0)
    with serving(fleet, tmp_path) as service, context_of(browser) as context:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        with process:
            page = told(process, "To stop the run")
            context.new_page().goto(str(page.url_with_token))  # the browser has the cookie
            other = context.new_page()
            context.route("http://evil.example/", lambda route: route.fulfill(body="<p>evil"))
            other.goto("http://evil.example/")
            said = other.evaluate(
                """async (url) => {
                    const tried = async (path, options) => {
                        try { return await (await fetch(url + path, options)).text(); }
                        catch { return "refused"; }
                    };
                    const frame = document.createElement("iframe");
                    frame.src = url;
                    document.body.append(frame);
                    await new Promise((resolve) => {
                        frame.onload = resolve;
                        setTimeout(resolve, 3000);
                    });
                    let framed = "refused";
                    try { framed = frame.contentDocument.body.innerText; } catch {}
                    const headers = {"X-Collector": "stop"};
                    return [
                        await tried("data", {credentials: "include"}),
                        await tried("stop", {method: "POST", credentials: "include", headers}),
                        framed,
                    ];
                }""",
                page.url,
            )
            assert said == ["refused", "refused", "refused"]
            assert process.poll() is None
            process.kill()
            process.communicate()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_axe_finds_nothing_serious_in_the_list(
    browser: Browser, tmp_path: Path, scheme: str, size: str
) -> None:
    shutil.copytree(RUNS, tmp_path / "collected")
    with listing(tmp_path / "collected") as url, tab_of(browser, scheme, size) as tab:
        tab.goto(url)
        tab.locator("#rows a", has_text="finished").wait_for()
        assert violations(tab) == []
