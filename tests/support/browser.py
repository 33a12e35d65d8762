"""A page in a real browser that has no network: what it shows, and all that it complains about."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.pages.render import static

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as Tab

    from collector.report.page import Page

NODE_MODULES: Final = Path(__file__).parents[1] / "browser" / "node_modules"
AXE: Final = NODE_MODULES / "axe-core" / "axe.min.js"
VNU: Final = NODE_MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
SIZES: Final = {"phone": (360, 740), "laptop": (1366, 768), "wide": (1920, 1080)}
ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--no-first-run",
]  # fmt: skip
SERIOUS: Final = {"serious", "critical"}


def chromium() -> str | None:
    """Where Chromium is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def opened(
    browser: Browser,
    page: Page | bytes,
    at: Path,
    *,
    size: str = "laptop",
    scheme: Any = "light",  # noqa: ANN401  # light or dark
    media: Any = None,  # noqa: ANN401  # print
) -> Iterator[Tab]:
    """A report, opened from disk with the network off.

    Whatever the page complains about in the meantime fails the test.
    """
    report = at / "report.html"
    report.write_bytes(page if isinstance(page, bytes) else static(page))
    with context_of(browser, size=size, scheme=scheme, offline=True) as context:
        tab = context.new_page()
        complaints = heard(tab)
        if media:
            tab.emulate_media(media=media)
        tab.goto(report.as_uri())
        tab.wait_for_selector("html[data-ready=all]")
        yield tab
        assert complaints == []


@contextmanager
def context_of(
    browser: Browser,
    *,
    size: str = "laptop",
    scheme: Any = "light",  # noqa: ANN401  # light or dark
    offline: bool = False,
) -> Iterator[BrowserContext]:
    """A browser that has seen nothing yet."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        offline=offline,
    )
    context.set_default_timeout(20_000)
    try:
        yield context
    finally:
        context.close()


def heard(tab: Tab) -> list[str]:
    """What a page complains about from now on: errors, warnings, breaches of its own policy."""
    complaints: list[str] = []
    tab.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    tab.on("pageerror", lambda error: complaints.append(f"{error}\n{error.stack}"))
    tab.add_init_script(
        "addEventListener('securitypolicyviolation', (event) =>"
        " console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
    )
    return complaints


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def violations(tab: Tab) -> list[str]:
    """What axe-core finds wrong with a page as it stands, if it is serious."""
    tab.evaluate(_axe())
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:150] for node in one['nodes'][:4]]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]
