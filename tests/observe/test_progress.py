"""How often a run is drawn."""

from __future__ import annotations

import pytest

from collector.observe.progress import (
    LIVE_AT_LEAST_EVERY_S,
    LIVE_EVERY_S,
    SHARE_OF_A_CORE,
    every_s,
)


@pytest.mark.parametrize("took_s", [0.0, 0.001, 0.01, 0.03, 0.07])
def test_a_drawing_takes_no_more_than_its_share_and_comes_no_more_than_once_a_second(
    took_s: float,
) -> None:
    assert took_s / every_s(took_s) <= SHARE_OF_A_CORE * 1.001
    assert LIVE_EVERY_S <= every_s(took_s) <= LIVE_AT_LEAST_EVERY_S


def test_what_takes_long_is_drawn_now_and_then_all_the_same() -> None:
    assert every_s(10.0) == LIVE_AT_LEAST_EVERY_S
