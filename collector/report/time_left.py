"""How long a run will still take, as a range: of ten such runs eight end in it.

It is told from what the state shows, by three things that go on side by side; the longest of them
ends the run:

    starts    what is queued leaves as fast as it did lately; then the slowest export is waited for
    steps     a server needs up to three (export, status, download), and they are made as fast as
              they were while there was work enough
    bytes     archives come as fast as they do while some of them have to wait for their turn

Exports take a log-normally distributed time, as `DurationsLearned` tells. Which export will be the
slowest is chance, so the range is that of the latest of all: P(all complete) is the product of
the chances of each, those that run already given how long they have.

Nothing is told while an endpoint, a credential or the disk holds work up, nor before anything is
known of how long exports take.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collector.model.answers import Call
from collector.model.rows import Phase
from collector.report import downloads_left
from collector.report.ranges import Range
from collector.report.slowest_export import LONGEST_S, Group, Running, latest_s, merged
from collector.report.throughput import Throughput, calls_left
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.state import RunState
    from collector.report.downloads_left import Sizes
    from collector.report.limits import Limits
    from collector.report.phase_counts import PhaseCounts, ProjectCounts

EARLY, LATE = 0.1, 0.9
"""The chances that the run has ended by the beginning and by the end of the range."""
_SAMPLED: Final = 24
"""Running exports of one group that are looked at; they stand for the others."""
_FEWEST: Final = 2
"""Exports from which on their durations are a hint."""
_OF_UNKNOWN: Final = (0.3, 8.0)
"""How long it takes until exports have completed of which none has yet, over how long they run."""
_PACE_VARIES: Final = 0.12
"""By which part a pace is another later on."""
_GRACE_S: Final = 5.0
"""For how long a run that is ended by its deadline waits for what is under way, at most."""
_ADD_UP: Final = 8
"""How little things that take equally long delay each other: two of them by 9 %, three by 15 %."""
_LEAST_S: Final = 1.0
_TOLD_FOR_S: Final = 2.5
"""For how long a range is told that only time is taken off: to find it takes milliseconds."""
_GROUPS: Final = 6
"""Groups of exports at most: those of other projects are held to be like the most similar."""
_CERTAIN: Final = frozenset({"told", "inventory"})
_LIMIT_VARIES: Final = 1.2


class Forecast:
    """Tells the time left, again and again; it remembers how fast things went."""

    def __init__(self, state: RunState, limits: Limits) -> None:
        self._state = state
        self._limits = limits
        self._throughput = Throughput(state)
        self._is_behind = False
        self._told: Range | None = None
        self._told_s = -math.inf

    def look(self, counted: PhaseCounts, now_s: float) -> None:
        """See how far the run is."""
        self._throughput.look(counted, now_s, is_behind=self._is_behind)

    def at(self, counted: PhaseCounts, now_s: float, in_progress: int) -> Range | None:
        """Return how long the run will still take; None where nothing can be told.

        Args:
            counted: of the state, as it is.
            now_s: the time.
            in_progress: bytes of downloads that are under way.
        """
        if not counted.left:
            return Range(0.0, _LEAST_S)
        if self._is_held_up(counted):
            self._throughput.forget()
            self._told = None
            return None
        if self._told is not None and 0 <= now_s - self._told_s < _TOLD_FOR_S:
            passed_s = now_s - self._told_s
            low_s, high_s = self._told
            return Range(max(0.0, low_s - passed_s), max(_LEAST_S, high_s - passed_s))
        self._told, self._told_s = self._anew(counted, now_s, in_progress), now_s
        return self._told

    def _anew(self, counted: PhaseCounts, now_s: float, in_progress: int) -> Range | None:
        sizes = downloads_left.sizes(self._state, counted)
        exports = self._exports(counted, sizes, now_s)
        if exports is None:
            return None
        ranges = [exports, *self._steps(counted), *self._calls(counted)]
        ranges += self._downloads(counted, sizes, in_progress, now_s)
        low_s = max(one.low_s for one in ranges)
        if low_s >= LONGEST_S:  # some years: a rate, or a duration, that cannot be
            return None
        highs = [min(LONGEST_S, one.high_s) for one in ranges]
        high_s = sum(high_s**_ADD_UP for high_s in highs) ** (1 / _ADD_UP)
        return self._by_deadline(Range(low_s, max(high_s, low_s + _LEAST_S)), now_s)

    def _is_held_up(self, counted: PhaseCounts) -> bool:
        state = self._state
        if not (state.down or state.sign_ins or state.paused):
            return False
        if state.paused is not None and counted.phases[Phase.READY]:
            return True
        return any(
            row.endpoint in state.down or row.credential in state.sign_ins
            for row, project in zip(state.projects, counted.projects, strict=True)
            if project.left
        )

    def _by_deadline(self, told: Range, now_s: float) -> Range:
        """Return what is told, ended by the deadline."""
        estimate = self._state.estimate
        deadline_at = estimate.expected.deadline_at if estimate else None
        deadline_s = unix_s(deadline_at) if deadline_at else None
        if deadline_s is None:
            return told
        left_s = max(0.0, deadline_s - now_s)
        return Range(min(told.low_s, left_s), min(told.high_s, left_s + _GRACE_S))

    # Exports

    def _exports(self, counted: PhaseCounts, sizes: Sizes | None, now_s: float) -> Range | None:
        """Return when the latest export will have completed, and its archive is here."""
        queued, running = counted.phases[Phase.QUEUED], counted.phases[Phase.EXPORTING]
        running += counted.phases[Phase.REQUESTED]
        if not queued + running:
            return Range(0.0, 0.0)
        starts = self._starts(queued)
        if starts is None:
            return None
        groups = list(self._groups(counted, now_s))
        self._is_behind = any(one.is_behind for one in groups)
        if not groups:
            return self._unknown(counted, starts, now_s)
        low_s = latest_s([one.off(-1) for one in groups], starts.low_s, EARLY)
        high_s = latest_s([one.off(1) for one in groups], starts.high_s, LATE)
        if sizes is not None:  # the latest archive is to be downloaded, too
            low_s, high_s = low_s + sizes.alone_s(-1), high_s + sizes.alone_s(1)
        return Range(low_s, high_s)

    def _starts(self, queued: int) -> Range | None:
        """Return how long starting all exports that are queued takes."""
        if not queued:
            return Range(0.0, 0.0)
        pace = self._throughput.starts
        return None if pace is None else _lasting(queued, pace.per_s, pace.seen)

    def _unknown(self, counted: PhaseCounts, starts: Range, now_s: float) -> Range | None:
        """Guess while no export has completed: they take longer than the first ones have taken."""
        firsts = [
            next(iter(project.exporting)) for project in counted.projects if project.exporting
        ]
        oldest_s = max((one.for_s for one in self._running(firsts, now_s)), default=0.0)
        if oldest_s < _LEAST_S:
            return None
        low, high = _OF_UNKNOWN
        return Range(starts.low_s + low * oldest_s, starts.high_s + high * oldest_s)

    def _groups(self, counted: PhaseCounts, now_s: float) -> Iterator[Group]:
        """Yield exports that take equally long, those of alike projects together."""
        found: dict[tuple[int, int], Group] = {}
        unknown: list[ProjectCounts] = []
        for number, project in enumerate(counted.projects):
            if not project.phases[Phase.QUEUED] + len(project.exporting):
                continue
            known = self._state.durations.get(number)
            if known is None or known.exports < _FEWEST or known.median_s <= 0:
                unknown.append(project)
                continue
            alike = (round(4 * math.log(known.median_s)), round(4 * known.spread))
            group = found.get(alike)
            if group is None:
                group = found[alike] = Group(known.median_s, known.spread, known.exports)
            self._add(group, project)
        if not found:
            return
        largest = max(found.values(), key=lambda one: one.queued + len(one.servers))
        for project in unknown:
            self._add(largest, project)
        for group in merged(found.values(), _GROUPS):
            group.running = list(self._running(group.servers, now_s))
            yield group

    def _add(self, group: Group, project: ProjectCounts) -> None:
        group.queued += project.phases[Phase.QUEUED]
        group.started += project.servers - project.phases[Phase.QUEUED]
        group.servers += project.exporting

    def _running(self, servers: list[int], now_s: float) -> Iterator[Running]:
        """Yield how long exports have been running, each for as many as it stands for."""
        step = max(1, len(servers) // _SAMPLED)
        for server in servers[::step]:
            export = self._state.servers[server].export
            since_s = unix_s(export.requested_at) if export else None
            yield Running(0.0 if since_s is None else max(0.0, now_s - since_s), step)

    # Steps and bytes

    def _steps(self, counted: PhaseCounts) -> Iterator[Range]:
        """Yield how long the steps take that are left, by the pace while there was enough to do."""
        pace = self._throughput.steps
        if pace is not None:
            took = _lasting(calls_left(counted.phases), pace.per_s, pace.seen)
            # Where no limit is known that all of them are under, others may be faster.
            yield took if self._is_limited(counted) else Range(0.0, took.high_s)

    def _is_limited(self, counted: PhaseCounts) -> bool:
        busy = [number for number, one in enumerate(counted.projects) if one.left]
        left = {call for call in Call if calls_left(counted.phases, call)}
        return self._limits.of_run(busy, left) is not None

    def _calls(self, counted: PhaseCounts) -> Iterator[Range]:
        """Yield how long calls take under the limits that are known for certain."""
        longest_s = 0.0
        for known, projects, call in self._limits.known():
            if known.per_second > 0 and known.source in _CERTAIN:
                left = sum(calls_left(counted.projects[one].phases, call) for one in projects)
                share = min(self._state.projects[one].share for one in projects)
                longest_s = max(longest_s, left / (known.per_second * share))
        yield Range(longest_s / _LIMIT_VARIES, longest_s * _LIMIT_VARIES)

    def _downloads(
        self, counted: PhaseCounts, sizes: Sizes | None, in_progress: int, now_s: float
    ) -> Iterator[Range]:
        """Yield how long what is left to download takes."""
        if sizes is None:
            return
        pace = self._throughput.downloads
        if pace is not None:
            yield downloads_left.all_together(self._state, counted, sizes, pace, in_progress)
        else:
            yield downloads_left.longest_alone(self._state, counted, sizes, now_s)


def _lasting(number: float, per_s: float, seen: float) -> Range:
    """Return how long a number takes at a pace that was seen on so many."""
    varies = _PACE_VARIES + 1 / math.sqrt(1 + seen)
    took_s = number / per_s
    return Range(took_s / (1 + varies), took_s * (1 + varies))
