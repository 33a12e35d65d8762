"""Progress on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault, ProjectSpec, Scenario, ServerSpec, fleet
from tests.support.command import Service, fleet_of, server, servers, serving
from tests.support.terminal import COLUMNS, Terminal, on_terminal, screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, bytes]:
    scenario = fleet(servers=30, projects=3, export_duration_s=1.5, latency_s=0.05)
    with serving(scenario, tmp_path_factory.mktemp("live")) as service:
        return on_terminal(service, "collect", "fleet.json", "--progress", "live", "-v")


def test_the_live_view_goes_and_leaves_what_scrolled_past(seen: tuple[int, bytes]) -> None:
    code, written = seen
    assert code == 0
    shown = screen(written)
    assert sum("archive stored and verified" in line for line in shown) == 30
    assert re.search(r"  30 of 30 collected; .* in \d+ s$", shown[-1])
    assert not any(line.startswith(("project", "calls", "time left")) for line in shown)


def test_the_live_view_is_drawn_and_fits(seen: tuple[int, bytes]) -> None:
    frames = seen[1].split(b"\x1b[?7l")
    drawn = [screen(b"\x1b[?7l" + frame) for frame in frames if b"time left" in frame]
    assert drawn
    for shown in drawn:
        assert max(map(len, shown)) <= COLUMNS
        assert sum(line.startswith(("storage ", "payments ", "search ")) for line in shown) == 3


def test_what_scrolls_past_is_a_line_each(seen: tuple[int, bytes]) -> None:
    past = [line for line in screen(seen[1]) if "archive stored" in line]
    assert all(re.match(r"\d\d:\d\d:\d\d  \w+/bms-\d+: archive", line) for line in past)


def test_the_first_line_says_which_run_where_how_many_and_that_a_stop_is_safe(
    tmp_path: Path,
) -> None:
    with serving(fleet(servers=4, projects=2, export_duration_s=0.0), tmp_path) as service:
        first, *_ = service.run("collect", "fleet.json", "--run-id", "r1").stderr.splitlines()
        for archive in sorted(service.latest.glob("*/*/*.tar.gz"))[:2]:
            archive.unlink()
        again = service.run("collect", "--resume", "r1").stderr
    assert first == (
        "Run r1: collecting 4 servers of 2 projects into collected/r1. "
        "Ctrl-C is safe: it stops cleanly, and --resume continues."
    )
    assert "Run r1: resuming; 2 of 4 servers left to collect into collected/r1. Ctrl-C" in again


def test_the_terminal_is_left_as_it_was(seen: tuple[int, bytes]) -> None:
    written = seen[1]
    assert written.count(b"\x1b[?7h") == written.count(b"\x1b[?7l")
    assert b"\x1b[?25l" not in written
    assert b"\x1b[?1049h" not in written


def test_auto_is_live_on_a_terminal(tmp_path: Path) -> None:
    with serving(fleet_of(servers(1), export_duration_s=1.5), tmp_path) as service:
        _, written = on_terminal(service, "collect", "fleet.json")
    assert b"time left" in written


def test_auto_is_plain_in_a_pipe_and_none_is_silent(tmp_path: Path) -> None:
    with serving(fleet_of([server(1), server(2, Fault("unknown_id"))]), tmp_path) as service:
        plain = service.run("collect", "fleet.json")
        silent = service.run("collect", "fleet.json", "-q", "--progress", "none")
    assert "\x1b" not in plain.stderr
    assert "1 of 2 collected, 1 failed" in plain.stderr
    assert "fleet/bms-2 failed at export" in plain.stderr
    assert silent.stderr == ""


def test_progress_as_json_has_the_counts_and_rates(tmp_path: Path) -> None:
    with serving(fleet_of([server(1), server(2, Fault("unknown_id"))]), tmp_path) as service:
        ended = service.run("collect", "fleet.json", "--log-format", "json")
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    last = next(one for one in reversed(told) if one["event"] == "progress")
    assert (last["servers"], last["collected"], last["failed"], last["waiting"]) == (2, 1, 1, 0)
    assert last["bytes"] > 0
    assert {"bytes_per_s", "calls_per_s", "requests", "throttled", "elapsed_s"} <= last.keys()


HOSTILE = "\x1b[2J\u202e</pre><script>\x00\x9b31m"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A fleet whose names are long, wide and hostile, and of which half fails."""
    names = ["storage", "支付系统-生产环境" * 4, "x" * 4_000, HOSTILE, "e" + "\u0301" * 500]
    projects = tuple(
        ProjectSpec(
            f"p{number}", name,
            tuple(
                ServerSpec(f"{number}-{n}", f"{name}-{n}", faults=(Fault("unknown_id"),) * (n % 2))
                for n in range(10)
            ),
        )
        for number, name in enumerate(names)
    )  # fmt: skip
    with serving(
        Scenario(projects=projects, export_duration_s=1.0), tmp_path_factory.mktemp("odd")
    ) as service:
        yield service


@pytest.mark.parametrize("size", [(24, 80), (40, 120), (50, 200), (10, 40), (3, 8), (1, 1)])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_no_name_and_no_terminal_garbles_what_is_shown(
    odd: Service, size: tuple[int, int], encoding: str
) -> None:
    variables = {"PYTHONIOENCODING": encoding}
    arguments = ("collect", "fleet.json", "--reuse-exports", "0")
    code, written = on_terminal(odd, *arguments, size=size, variables=variables)
    assert code == 3
    text = written.decode(encoding)
    plain = re.sub(r"\x1b\[(\?7[lh]|[0-9;]*[mAJKH])|[\r\n]", "", text)
    assert plain.isprintable()
    frames = [f"\x1b[?7l{one}" for one in text.split("\x1b[?7l")[1:]]
    seen = [screen(frame.encode(), size) for frame in frames]
    for shown in seen:
        assert sum("collected, " in line for line in shown) <= 1
    assert size < (10, 40) or any(
        "25 collected" in " ".join(shown) or "of 50 collected" in " ".join(shown) for shown in seen
    )


def test_a_terminal_that_changes_its_size_shows_each_thing_once(tmp_path: Path) -> None:
    scenario = fleet(servers=60, projects=20, export_duration_s=600.0)
    with serving(scenario, tmp_path) as service, Terminal(100, 30) as terminal:
        env = service.environment(TERM="xterm")
        started = service.start("collect", "fleet.json", "-v", stderr=terminal.theirs, env=env)
        with started as process, contextlib.ExitStack() as last:
            last.callback(process.kill)
            for columns, lines in ((100, 30), (60, 30), (160, 40), (80, 12), (40, 10)):
                terminal.resize(columns, lines)
                before = len(terminal.written)
                until_s = time.monotonic() + PATIENCE_S
                while terminal.written[before:].count(" in flight") < 2:
                    assert time.monotonic() < until_s
                    time.sleep(0.02)
                    terminal.read()
                shown = terminal.shown
                assert sum("of 60 collected" in line for line in shown) == 1
                assert sum(line.startswith("time left") for line in shown) == 1
                assert sum("% done" in line for line in shown) == 1
                names = [line.split()[0] for line in shown if " of 3 " in line]
                assert len(names) == len(set(names))
