"""How many exports may run at once, where that holds a run up, and not the limit on calls.

Of each project with servers that wait, the limit is taken that leaves it the fewest: what was
learned of a scope that it is in, shared with the others there, or what a person allows.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from collector.model.rows import Phase
from collector.report.parts import Count, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.state import RunState
    from collector.report.limits import Known, Limits
    from collector.report.phase_counts import PhaseCounts

_BUSY: Final = 0.7
"""Where more of the calls that may leave do leave, their limit is what holds the run."""
_MOST: Final = 0.5
"""Of the servers that wait, more than this part wait under a limit that is told."""

_Of = tuple[float, tuple[str, str], int, str]
"""How many that leaves a project; whose limit it is, how high, and how it is known."""


class ExportsLimit(Part, frozen=True):
    """So many exports run `at_once` at most, in so many projects that have servers waiting.

    `source` is as that of limits on calls.
    """

    at_once: Count
    projects: Count
    source: str


def exports_limit(
    state: RunState, limits: Limits, counted: PhaseCounts, calls: Known | None, calls_per_s: float
) -> ExportsLimit | None:
    """Return how many exports may run at once; None where that does not hold the run up.

    Args:
        state: the run's.
        limits: of the run, which know whom a scope covers.
        counted: of the state, as it is.
        calls: the limit on calls that holds the whole run.
        calls_per_s: how many are made.
    """
    if calls is not None and calls_per_s > _BUSY * calls.per_second:
        return None
    waiting = {
        number: project.phases[Phase.QUEUED]
        for number, project in enumerate(counted.projects)
        if project.phases[Phase.QUEUED]
    }
    held: dict[tuple[str, str], tuple[int, str]] = {}
    projects = servers = 0
    for number, queued in waiting.items():
        tightest = min(_of(state, limits, number, waiting), default=None)
        if tightest is not None:
            _, scope, limit, source = tightest
            held[scope] = limit, source
            projects, servers = projects + 1, servers + queued
    if not held or servers < _MOST * sum(waiting.values()):
        return None
    sources = Counter(source for _, source in held.values())
    at_once = sum(limit for limit, _ in held.values())
    return ExportsLimit(at_once, projects, sources.most_common(1)[0][0])


def _of(state: RunState, limits: Limits, number: int, waiting: dict[int, int]) -> Iterator[_Of]:
    """Yield the limits that a project is under."""
    allowed = state.projects[number].exports_in_flight
    if allowed is not None:
        yield allowed, ("project", f"{number}"), allowed, "inventory"
    for scope, learned in state.exports_limits.items():
        covered = limits.covered(scope)
        if number in covered:
            sharing = len(covered & waiting.keys())
            yield learned.limit / sharing, scope, learned.limit, learned.source
