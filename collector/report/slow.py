"""Servers that take longer than is normal for the others: exports that run, and downloads."""

from __future__ import annotations

import heapq
import math
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.report.times import unix_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.rows import ServerRow
    from collector.model.state import RunState
    from collector.report.phase_counts import PhaseCounts

_NINETY_NINE_IN_A_HUNDRED: Final = 2.3263
"""A percentile of the standard normal distribution."""
_UNKNOWN_EXPORT_S: Final = 900.0
_UNKNOWN_DOWNLOAD_S: Final = 300.0
_SHORTEST_S: Final = 60.0
_DOWNLOAD_TIMES: Final = 4.0
"""A download that takes so many times as long as half of the others is slow."""
_FEWEST: Final = 5
"""Downloads from which on it is known what is normal."""


class Slow(NamedTuple):
    """A server that takes longer than the others: for how long, and by how much too long."""

    beyond_s: float
    for_s: float
    row: ServerRow


def slowest(state: RunState, counted: PhaseCounts, now_s: float, most: int) -> list[Slow]:
    """Return the few servers that are furthest beyond what is normal, those first."""
    return heapq.nlargest(most, _slow(state, counted, now_s, most), key=lambda one: one.beyond_s)


def _slow(state: RunState, counted: PhaseCounts, now_s: float, most: int) -> Iterator[Slow]:
    download_s = _UNKNOWN_DOWNLOAD_S
    if len(counted.downloads) >= _FEWEST:
        usual_s = median(took_s for took_s, _ in counted.downloads)
        download_s = max(_SHORTEST_S, _DOWNLOAD_TIMES * usual_s)
    for project in counted.projects:
        # Those that began first come first: where these are not slow, the others are not.
        for number, server in enumerate(project.exporting):
            row = state.servers[server]
            slow = _beyond(row, row.since, _export_s(state, row), now_s)
            if number >= most or slow is None:
                break
            yield slow
        for server, at in project.begun.items():
            row = state.servers[server]
            if slow := _beyond(row, at, download_s, now_s):
                yield slow


def _beyond(row: ServerRow, since: str, normal_s: float, now_s: float) -> Slow | None:
    since_s = unix_s(since)
    if since_s is None or now_s - since_s <= normal_s:
        return None
    return Slow(now_s - since_s - normal_s, now_s - since_s, row)


def _export_s(state: RunState, row: ServerRow) -> float:
    """Return how long nearly all exports of a server's kind take."""
    known = state.durations.get(row.project)
    if row.selected.model is not None:
        known = state.of_models.get((row.project, row.selected.model), known)
    if known is None:
        return _UNKNOWN_EXPORT_S
    return max(_SHORTEST_S, known.median_s * math.exp(_NINETY_NINE_IN_A_HUNDRED * known.spread))
