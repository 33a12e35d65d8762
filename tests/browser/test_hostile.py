"""Names and messages that somebody else chose: they are text, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.report.manifest import ProjectTotals, Totals
from collector.report.page import Gone, Note, Page, Reason
from tests.support.browser import opened
from tests.support.fleets import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

SCRIPT = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
REVERSED = "\u202egnp.exe\u2066\u200f"
ODD = {
    "script": SCRIPT,
    "escapes": "\x1b]0;owned\x07\x1b[31mred\x1b[2J",
    "reversed": REVERSED,
    "long": "x" * 10_000,
    "wide": "\u0e47" * 3000 + "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 500,
    "prototype": "__proto__",
    "template": "{{7*7}}${7*7}%s%n",
    "nothing": "",
    "attribute": '" onfocus="window.owned = 1" autofocus x="',
}


def _with(odd: str) -> Page:
    page = fleet(12, failed=3, pending=1, projects=2)
    columns = msgspec.to_builtins(page.servers)
    columns["name"] = [f"{odd}{at}" for at in range(12)]
    columns["id"] = [f"{odd}-{at}" for at in range(12)]
    columns["path"] = [None if path is None else f"{odd}/../{odd}" for path in columns["path"]]
    columns["path"][1] = f"{odd}/dump.tar.gz"
    totals = Totals(6, 4, 1, 1, 10)
    return msgspec.structs.replace(
        page,
        headline=odd or "x",
        directory=odd,
        run=msgspec.structs.replace(page.run, id=odd, host=odd, user=odd, select=[odd], argv=[odd]),
        projects=[ProjectTotals(odd, odd, odd, odd, totals) for _ in range(2)],
        tags=[{odd or "key": odd} for _ in range(18)],
        servers=msgspec.convert(columns, type(page.servers)),
        reasons=[Reason("failed", odd, odd, 403, odd, odd, 1) for _ in range(5)],
        notes={key: Note(odd, odd, 1) for key in page.notes},
        changes=page.changes
        and msgspec.structs.replace(page.changes, run_id=odd, gone=[Gone(odd, odd, odd)] * 5),
    )


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("size", ["laptop", pytest.param("phone", marks=pytest.mark.deep)])
def test_odd_names_and_messages_are_inert(
    browser: Browser, tmp_path: Path, kind: str, size: str
) -> None:
    with opened(browser, _with(ODD[kind]), tmp_path, size=size) as tab:
        scripts = tab.evaluate("document.scripts.length")
        for at in range(3):
            tab.locator("#rows .row").nth(at).click(position={"x": 5, "y": 5})
            if size == "phone":
                tab.click("#close")
        tab.locator("#lanes").focus()
        tab.keyboard.press("ArrowDown")
        tab.fill("#search", ODD[kind][:50])
        tab.emulate_media(media="print")
        tab.emulate_media(media="screen")
        assert tab.evaluate("window.owned") is None
        assert tab.locator("img").count() == 0
        assert tab.evaluate("document.scripts.length") == scripts
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_path_that_leaves_its_directory_is_no_link(browser: Browser, tmp_path: Path) -> None:
    page = fleet(3, projects=1)
    columns = msgspec.to_builtins(page.servers)
    columns["path"] = ["../../etc/passwd", "/etc/passwd", "javascript:alert(1)"]
    page = msgspec.structs.replace(page, servers=msgspec.convert(columns, type(page.servers)))
    with opened(browser, page, tmp_path) as tab:
        tab.get_by_role("columnheader", name="Server").get_by_role("button").click()
        for row, link in ((2, None), (3, None), (4, "./javascript%3Aalert(1)")):
            tab.click(f"#rows .row[aria-rowindex='{row}']")
            found = tab.locator("#details a")
            assert (found.get_attribute("href") if found.count() else None) == link


def test_a_name_cannot_reorder_what_stands_beside_it(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, _with(REVERSED), tmp_path) as tab:
        for name in tab.locator("#rows .row:not([hidden]) .cell.name").all():
            assert name.locator("bdi").count() == 1
