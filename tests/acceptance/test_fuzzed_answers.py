"""Mutated answers of bad servers, beside healthy ones: the same at every run.

Others: `python -m tests.support.fuzz.answers`.
"""

from __future__ import annotations

import pytest

from tests.support.fuzz.answers import hurried, play

SEED = 20_260_101


@pytest.mark.parametrize(
    "seed", [SEED, *(pytest.param(30_000 + at, marks=pytest.mark.deep) for at in range(20))]
)
def test_answers_of_bad_servers_hurt_nobody_else(seed: int) -> None:
    with hurried():
        answers, fates = play(seed)
    assert answers > 100
    assert fates["failed"]
    assert fates["collected"]


@pytest.mark.parametrize(
    "seed", [SEED + 1, *(pytest.param(40_000 + at, marks=pytest.mark.deep) for at in range(3))]
)
def test_installed_command_prints_nothing_raw_whatever_it_is_answered(seed: int) -> None:
    answers, _ = play(seed, by_command=True, deadline_s=10)
    assert answers > 100
