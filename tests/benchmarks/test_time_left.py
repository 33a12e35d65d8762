from __future__ import annotations

from dataclasses import replace

from benchmarks.time_left import CASES, PARTS, samples


def test_what_a_run_tells_is_held_against_how_long_it_took() -> None:
    case = next(case for case in CASES if case.of.shape == "bare")
    small = replace(case, of=replace(case.of, servers=400))
    told = list(samples(small, seed=1))
    assert [one.part for one in told] == [*PARTS]
    rests_s = [one.rest_s for one in told]
    assert rests_s == sorted(rests_s, reverse=True)
    assert sum(one.is_covered for one in told) >= 4
    assert min(one.width for one in told) < 2
