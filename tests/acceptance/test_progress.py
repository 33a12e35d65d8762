"""Progress on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault, fleet
from tests.acceptance.command import Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = 80
SEQUENCE = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def on_terminal(service: Service, *arguments: str) -> tuple[int, bytes]:
    """Run the command with its stderr on a terminal of 80 columns; all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    written = b""
    with service.start(*arguments, stderr=theirs, env=service.environment(TERM="xterm")) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux ends a terminal that nobody writes to
            while piece := os.read(ours, 65536):
                written += piece
        process.communicate()
    os.close(ours)
    return process.returncode, written


def screen(written: bytes) -> list[str]:
    """The lines that a terminal shows in the end: knows what rich writes, and no more."""
    lines = [""]
    row = column = 0
    for parameter, command, move, text in SEQUENCE.findall(written.decode()):
        if text:
            lines[row] = f"{lines[row][:column]:{column}}{text}{lines[row][column + len(text) :]}"
            column += len(text)
        elif move == "\r":
            column = 0
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row -= int(parameter or 1)
        elif command == "K":
            lines[row] = ""
        else:
            assert command in "mhl", command
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, bytes]:
    scenario = fleet(servers=30, projects=3, export_duration_s=0.0, latency_s=0.05)
    with serving(scenario, tmp_path_factory.mktemp("live")) as service:
        return on_terminal(service, "collect", "fleet.json", "--progress", "live", "-v")


def test_live_display_stands_once_below_the_log(seen: tuple[int, bytes]) -> None:
    code, written = seen
    assert code == 0
    shown = screen(written)
    first = next(n for n, line in enumerate(shown) if line.startswith("project"))
    log, table = shown[:first], shown[first:]
    assert sum("archive stored and verified" in line for line in log) == 30
    assert [line.split()[0] for line in table[:5]] == [
        "project", "payments", "search", "storage", "all",
    ]  # fmt: skip
    assert table[4].split()[1:] == ["30", "0", "0", "0", "0", "30"]
    assert len(table) == 6


def test_live_display_fits_into_80_columns(seen: tuple[int, bytes]) -> None:
    shown = screen(seen[1])
    first = next(n for n, line in enumerate(shown) if line.startswith("project"))
    assert max(map(len, shown[first:])) <= COLUMNS


def test_cursor_is_given_back(seen: tuple[int, bytes]) -> None:
    assert seen[1].rfind(b"\x1b[?25h") >= seen[1].rfind(b"\x1b[?25l")


def test_auto_is_live_on_a_terminal(tmp_path: Path) -> None:
    with serving(fleet_of(servers(1)), tmp_path) as service:
        _, written = on_terminal(service, "collect", "fleet.json")
    assert any(line.startswith("project") for line in screen(written))


def test_auto_is_plain_in_a_pipe_and_none_is_silent(tmp_path: Path) -> None:
    with serving(fleet_of([server(1), server(2, Fault("unknown_id"))]), tmp_path) as service:
        plain = service.run("collect", "fleet.json")
        silent = service.run("collect", "fleet.json", "-q", "--progress", "none")
    assert "\x1b" not in plain.stderr
    assert "1/2 collected" in plain.stderr
    assert silent.stderr == ""
