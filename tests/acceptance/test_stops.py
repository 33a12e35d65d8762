"""How a run ends early: by signals, a closed terminal, a deadline, a phase that takes too long."""

from __future__ import annotations

import json
import os
import pty
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import Fault
from tests.support.command import fleet_of, server, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Service

LINE = "Stopping: finishing requests in flight (up to {}). Ctrl-C again to stop now."


def parts(service: Service) -> list[Path]:
    return list(service.out.glob("[0-9]*/fleet/*/*.part"))


def wait_for_part(service: Service) -> None:
    """Return when a download is under way."""
    until = time.monotonic() + 30
    while not parts(service):
        assert time.monotonic() < until
        time.sleep(0.01)


def rows(service: Service) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in service.manifest()["projects"][0]["servers"]}


@pytest.mark.parametrize(("grace", "collected"), [("30s", 1), ("0", 0)])
def test_download_that_ends_within_the_grace_is_kept_and_any_other_stays_unfinished(
    tmp_path: Path, grace: str, collected: int
) -> None:
    fleet = [
        server("slow", Fault("slow", bytes_per_s=400_000), archive_bytes=700_000),
        server("late", export_duration_s=3600.0),
    ]
    with serving(fleet_of(fleet), tmp_path) as service:
        with service.start("collect", "fleet.json", "--grace", grace) as process:
            wait_for_part(service)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate()
        assert process.returncode == 143
        assert err.splitlines().count(LINE.format("30 s" if grace == "30s" else "5 s")) == 1
        assert service.manifest()["totals"]["collected"] == collected
        assert len(parts(service)) == 1 - collected
        assert rows(service)["id-late"]["waiting"]["reason"] == "stopped"
        assert service.verify()["ok"]


def test_hang_up_counts_as_a_termination(tmp_path: Path) -> None:
    with serving(fleet_of([server("late", export_duration_s=3600.0)]), tmp_path) as service:
        with service.start("collect", "fleet.json", "--json") as process:
            service.wait_for_export("id-late")
            process.send_signal(signal.SIGHUP)
            out, _ = process.communicate()
        assert process.returncode == 143
        assert json.loads(out)["run"]["state"] == "interrupted"


def test_hang_up_that_the_caller_ignores_is_ignored(tmp_path: Path) -> None:
    ignoring = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    with serving(fleet_of([server("late", export_duration_s=1.0)]), tmp_path) as service:
        with service.start("collect", "fleet.json", preexec_fn=ignoring) as process:
            service.wait_for_export("id-late")
            process.send_signal(signal.SIGHUP)
            process.communicate()
        assert process.returncode == 0


@pytest.mark.parametrize("progress", ["live", "plain"])
def test_terminal_that_is_closed_stops_the_run_in_order(tmp_path: Path, progress: str) -> None:
    def take_the_terminal() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first one opened is the session's own

    with serving(fleet_of([server("late", export_duration_s=3600.0)]), tmp_path) as service:
        ours, theirs = pty.openpty()
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        arguments = ["collect", "fleet.json", "--progress", progress]
        with service.start(*arguments, preexec_fn=take_the_terminal, **streams) as process:
            os.close(theirs)
            service.wait_for_export("id-late")
            os.close(ours)
            assert process.wait(timeout=60) == 143
        assert service.manifest()["run"]["state"] == "interrupted"
        assert service.verify()["ok"]


def test_download_that_takes_too_long_fails_alone_and_can_be_tried_again(tmp_path: Path) -> None:
    fleet = [
        server("slow", Fault("slow", bytes_per_s=100_000, times=1), archive_bytes=1_000_000),
        server("good"),
    ]
    with serving(fleet_of(fleet), tmp_path) as service:
        ended = service.run("collect", "fleet.json", "--phase-timeout", "download=1s")
        assert ended.returncode == 3, ended.stderr
        error = rows(service)["id-slow"]["error"]
        assert (error["stage"], error["attempts"]) == ("download", 1)
        assert "longer than is allowed" in error["message"]
        assert "--phase-timeout download=" in error["hint"]
        assert "--retry-failed" in ended.stdout
        again = service.run("collect", "--resume", "latest", "--retry-failed")
        assert again.returncode == 0
        assert service.emulator.statistics()["exports"]["started"] == 2


def test_what_waits_for_a_download_is_no_part_of_its_time(tmp_path: Path) -> None:
    """Ten downloads of half a second each go one after the other; each may take two."""
    fleet = [
        server(number, Fault("slow", bytes_per_s=100_000), archive_bytes=50_000)
        for number in range(10)
    ]
    with serving(fleet_of(fleet), tmp_path) as service:
        inventory = service.emulator.inventory()
        inventory["defaults"]["limits"] = {"downloads": 1}
        (tmp_path / "one.json").write_text(json.dumps(inventory))
        ended = service.run("collect", "one.json", "--phase-timeout", "download=2s")
        assert ended.returncode == 0, ended.stdout


def test_short_exports_of_which_nothing_is_known_are_home_before_a_tight_deadline(
    tmp_path: Path,
) -> None:
    """They are asked about from the first second on, and not when a guess says."""
    fleet = [server(n, export_duration_s=0.3 + 0.02 * n) for n in range(60)]
    with serving(fleet_of(fleet), tmp_path) as service:
        done = service.run("collect", "fleet.json", "--deadline", "6s")
        assert done.returncode == 0, done.stderr
        assert service.manifest()["totals"]["collected"] == 60
