"""How fast a run makes headway, where it has enough to do.

A pace says something of what comes only if nothing but the service held it up: that of starts and
steps while servers are queued, that of bytes while archives wait for their turn.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.model.lifecycle import LIFECYCLE
from collector.model.rows import Phase
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.answers import Call
    from collector.model.state import RunState
    from collector.report.phase_counts import PhaseCounts

_SHORTEST_S: Final = 20.0
_LONGEST_S: Final = 120.0
"""A pace is taken over a third of the time since the beginning, and between these."""
_PART: Final = 1 / 3
_APART_S: Final = 1.0


class Seen(NamedTuple):
    """A pace, and on how many it was seen."""

    per_s: float
    seen: float


class _Sample(NamedTuple):
    at_s: float
    started: int
    steps: int


class _Count(NamedTuple):
    at_s: float
    arrived: int
    collected: int


class Throughput:
    """Remembers how far a run was.

    Attributes:
        starts: exports started a second.
        steps: steps made a second while there was enough to do.
        downloads: bytes a second while archives wait for their turn.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._samples: deque[_Sample] = deque()
        self._counts: deque[_Count] = deque()
        self._process: object = None
        self._base: _Sample | None = None
        self._began_s = 0.0
        self.starts: Seen | None = None
        self.steps: Seen | None = None
        self.downloads: Seen | None = None

    def forget(self) -> None:
        """Begin anew: for a while nothing could be done."""
        self._samples.clear()
        self._counts.clear()

    def look(self, counted: PhaseCounts, now_s: float, *, is_behind: bool) -> None:
        """See how far the run is.

        Args:
            counted: of the state, as it is.
            now_s: the time.
            is_behind: there is more to do than is done, also where nothing is queued.
        """
        state = self._state
        if state.process is not self._process:
            self._process = state.process
            self._began_s = (unix_s(state.process.at) if state.process else None) or now_s
            self.forget()
            self._base = self._at_the_start()
            self.starts = self.steps = self.downloads = None
        if self._samples and now_s < self._samples[-1].at_s - _APART_S:
            self.forget()  # the clock was set back
        if self._samples and now_s < self._samples[-1].at_s + _APART_S:
            return
        queued = counted.phases[Phase.QUEUED]
        sample = _Sample(
            now_s,
            len(state.servers) - queued,
            len(_CALLS[Phase.QUEUED]) * len(state.servers) - calls_left(counted.phases),
        )
        self._samples.append(sample)
        begun = sum(len(project.begun) for project in counted.projects)
        places = state.started.downloads if state.started else 1
        self._judge(sample, has_queue=queued > 0, is_behind=is_behind or queued > 0)
        self._count(now_s, is_full=counted.phases[Phase.READY] > begun >= places)

    def _count(self, now_s: float, *, is_full: bool) -> None:
        """See how many bytes had arrived when that was counted."""
        state, counts = self._state, self._counts
        arrived, at_s = sum(row.arrived for row in state.projects), unix_s(state.counted_at)
        if not arrived or at_s is None:  # an earlier version does not count them
            arrived, at_s = state.bytes, now_s
        if not counts or at_s > counts[-1].at_s:
            counts.append(_Count(at_s, arrived, state.collected))
        while len(counts) > 2 and counts[1].at_s <= now_s - self._window_s(now_s):  # noqa: PLR2004  # two are needed
            counts.popleft()
        while len(counts) > 1 and counts[1].arrived == counts[0].arrived:
            counts.popleft()  # nothing came yet
        first, latest = counts[0], counts[-1]
        if not is_full:
            self.downloads = None
        elif latest.arrived > first.arrived:
            per_s = (latest.arrived - first.arrived) / (latest.at_s - first.at_s)
            self.downloads = Seen(per_s, latest.collected - first.collected)

    def _judge(self, latest: _Sample, *, has_queue: bool, is_behind: bool) -> None:
        first = self._first(latest.at_s)
        if first is latest:  # it is looked at for the first time: on average, then
            if self._base is None or not has_queue:
                return
            first = self._base
        took_s = latest.at_s - first.at_s
        if took_s <= 0:
            return
        started, steps = latest.started - first.started, latest.steps - first.steps
        if has_queue and started > 0:
            self.starts = Seen(started / took_s, started)
        faster = self.steps is None or steps / took_s > self.steps.per_s
        if steps > 0 and (is_behind or faster):
            self.steps = Seen(steps / took_s, steps)

    def _at_the_start(self) -> _Sample:
        """Return how far the run was when its process began, as far as that is known."""
        state = self._state
        left = state.estimate.expected.servers if state.estimate else len(state.servers)
        done = max(0, len(state.servers) - left)
        return _Sample(self._began_s, done, len(_CALLS[Phase.QUEUED]) * done)

    def _window_s(self, now_s: float) -> float:
        return min(_LONGEST_S, max(_SHORTEST_S, _PART * (now_s - self._began_s)))

    def _first(self, now_s: float) -> _Sample:
        """Return the sample from which on the pace is taken."""
        samples = self._samples
        window_s = self._window_s(now_s)
        while len(samples) > 2 and samples[1].at_s <= now_s - _LONGEST_S:  # noqa: PLR2004  # two are needed
            samples.popleft()
        return next(one for one in samples if one.at_s >= now_s - window_s)


def calls_left(phases: Mapping[Phase, int], only: Call | None = None) -> int:
    """Return how many calls are left to make, each server's fewest: all, or those of one kind."""
    return sum(
        servers * (len(_CALLS[phase]) if only is None else only in _CALLS[phase])
        for phase, servers in phases.items()
    )


_CALLS: Final = {phase: LIFECYCLE[phase].calls for phase in Phase}
