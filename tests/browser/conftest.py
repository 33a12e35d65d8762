"""A browser for the tests of pages: one for each module of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser import ARGUMENTS, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")  # its event loop is in the way of other tests'
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
