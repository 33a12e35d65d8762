"""Pages as HTML files: what is inside, and that nothing else may run or load."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

from collector.pages.render import live, live_policy, static
from tests.support.pages import data_of, page_of

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 \u00e9"
_INSIDE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def test_a_report_holds_all_of_its_page() -> None:
    page = page_of(headline="3 of 4 servers collected", tags=[{"role": "db"}])
    assert data_of(static(page)) == page


def test_the_same_page_makes_the_same_bytes() -> None:
    assert static(page_of()) == static(page_of())


def test_no_text_of_a_run_is_ever_html() -> None:
    page = page_of(headline=HOSTILE, directory=HOSTILE)
    report = static(page)
    assert b"alert(1)" not in report
    assert data_of(report) == page


def test_a_policy_names_each_script_and_style_by_its_hash_and_allows_no_others() -> None:
    text = static(page_of()).decode()
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    inside = _INSIDE.findall(text)
    assert {element for element, _ in inside} == {"script", "style"}
    for element, content in inside:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy.partition(f"{element}-src")[2].partition(";")[0]
    assert policy.count("sha256-") == len(inside)


def test_a_report_names_nothing_beside_it() -> None:
    text = static(page_of()).decode()
    assert not re.findall(r'<script[^>]* src=|<link[^>]* href="(?!data:)|<!-- collector:', text)


def test_a_live_page_is_told_where_its_data_and_its_events_are() -> None:
    text = live("/runs/a&b/data", '/runs/"/events', None).decode()
    content = re.findall(r'name="collector-live" content="([^"]*)"', text)[0]
    assert json.loads(html.unescape(content)) == {
        "data": "/runs/a&b/data",
        "events": '/runs/"/events',
        "stop": None,
    }
    assert 'id="data"' not in text


def test_a_live_page_connects_to_where_it_came_from_and_to_nothing_else() -> None:
    text = live("data", "events").decode()
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert "connect-src 'self'" in policy
    assert live_policy() == f"{policy}; frame-ancestors 'none'"
