"""A few hundred mutated answers of bad servers, beside healthy ones: the same at every run.

Thousands of others: `python -m tests.acceptance.fuzz_answers`.
"""

from __future__ import annotations

import pytest

from tests.acceptance.fuzz_answers import hurried, play

SEED = 20_260_101


@pytest.mark.parametrize("number", [SEED, SEED + 1])
def test_answers_of_bad_servers_hurt_nobody_else(number: int) -> None:
    with hurried():
        answers, fates = play(number)
    assert answers > 100
    assert fates["failed"]
    assert fates["collected"]


def test_installed_command_prints_nothing_raw_whatever_it_is_answered() -> None:
    answers, _ = play(SEED + 2, by_command=True)
    assert answers > 100
