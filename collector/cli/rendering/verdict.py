"""The verdict on a run, as a page's headline has it, with the time left while the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.observe.words import between
from collector.report.headline import headline

if TYPE_CHECKING:
    from collector.report.glance import Glance
    from collector.report.summary import Summary


def verdict(summary: Summary, glance: Glance | None = None) -> str:
    """Return what became of a run, or how far it is: the last line of `collect` and `status`."""
    unlisted = sum(bool(one.discovery_error) for one in summary.projects)
    left = ""
    if summary.run.state == "running" and glance and glance.time_left:
        left = between(glance.time_left)
    return headline(summary.run, summary.totals, unlisted, left)
