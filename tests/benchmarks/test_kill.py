"""The benchmark of kills in small: its promises hold whenever the tests run."""

from __future__ import annotations

import random
from functools import partial

import anyio
import pytest

from benchmarks.kill import one_run, scenario


@pytest.mark.parametrize(
    "seed", [3, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(4, 12))]
)
def test_killed_run_loses_nothing_and_asks_for_nothing_twice(seed: int) -> None:
    scene = scenario(24, seed, smallest=100_000, largest=3_000_000)
    rng = random.Random(seed)  # noqa: S311  # repeatable, no secret
    figures = anyio.run(partial(one_run, scene, rng, kills=4, lasts_s=2.5))
    assert figures.failures == []
    assert figures.kills >= 2
    assert figures.runs == 1
    assert figures.unexplained == 0
    # What is on its way when a process dies is sent again: of so few archives, it is a large part.
    assert figures.bytes_sent <= 1.5 * figures.bytes_needed
