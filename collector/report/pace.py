"""How fast a run makes headway, where it has enough to do.

A pace says something of what comes only if nothing but the service held it up: that of starts and
steps while servers are queued, that of bytes while archives wait for their turn.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.model.rows import Phase
from collector.report.times import unix_s

if TYPE_CHECKING:
    from collector.model.state import RunState
    from collector.report.tally import Tally

_SHORTEST_S: Final = 20.0
_LONGEST_S: Final = 120.0
"""A pace is taken over a third of the time since the beginning, and between these."""
_PART: Final = 1 / 3
_APART_S: Final = 1.0
_STEPS: Final = {
    Phase.QUEUED: 3,
    Phase.REQUESTED: 3,
    Phase.EXPORTING: 2,
    Phase.READY: 1,
    Phase.COLLECTED: 0,
    Phase.FAILED: 0,
}
"""Calls that have to succeed before a server is collected."""


class Seen(NamedTuple):
    """A pace, and on how many it was seen."""

    per_s: float
    seen: float


class _Sample(NamedTuple):
    at_s: float
    started: int
    steps: int
    arrived: int
    collected: int


class Pace:
    """Remembers how far a run was.

    Attributes:
        starts: exports started a second.
        steps: steps made a second while there was enough to do.
        downloads: bytes a second while archives wait for their turn.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._samples: deque[_Sample] = deque()
        self._process: object = None
        self._began_s = 0.0
        self.starts: Seen | None = None
        self.steps: Seen | None = None
        self.downloads: Seen | None = None

    def look(self, tally: Tally, now_s: float) -> None:
        """See how far the run is."""
        state = self._state
        if state.process is not self._process:
            self._process = state.process
            self._began_s = (unix_s(state.process.at) if state.process else None) or now_s
            self._samples.clear()
            self.starts = self.steps = self.downloads = None
        if self._samples and now_s < self._samples[-1].at_s + _APART_S:
            return
        queued = tally.phases[Phase.QUEUED]
        sample = _Sample(
            now_s,
            len(state.servers) - queued,
            3 * len(state.servers) - steps_left(tally),
            sum(row.arrived for row in state.projects) or state.bytes,
            state.collected,
        )
        self._samples.append(sample)
        begun = sum(len(project.begun) for project in tally.projects)
        self._judge(sample, has_queue=queued > 0, has_waiting=tally.phases[Phase.READY] > begun > 0)

    def _judge(self, latest: _Sample, *, has_queue: bool, has_waiting: bool) -> None:
        first = self._first(latest.at_s)
        took_s = latest.at_s - first.at_s
        if took_s <= 0:
            return
        started, steps = latest.started - first.started, latest.steps - first.steps
        if has_queue and started > 0:
            self.starts = Seen(started / took_s, started)
        faster = self.steps is None or steps / took_s > self.steps.per_s
        if steps > 0 and (has_queue or faster):
            self.steps = Seen(steps / took_s, steps)
        collected, arrived = latest.collected - first.collected, latest.arrived - first.arrived
        if not has_waiting:
            self.downloads = None
        elif arrived > 0:
            self.downloads = Seen(arrived / took_s, collected)

    def _first(self, now_s: float) -> _Sample:
        """Return the sample from which on the pace is taken."""
        samples = self._samples
        window_s = min(_LONGEST_S, max(_SHORTEST_S, _PART * (now_s - self._began_s)))
        while len(samples) > 2 and samples[1].at_s <= now_s - _LONGEST_S:  # noqa: PLR2004  # two are needed
            samples.popleft()
        return next(one for one in samples if one.at_s >= now_s - window_s)


def steps_left(tally: Tally) -> int:
    """Return how many steps are left to make."""
    return sum(_STEPS[phase] * servers for phase, servers in tally.phases.items())
