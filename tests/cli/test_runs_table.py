"""The table of runs shows at a glance which night was bad."""

from __future__ import annotations

import pytest

from collector.cli.rendering.runs import rendered
from collector.report.manifest import RunTotals, RunWord
from collector.report.summary import RunLine


def run(
    id_: str, state: RunWord = "complete", *, servers: int = 60, failed: int = 0, pending: int = 0,
    took_s: float | None = 74.0,
) -> RunLine:  # fmt: skip
    totals = RunTotals(
        servers, servers - failed - pending, failed, pending, 9_600_000, 1000, 3, "exact"
    )
    return RunLine(id_, state, "2026-11-29T02:14:00.000Z", totals, None, took_s, 0)


def test_what_is_missing_stands_out_and_the_last_line_counts_the_runs() -> None:
    lines = rendered([run("good"), run("bad", "partial", failed=2, pending=3), run("well")])
    assert lines == [
        "RUN   STATE     STARTED (UTC)      TOOK  COLLECTED  FAILED  PENDING    SIZE",
        "good  complete  2026-11-29 02:14  1m14s      60/60       -        -  9.6 MB",
        "bad   partial   2026-11-29 02:14  1m14s      55/60       2        3  9.6 MB",
        "well  complete  2026-11-29 02:14  1m14s      60/60       -        -  9.6 MB",
        "",
        "3 runs: 2 complete, 1 partial.",
    ]


def test_ids_of_the_usual_form_leave_room_for_all_columns_but_the_time_they_tell() -> None:
    runs = [
        run("20261129T021400Z-7f3a", "interrupted", servers=20_000, failed=999, pending=2),
        run("20261129T021401Z-7f3b"),
    ]
    lines = rendered(runs)
    assert max(map(len, lines)) <= 80
    assert "STARTED" not in lines[0]
    assert {"TOOK", "COLLECTED", "FAILED", "PENDING", "SIZE"} <= set(lines[0].split())
    assert "18999/20000" in lines[1]


def test_a_run_that_cannot_be_read_is_listed_as_such() -> None:
    lines = rendered([RunLine("gone", "interrupted", None, None), run("good")])
    assert lines[1].split() == ["gone", "interrupted", "-", "-", "unreadable", "-", "-", "-"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0s"), (58.4, "58s"), (60, "1m"), (74, "1m14s"), (725, "12m"), (3900, "1h5m"),
     (90_000, "1d1h"), (None, "-")],
)  # fmt: skip
def test_durations_are_short(seconds: float | None, said: str) -> None:
    assert rendered([run("a", took_s=seconds)])[1].split()[4] == said
