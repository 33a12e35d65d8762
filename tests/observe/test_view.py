"""What is drawn of a run: whatever its size, its names and the terminal, it fits and it tells."""

from __future__ import annotations

import re

import pytest
from wcwidth import wcswidth

from collector.observe.lines import painted
from collector.observe.terminal_text import TerminalText
from collector.observe.view import drawn
from collector.report.at_once import ExportsLimit
from collector.report.glance import Glance, TimeLeft
from tests.support.glances import HOSTILE, NAMES, WIDE, counts_of, glance_of

SIZES = [(80, 19), (120, 33), (200, 41), (80, 23), (40, 8), (20, 5), (10, 3), (1, 1), (500, 200)]


def view(glance: Glance, columns: int = 80, lines: int = 19, encoding: str = "utf-8") -> list[str]:
    shown = drawn(glance, columns, lines, TerminalText(encoding))
    return [painted(line, colours=False).rstrip() for line in shown]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp437", "gb2312"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_or_higher_than_its_terminal(
    size: tuple[int, int], encoding: str, name: str
) -> None:
    columns, lines = size
    shown = view(glance_of(40, NAMES[name]), columns, lines, encoding)
    assert len(shown) <= lines
    for line in shown:
        line.encode(encoding)
        assert line.isprintable()
        assert wcswidth(line) <= columns, line


@pytest.mark.parametrize("projects", [1, 2, 3, 40, 2_000])
@pytest.mark.parametrize("size", [(80, 19), (120, 33), (200, 41), (40, 8)])
def test_the_whole_is_always_there_and_every_server_is_in_one_row(
    projects: int, size: tuple[int, int]
) -> None:
    glance = glance_of(projects, troubled=1)
    shown = view(glance, *size)
    counts = glance.counts
    first = " ".join(shown[:2])
    assert f"{counts.collected:,} of {counts.servers:,} collected" in first
    assert f"{counts.failed:,} failed" in first
    heading = [at for at, line in enumerate(shown) if line.startswith("project ")]
    assert bool(heading) == (projects > 1 and size != (40, 8))
    rows = [re.search(r"  ([\d,]+) of ([\d,]+)  ", line) for at in heading for line in shown[at:]]
    if heading:
        assert sum(int(row[2].replace(",", "")) for row in rows if row) == counts.servers


def test_projects_in_trouble_come_first_and_say_what_it_is() -> None:
    shown = view(glance_of(40, troubled=2))
    at = next(n for n, line in enumerate(shown) if line.startswith("project"))
    assert [line.split()[0] for line in shown[at + 1 : at + 4]] == [
        "storage",
        "storage1",
        "storage2",
    ]
    assert "! endpoint down" in shown[at + 1]
    assert "!" not in shown[at + 3]


def test_what_is_wrong_needs_no_colour_to_be_seen() -> None:
    shown = "\n".join(view(glance_of()))
    for words in ("6 failed", "! https://bms.example has not answered", "▓", "░", "█", "▒"):
        assert words in shown


def test_only_the_terminals_own_colours_are_used() -> None:
    for line in drawn(glance_of(), 120, 40, TerminalText("utf-8")):
        for span in line:
            codes = set(filter(None, span.style.split(";")))
            assert codes <= {"1", "2", "31", "32", "33", "36"}


def test_a_limit_says_where_and_when_it_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = (line for line in view(glance_of(), 120) if line.startswith("calls"))
    assert "18.4 of 20 a second" in line
    assert "reported by the service at " in line
    assert "account acme" in line
    (line,) = (line for line in view(glance_of(limit=None)) if line.startswith("calls"))
    assert "18.4 a second; no limit known yet" in line


@pytest.mark.parametrize(
    ("low_s", "high_s", "words"),
    [
        (0.0, 40.0, "less than a minute"),
        (30.0, 100.0, "up to 2 min"),
        (1500.0, 2400.0, "25 to 40 min"),
        (1500.0, 1510.0, "25 to 30 min"),
        (600.0, 600.0, "about 10 min"),
        (5400.0, 10_000.0, "1 h 30 min to 3 h"),
        (200_000.0, 400_000.0, "2 d 7 h to 4 d 15 h"),
    ],
)
def test_the_time_left_is_no_finer_than_it_is_known(
    low_s: float, high_s: float, words: str
) -> None:
    shown = view(glance_of(time_left=TimeLeft(low_s=low_s, high_s=high_s), deadline_at=None))
    (line,) = (line for line in shown if line.startswith("time left"))
    assert line.removeprefix("time left").strip().startswith(f"{words};")


def test_a_deadline_that_comes_before_the_end_is_told() -> None:
    soon, later = "2026-11-29T22:00:00.000Z", "2026-11-29T22:20:00.000Z"
    capped = TimeLeft(low_s=468.0, high_s=468.0)
    shown = "\n".join(view(glance_of(deadline_at=soon, time_left=capped)))
    assert "time left  7 min 48 s to the deadline; not all will be collected by then" in shown
    capped = TimeLeft(low_s=1500.0, high_s=1668.0)
    shown = "\n".join(view(glance_of(deadline_at=later, time_left=capped)))
    assert "25 to 30 min; deadline in 27 min 48 s, which may come first" in shown
    shown = "\n".join(view(glance_of(time_left=None)))
    assert "not known yet; deadline in 1 h 47 min" in shown
    assert "first" not in "\n".join(view(glance_of()))


def test_a_run_that_says_nothing_for_long_says_so_and_what_it_waits_for() -> None:
    quiet = glance_of(1, last_event_at="2026-11-29T21:49:12.000Z", troubles=[])
    assert "! nothing new for 3 min: waiting for 5 exports and 3 downloads" in "\n".join(
        view(quiet)
    )


def test_a_terminal_that_has_no_bars_gets_other_ones() -> None:
    shown = "\n".join(view(glance_of(name=WIDE), 80, 19, "latin-1"))
    assert shown.isascii()
    assert "####" in shown
    assert "...." in shown


def test_a_name_cannot_write_elsewhere_than_in_its_column() -> None:
    shown = view(glance_of(3, HOSTILE), 120, 30)
    assert any(r"\u001b[2J\u202eevil" in line for line in shown)


def test_a_run_of_no_server_is_drawn() -> None:
    shown = view(glance_of(0, counts=counts_of()))
    assert shown[0].startswith("0 of 0 collected")


def test_parts_of_a_bar_are_there_however_few_servers_they_stand_for() -> None:
    shown = view(glance_of(1, counts=counts_of(1, 1, 0, 99_997, 1)))
    assert {"█", "▓", "▒", "░"} <= set(shown[1])


def test_a_time_left_that_may_be_any_is_told_by_its_least() -> None:
    left = TimeLeft(low_s=330.0, high_s=126_000.0)
    shown = "\n".join(view(glance_of(time_left=left, deadline_at=None)))
    assert "at least 5 min; how much more is not known yet" in shown


def test_what_holds_a_run_up_is_told_where_it_is_the_number_of_exports_at_once() -> None:
    limit = ExportsLimit(at_once=72, projects=24, source="estimated")
    shown = "\n".join(view(glance_of(exports_limit=limit), 120, 33))
    assert (
        "exports    at most 72 at once in 24 projects: that holds the run up; limit esti" in shown
    )
