"""Pages made up by hand, and what is inside one."""

from __future__ import annotations

import base64
import gzip
import re
from typing import Any

import msgspec

from collector.report.manifest import Inventory, JournalHead, Run, RunTotals
from collector.report.page import VERSION, Page, Series, Servers

AT = "2026-11-23T08:41:03Z"
_DATA = re.compile(rb'<script type="application/octet-stream" id="data">([^<]*)</script>')


def page_of(**changes: Any) -> Page:  # noqa: ANN401  # whatever a page's member is
    """A page of a run of no servers, with these members changed."""
    members: dict[str, Any] = {
        "version": VERSION,
        "made_at": AT,
        "collector": "0.1.0",
        "origin": AT,
        "directory": "collected/20261123T084103Z-7f3a",
        "manifest_sha256": None,
        "headline": "no servers were selected",
        "run": run_of(),
        "totals": RunTotals(0, 0, 0, 0, 0, 0, 0, "exact"),
        "projects": [],
        "tags": [],
        "servers": servers_of(),
        "reasons": [],
        "notes": {},
        "series": Series(1.0, [], [], [], [], [], []),
        "changes": None,
        "glance": None,
    }
    return Page(**{**members, **changes})


def run_of(**changes: Any) -> Run:  # noqa: ANN401  # as above
    members: dict[str, Any] = {
        "id": "20261123T084103Z-7f3a",
        "state": "complete",
        "started_at": AT,
        "finished_at": AT,
        "inventory": Inventory("fleet.yaml", "0" * 64),
        "select": [],
        "resumed": 0,
        "host": "ops-1",
        "user": "oncall",
        "argv": ["collector", "collect", "fleet.yaml"],
        "clock_offset_s": 0.2,
        "journal": JournalHead(1, "0" * 64),
    }
    return Run(**{**members, **changes})


def servers_of(**columns: list[Any]) -> Servers:
    """Servers with these columns; the others are empty."""
    return Servers(**{name: columns.get(name, []) for name in Servers.__struct_fields__})


def data_of(report: bytes) -> Page:
    """The data inside a report, as its own script would read it."""
    found = _DATA.search(report)
    assert found is not None
    return msgspec.json.decode(gzip.decompress(base64.b64decode(found[1])), type=Page)
