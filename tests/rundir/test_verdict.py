from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from collector.report.verdict import run_word, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.model.state import RunState

ENDED = e.RunEnded(at="2026-11-23T09:00:00Z", reason="finished")


@pytest.mark.parametrize(
    ("fates", "code", "word"),
    [
        ("cccc", 0, "complete"),
        ("cccf", 3, "partial"),
        ("ccc-", 3, "interrupted"),
        ("ffff", 4, "failed"),
        ("fff-", 4, "interrupted"),
        ("----", 4, "interrupted"),
        ("aafa", 4, "failed"),
        ("aau-", 4, "interrupted"),
        ("aauu", 5, "failed"),
    ],
)
def test_an_exit_code_is_the_first_that_is_true(
    selection: list[e.Event],
    folded: Callable[[list[e.Event]], RunState],
    collected: Callable[[int], list[e.Event]],
    failed: Callable[..., e.ServerFailed],
    fates: str,
    code: int,
    word: str,
) -> None:
    kinds = {"f": "unknown_server", "a": "forbidden", "u": "unauthenticated"}
    history = [*selection]
    for server, fate in enumerate(fates):
        if fate == "c":
            history += collected(server)
        elif fate in kinds:
            history.append(failed(server, kinds[fate]))
    state = folded([*history, ENDED])
    assert verdict(state) == code
    assert run_word(state) == word


def test_an_empty_selection_is_a_success(
    started: e.RunStarted, folded: Callable[[list[e.Event]], RunState]
) -> None:
    state = folded([started, e.SelectionEnded(at=started.at, servers=0), ENDED])
    assert verdict(state) == 0
    assert run_word(state) == "complete"
