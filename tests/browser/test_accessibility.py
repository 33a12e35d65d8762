"""What axe-core says of the page, and vnu of its HTML."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from collector.pages.render import live, static
from tests.support.browser import AXE, VNU, opened, violations
from tests.support.fleets import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
needs_vnu = pytest.mark.skipif(
    not VNU.exists() or shutil.which("java") is None, reason="vnu or java is not installed"
)


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["laptop", pytest.param("phone", marks=pytest.mark.deep)])
def test_axe_finds_nothing_serious_with_servers_a_filter_and_an_open_row(
    browser: Browser, tmp_path: Path, scheme: str, size: str
) -> None:
    with opened(
        browser, fleet(300, failed=20, pending=4), tmp_path, scheme=scheme, size=size
    ) as tab:
        assert violations(tab) == []
        tab.fill("#search", "bms-001")
        assert violations(tab) == []
        tab.fill("#search", "no such server")
        assert violations(tab) == []
        tab.fill("#search", "")
        tab.locator("#rows .row").first.click()
        tab.locator(".plot summary").first.click()
        tab.locator("#lanes").focus()
        assert violations(tab) == []


@needs_axe
@pytest.mark.parametrize("servers", [0, 1])
def test_axe_finds_nothing_serious_in_a_run_of_hardly_any_servers(
    browser: Browser, tmp_path: Path, servers: int
) -> None:
    with opened(browser, fleet(servers, projects=1), tmp_path) as tab:
        assert violations(tab) == []


@needs_vnu
@pytest.mark.parametrize("kind", ["report", "live"])
def test_vnu_finds_no_error_in_the_page(tmp_path: Path, kind: str) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(static(fleet(3)) if kind == "report" else live("data", "events", "stop"))
    assert _vnu(page) == []


@needs_vnu
def test_vnu_finds_no_error_in_what_the_scripts_have_made(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, fleet(60, failed=9, pending=2), tmp_path) as tab:
        tab.locator("#rows .row").first.click()
        tab.locator(".plot summary").first.click()
        html = tab.evaluate("new XMLSerializer().serializeToString(document.doctype) + '\\n' +"
                            " document.documentElement.outerHTML")  # fmt: skip
    page = tmp_path / "made.html"
    page.write_text(html, encoding="utf-8")
    assert [said for said in _vnu(page) if "“style” attribute" not in said] == []


def _vnu(page: Path) -> list[str]:
    said = subprocess.run(
        ["java", "-jar", VNU, "--format", "json", "--exit-zero-always", page],  # noqa: S607
        capture_output=True,
        check=True,
        text=True,
    )
    return [
        f"{one['message']} {one.get('extract', '')[:200]}"
        for one in json.loads(said.stderr)["messages"]
        if one["type"] == "error"
    ]
