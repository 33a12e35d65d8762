"""Progress on a terminal and in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault, fleet
from tests.support.command import fleet_of, server, servers, serving
from tests.support.terminal import COLUMNS, on_terminal, screen

if TYPE_CHECKING:
    from pathlib import Path


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
