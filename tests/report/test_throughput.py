"""How fast a run makes headway, whatever its clock does."""

from __future__ import annotations

from collector.report.phase_counts import PhaseCounts
from collector.report.throughput import Throughput
from tests.support.looking import Run, started


def test_a_clock_that_is_set_back_hides_nothing_of_what_comes_then() -> None:
    run = Run(20)
    counts, pace = PhaseCounts(run.state), Throughput(run.state)
    counts.refresh()
    pace.look(counts, 100_000.0, is_behind=False)
    pace.look(counts, 0.0, is_behind=False)
    run.add(*started(0), *started(1))
    counts.refresh()
    pace.look(counts, 20.0, is_behind=False)
    assert pace.starts is not None
    assert pace.starts.per_s == 2 / 20
