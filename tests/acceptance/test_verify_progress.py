"""`verify` of a large run shows how far it is, and ends with the verdict."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.altered import altered
from tests.support.command import Service, fleet_of, servers, serving
from tests.support.terminal import on_terminal, screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHIVES = 12
# Checks that take seconds on any machine would take the tests minutes: the clock runs faster.
HURRIED = """
import time
from collector.observe import checking
checking.DRAWN_EVERY_S = checking.TOLD_EVERY_S = 0.0
checking._SURE_AFTER_S = 0.0
"""
LINE = r"Verifying: \d+ of 12 archives, [\d.]+ \w+ of [\d.]+ \w+(; \d+ s left)?"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("verified")
    fleet = fleet_of(servers(ARCHIVES), archive_bytes=100_000)
    with serving(fleet, home) as found:
        assert found.run("collect", "fleet.json", "--run-id", "run").returncode == 0
        yield found


def hurried(service: Service) -> dict[str, str]:
    return service.environment(**altered(service.home, HURRIED))


def test_a_pipe_gets_lines_and_the_result_ends_with_the_verdict(service: Service) -> None:
    ended = service.run("verify", "collected/run", env=hurried(service))
    assert ended.returncode == 0, ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) >= ARCHIVES
    assert all(re.fullmatch(LINE, line) for line in lines)
    assert "Verifying: 12 of 12 archives" in lines[-1]
    assert re.fullmatch(
        r"collected/run: 12 archives, [\d.]+ MB, whole and unchanged\.",
        ended.stdout.splitlines()[-1],
    )


def test_a_terminal_gets_one_line_that_is_gone_in_the_end(service: Service) -> None:
    code, written = on_terminal(
        service, "verify", "collected/run",
        variables=altered(service.home, HURRIED),
    )  # fmt: skip
    assert code == 0
    assert b"Verifying: 12 of 12 archives" in written
    assert screen(written) == []


def test_json_lines_have_the_numbers(service: Service) -> None:
    ended = service.run("verify", "collected/run", "--log-format", "json", env=hurried(service))
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert {line["event"] for line in told} == {"verifying"}
    assert (told[-1]["archives"], told[-1]["of_archives"]) == (ARCHIVES, ARCHIVES)
    assert told[-1]["bytes"] == told[-1]["of_bytes"] > 0


def test_quiet_says_nothing_and_a_short_check_neither(service: Service) -> None:
    quiet = service.run("verify", "collected/run", "-q", env=hurried(service))
    short = service.run("verify", "collected/run")
    assert (quiet.stderr, short.stderr) == ("", "")


def test_what_is_wrong_comes_first_and_the_verdict_last(service: Service, tmp_path: Path) -> None:
    fleet = fleet_of(servers(3))
    with serving(fleet, tmp_path) as other:
        assert other.run("collect", "fleet.json", "--run-id", "run").returncode == 0
        archive = next(other.out.glob("run/fleet/bms-0/*.tar.gz"))
        archive.unlink()
        ended = other.run("verify", "collected/run")
    assert ended.returncode == 6
    lines = ended.stdout.splitlines()
    assert lines[0] == f"  fleet/bms-0/{archive.name}: missing"
    assert re.fullmatch(
        r"collected/run: 1 mismatch; the rest: 2 archives, .*, whole and unchanged\.", lines[-1]
    )
