from __future__ import annotations

import pytest

from collector import clock


@pytest.mark.parametrize(
    ("at_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_513_263.25, "2026-11-24T09:41:03.250Z"),
        (1_795_513_263.9999, "2026-11-24T09:41:03.999Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (-62_135_596_800.0, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799.5, "9999-12-31T23:59:59.500Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
        (-1e18, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_unix_seconds_become_the_nearest_utc_time_in_milliseconds(at_s: float, text: str) -> None:
    assert clock.WallClock().of_unix(at_s) == text


def test_a_second_that_is_told_again_after_another_reads_the_same() -> None:
    wall = clock.WallClock()
    texts = [wall.of_unix(at_s) for at_s in (1.25, 7.25, 1.25, 1.5)]
    assert texts == [
        "1970-01-01T00:00:01.250Z",
        "1970-01-01T00:00:07.250Z",
        "1970-01-01T00:00:01.250Z",
        "1970-01-01T00:00:01.500Z",
    ]
