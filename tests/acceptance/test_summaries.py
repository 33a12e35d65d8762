"""What a person reads of a run: whom it names, that it adds up, and that it can be pasted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault, ProjectSpec, Scenario
from tests.support.command import COLLECTOR, Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


def in_words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two projects whose servers have the same names, each with one that fails."""
    projects = tuple(
        ProjectSpec(
            f"id-{name}", name, (server(f"{name}-1"), server(f"{name}-2", Fault("unknown_id")))
        )
        for name in ("web", "db")
    )
    scenario = Scenario(projects=projects, export_duration_s=0.0, archive_bytes=1000)
    with serving(scenario, tmp_path_factory.mktemp("home")) as found:
        yield found


def test_missing_servers_come_with_their_projects(service: Service) -> None:
    ended = service.run("collect", "fleet.json", "--run-id", "one")
    assert ended.returncode == 3
    assert ended.stdout.splitlines()[0] == "Run one finished."
    assert ended.stdout.splitlines()[-1] == "2 of 4 servers collected; 2 failed."
    assert " web/bms-web-2, db/bms-db-2 -> " in in_words(ended.stdout)
    for shown in (
        service.run("status", "one", "--json"),
        service.run("collect", "--resume", "one", "--json"),
    ):
        summary = json.loads(shown.stdout)
        assert [row["project"] for row in summary["not_collected"]] == [
            {"id": "id-web", "name": "web"},
            {"id": "id-db", "name": "db"},
        ]
        totals = summary["totals"]
        assert totals["servers"] == totals["collected"] + totals["failed"] + totals["pending"]
        for member in ("servers", "collected", "failed", "pending", "bytes"):
            assert totals[member] == sum(one["totals"][member] for one in summary["projects"])


def test_what_became_of_retried_servers_is_told(service: Service) -> None:
    assert service.run("collect", "fleet.json", "--run-id", "two").returncode == 3
    again = service.run("collect", "--resume", "two", "--retry-failed")
    assert again.returncode == 3
    assert "  retried    2 failed servers: 0 collected, 2 failed again" in again.stdout
    assert "two: retrying 2 failed servers" in again.stderr.splitlines()
    assert "retried" not in service.run("collect", "--resume", "two").stdout.replace(
        "retried    2", ""
    )


def test_one_of_anything_is_one(tmp_path: Path) -> None:
    with serving(fleet_of(servers(1)), tmp_path) as service:
        ended = service.run("collect", "fleet.json", "--run-id", "one", "--progress", "plain")
        assert ended.returncode == 0
        assert "  collected  1 of 1 server, " in ended.stdout
        assert ended.stderr.startswith(
            "Run one: collecting 1 server of 1 project into collected/one."
        )
        shown = service.run("plan", "fleet.json").stdout + service.run("verify").stdout
        assert "1 servers" not in shown + ended.stdout
        assert "collected/one: 1 archive, " in shown


def test_a_run_that_was_killed_says_since_when(tmp_path: Path) -> None:
    fleet = fleet_of([server("slow", export_duration_s=3600.0)])
    with serving(fleet, tmp_path) as service:
        with service.start("collect", "fleet.json", "--run-id", "one") as process:
            service.wait_for_export("id-slow")
            process.kill()
            process.communicate()
        at = json.loads(service.run("status", "--json").stdout)["last_event_at"]
        told = in_words(service.run("status").stdout)
        assert f"Run one was killed after {at[11:16]} (UTC)." in told
        assert "1 server pending when the run was killed: exporting bms-slow (id-slow)" in told
        assert told.endswith(" Killed: 0 of 1 server collected; 1 pending.")


def test_a_run_that_goes_on_says_by_whom_how_fast_and_until_when(tmp_path: Path) -> None:
    fleet = fleet_of([server("quick"), server("slow", export_duration_s=3600.0)])
    with (
        serving(fleet, tmp_path) as service,
        service.start("collect", "fleet.json", "--deadline", "1h") as process,
    ):
        service.wait_for_export("id-slow")
        status = service.run("status").stdout
        process.kill()
        process.communicate()
    assert f"  process    pid {process.pid} of " in status
    assert re.search(r"last event \d s ago\n", status)
    assert re.search(r"  missing    [12] pending \(.*1 exporting", status)
    assert re.search(r"  rate       [\d.]+( of \d+)? calls/s, .*B/s\n", status)
    assert re.search(r"  time left  .*; deadline in (1 h|59 min.*)\n", status)
    assert re.fullmatch(r"Running: [01] of 2 servers collected.*\.", status.splitlines()[-1])


def test_a_run_that_is_stopped_twice_says_both(tmp_path: Path) -> None:
    slow = server("slow", Fault("slow", bytes_per_s=200))
    with (
        serving(fleet_of([slow], archive_bytes=50_000), tmp_path) as service,
        service.start("collect", "fleet.json", "--grace", "1m") as process,
    ):
        service.wait_for_export("id-slow")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while not (said := process.stderr.readline()).startswith("Stopping"):
            assert said
        assert said == (
            "Stopping: finishing requests in flight (up to 1 min). Ctrl-C again to stop now.\n"
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130, out
        assert "Stopping now; --resume continues the run." in err.splitlines()


@pytest.mark.parametrize(
    "name",
    [
        "-dash",
        'quo"te\n$(touch pwned) `x`',
        *(
            pytest.param(name, marks=pytest.mark.deep)
            for name in ("with space", "it's", "new\nline", "\x1b[31mred", "ü *")
        ),
    ],
)
def test_the_next_commands_can_be_pasted_whatever_the_path(
    service: Service, tmp_path: Path, name: str
) -> None:
    made = service.run("collect", "fleet.json", "--out", str(tmp_path / "out"), "--run-id", "run")
    assert made.returncode == 3
    (tmp_path / name).mkdir()
    (tmp_path / "out" / "run").rename(tmp_path / name / "run")
    environment = service.environment(PATH=f"{Path(COLLECTOR).parent}:{os.environ['PATH']}")
    shown = subprocess.run(
        [COLLECTOR, "status", "--", f"{name}/run"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    checked = subprocess.run(
        [COLLECTOR, "verify", "--", f"{name}/run"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (resume, *_) = shown.stdout.rpartition("Next:\n")[2].splitlines()
    (status,) = re.findall("missing from this run; to see why:\n  (.*)", checked.stdout)
    for command, code in ((resume, 3), (status, 0)):
        assert command.split()[0] == "collector"
        pasted = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert pasted.returncode == code, (command, pasted.stderr)
    assert not (tmp_path / "pwned").exists()
