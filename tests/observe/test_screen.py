"""What a terminal shows of lines that are drawn in place, and of those that scroll past above."""

from __future__ import annotations

import pytest

from collector.observe.lines import Span
from collector.observe.screen import Screen
from collector.observe.terminal_text import TerminalText
from collector.observe.view import drawn
from tests.support.glances import NAMES, glance_of
from tests.support.terminal import Terminal

LINES = [[Span("first")], [Span("second", "1")], [Span("third")]]


@pytest.fixture(autouse=True)
def xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def screen_of(terminal: Terminal, encoding: str = "utf-8") -> Screen:
    return Screen(terminal.stream(), TerminalText(encoding))


def filled(terminal: Terminal) -> list[str]:
    return [line for line in terminal.shown if line]


def test_lines_are_drawn_in_place_of_the_last_ones() -> None:
    with Terminal() as terminal:
        screen = screen_of(terminal)
        screen.draw(LINES)
        screen.draw([[Span("fourth")], [Span("fifth")]])
        assert filled(terminal) == ["fourth", "fifth"]
        assert terminal.cursor == (0, 2)


def test_a_line_that_is_full_keeps_its_last_character() -> None:
    """Terminals that stand at the end of a full line clear what is there; pyte does not."""
    with Terminal() as terminal:
        screen_of(terminal).draw([[Span("x" * 80)]])
        terminal.read()
        assert "x\x1b[K" not in terminal.written


def test_a_line_above_is_written_at_once_or_with_the_next_drawing() -> None:
    with Terminal() as terminal:
        screen = screen_of(terminal)
        screen.draw(LINES)
        screen.above("it failed", is_cut=True)
        assert "it failed" not in filled(terminal)
        screen.above("stopping", is_cut=False)
        assert filled(terminal) == ["it failed", "stopping", "first", "second", "third"]


def test_many_lines_above_scroll_past_and_none_is_lost() -> None:
    with Terminal(80, 10) as terminal:
        screen = screen_of(terminal)
        screen.draw(LINES)
        for batch in range(10):
            for number in range(batch * 10, batch * 10 + 10):
                screen.above(f"line {number}", is_cut=True)
            screen.draw(LINES)
        told = [line for line in (*terminal.past, *terminal.shown) if line]
        assert told == [*(f"line {number}" for number in range(100)), "first", "second", "third"]


def test_a_line_above_is_cut_or_broken_where_the_terminal_ends() -> None:
    with Terminal(20, 24) as terminal:
        screen = screen_of(terminal)
        screen.above("storage/bms-006 failed at export", is_cut=True)
        screen.above("Stopping: finishing requests in flight", is_cut=False)
        screen.draw(LINES)
        assert filled(terminal)[:4] == [
            "storage/bms-006 fai…", "Stopping: finishing", "requests in flight", "first",
        ]  # fmt: skip


@pytest.mark.parametrize("size", [(40, 24), (120, 24), (80, 12), (80, 50), (20, 6), (200, 50)])
def test_a_terminal_of_another_size_is_drawn_anew_with_what_scrolled_past_last(
    size: tuple[int, int],
) -> None:
    with Terminal(80, 24) as terminal:
        screen = screen_of(terminal)
        for number in range(30):
            screen.above(f"line {number}", is_cut=True)
        view = drawn(glance_of(), 80, 15, TerminalText("utf-8"))
        screen.draw(view)
        terminal.resize(*size)
        before = screen.has_new_size
        columns, lines = size
        view = drawn(glance_of(), columns, lines // 2, TerminalText("utf-8"))
        screen.draw(view)
        assert (before, screen.has_new_size) == (True, False)
        above, below = lines - 1 - len(view), ["".join(one.text for one in line) for line in view]
        past = [f"line {number}" for number in range(30)][-above:]
        assert filled(terminal) == [*past, *(line.rstrip() for line in below if line.strip())]


def test_a_line_above_that_comes_after_a_resize_finds_the_view_cut_to_the_terminal() -> None:
    with Terminal(80, 24) as terminal:
        screen = screen_of(terminal)
        screen.draw(drawn(glance_of(), 80, 20, TerminalText("utf-8")))
        terminal.resize(30, 8)
        screen.above("stopping", is_cut=False)
        shown = terminal.shown
        assert len(terminal.past) == 0
        assert max(map(len, shown)) <= 30
        assert sum("collected" in line for line in shown) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (40, 10)])
def test_whatever_names_hold_each_line_stays_in_its_own(
    size: tuple[int, int], encoding: str, name: str
) -> None:
    columns, lines = size
    with Terminal(columns, lines, encoding) as terminal:
        screen = screen_of(terminal, encoding)
        for number in range(2):
            view = drawn(glance_of(5, NAMES[name]), columns, lines - 5, TerminalText(encoding))
            screen.above(f"{NAMES[name]}/{number} failed".replace("\n", ""), is_cut=True)
            screen.draw(view)
        shown = terminal.shown
        assert sum("collected," in line for line in shown) == 1
        assert terminal.cursor == (0, 2 + len(view))
        first = next(at for at, line in enumerate(shown) if "collected," in line)
        assert first == 2
        assert terminal.wraps


def test_nothing_is_coloured_where_nobody_wants_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with Terminal() as terminal:
        screen = screen_of(terminal)
        screen.above("\x1b[2m21:40:12\x1b[0m  it failed", is_cut=True)
        screen.draw(LINES)
        assert filled(terminal)[0] == "21:40:12  it failed"
        assert "m" not in terminal.written.split("it failed")[0].replace("\x1b[?7l", "")


@pytest.mark.parametrize(("columns", "lines"), [("20", ""), ("", "6"), ("9999", "0"), ("x", "-1")])
def test_the_environment_may_make_a_terminal_smaller_but_not_larger(
    monkeypatch: pytest.MonkeyPatch, columns: str, lines: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", lines)
    with Terminal(80, 24) as terminal:
        assert screen_of(terminal).size == (
            20 if columns == "20" else 80,
            6 if lines == "6" else 24,
        )


def test_what_a_shell_wrote_meanwhile_is_cleared() -> None:
    with Terminal() as terminal:
        screen = screen_of(terminal)
        screen.draw(LINES)
        terminal.stream().draw("[1]+  Stopped\r\n$ fg\r\n")
        screen.lose()
        screen.draw(LINES)
        assert filled(terminal) == ["first", "second", "third"]


def test_a_terminal_that_was_halted_is_drawn_anew() -> None:
    with Terminal() as terminal:
        stderr = terminal.stream(patience_s=0.0)
        screen = Screen(stderr, TerminalText("utf-8"))
        screen.draw(LINES)
        for number in range(3_000):
            screen.above(f"line {number}", is_cut=True)
            screen.draw(LINES)
        assert stderr.has_gap
        terminal.read()
        screen.draw(LINES)
        terminal.read()
        screen.draw(LINES)
        assert filled(terminal)[-3:] == ["first", "second", "third"]
        assert sum(line == "first" for line in terminal.shown) == 1
