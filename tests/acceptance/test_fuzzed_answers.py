"""A few hundred mutated answers of bad servers, beside healthy ones: the same at every run.

Thousands of others: `python -m tests.support.fuzz.answers`.
"""

from __future__ import annotations

from tests.support.fuzz.answers import hurried, play

SEED = 20_260_101


def test_answers_of_bad_servers_hurt_nobody_else() -> None:
    with hurried():
        answers, fates = play(SEED)
    assert answers > 100
    assert fates["failed"]
    assert fates["collected"]


def test_installed_command_prints_nothing_raw_whatever_it_is_answered() -> None:
    answers, _ = play(SEED + 1, by_command=True, deadline_s=10)
    assert answers > 100
