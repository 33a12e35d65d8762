"""`status --watch`: a run of another process, as that process would show it."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, serving
from tests.support.terminal import on_terminal, screen

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    fleet = [server(1), server("bad", Fault("unknown_id")), server("slow", export_duration_s=600)]
    with serving(fleet_of(fleet), tmp_path) as found:
        yield found


def collecting(service: Service, *options: str) -> subprocess.Popen[str]:
    """Start a run, and wait until its journal has begun."""
    arguments = ("collect", "fleet.json", "--run-id", "r", "--progress", "none", *options)
    process = service.start(*arguments)
    give_up_s = time.monotonic() + PATIENCE_S
    while '"failed": 1' not in service.run("status", "r", "--json").stdout:
        assert time.monotonic() < give_up_s
        assert process.poll() is None
        time.sleep(0.05)
    return process


def test_a_run_is_watched_until_it_ends_and_then_summed_up(service: Service) -> None:
    with collecting(service, "--deadline", "5s") as process:
        watched = service.run("status", "r", "--watch")
        process.communicate()
    assert watched.returncode == 0
    first, *_, last = watched.stderr.splitlines()
    assert first == "Watching collected/r. Ctrl-C ends the watching; the run goes on."
    assert "1 of 3 collected, 1 failed, 1 pending" in last
    assert watched.stdout.startswith("Run r ended at its deadline")
    assert "\x1b" not in watched.stderr


def test_a_run_is_watched_on_a_terminal(service: Service) -> None:
    with collecting(service, "--deadline", "5s") as process:
        code, written = on_terminal(service, "status", "r", "--watch")
        process.communicate()
    assert code == 0
    frames = [screen(b"\x1b[?7l" + one) for one in written.split(b"\x1b[?7l")]
    drawn = [shown for shown in frames if any(line.startswith("time left") for line in shown)]
    assert drawn
    assert "1 of 3 collected, 1 failed, 1 in flight" in " ".join(drawn[0])


def test_a_stop_ends_the_watching_alone(service: Service) -> None:
    with collecting(service) as process:
        with service.start("status", "r", "--watch") as watching:
            assert watching.stderr is not None
            assert watching.stderr.readline().startswith("Watching")
            time.sleep(0.05)
            watching.send_signal(signal.SIGINT)
            out, err = watching.communicate()
        assert watching.returncode == 130
        assert out == ""
        assert err.splitlines()[-1] == "Stopped watching; the run goes on."
        assert process.poll() is None
        assert json.loads(service.run("status", "r", "--json").stdout)["run"]["state"] == "running"
        process.send_signal(signal.SIGINT)
        process.communicate()


def test_a_run_that_is_removed_ends_the_watching_with_one_line(service: Service) -> None:
    with collecting(service) as process, service.start("status", "r", "--watch") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith("Watching")
        (service.out / "r").rename(service.home / "elsewhere")
        _, err = watching.communicate(timeout=PATIENCE_S)
        process.kill()
        process.communicate()
    assert watching.returncode == 2
    assert err.splitlines()[-1].endswith("/collected/r has been removed")
    assert "Traceback" not in err


def test_a_process_that_is_gone_is_told_of(service: Service) -> None:
    with collecting(service) as process:
        with service.start("status", "r", "--watch") as watching:
            assert watching.stderr is not None
            assert watching.stderr.readline().startswith("Watching")
            process.kill()
            out, err = watching.communicate()
        process.communicate()
    assert watching.returncode == 0
    assert f"Process {process.pid} on " in err
    assert "is gone; it did not end its run." in err
    assert "Run r was killed" in out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_run_that_has_ended_is_summed_up_at_once(service: Service, options: list[str]) -> None:
    service.run("collect", "fleet.json", "--exclude", "id=id-slow", "--run-id", "r")
    plain = service.run("status", "r", *options)
    watched = service.run("status", "r", "--watch", *options)
    assert (watched.returncode, watched.stdout, watched.stderr) == (0, plain.stdout, "")
