"""kill -9 at any moment, and a resume brings the run to its end."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

from collector.emulator import fleet
from tests.support.command import serving

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.command import Service

SERVERS = 30
KILLS = 5
LINES_OF_THE_SELECTION = SERVERS + 6
LINES_AFTER_IT = 4 * SERVERS


def test_run_that_is_killed_five_times_is_completed_and_whole(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311  # repeatable, no secret
    moments = sorted(rng.sample(range(LINES_AFTER_IT), KILLS))
    scenario = fleet(
        servers=SERVERS, export_duration_s=0.0, latency_s=0.01, archive_bytes=20_000, seed=5
    )
    with serving(scenario, tmp_path) as service:
        arguments = ["collect", "fleet.json", "--run-id", "killed"]
        unanswered = 0
        for moment in moments:
            with service.start(*arguments, "--progress", "none") as process:
                kill_at_line(service, process, LINES_OF_THE_SELECTION + moment)
            unanswered += posts_without_an_answer(service)
            assert service.verify()["ok"]
            arguments = ["collect", "--resume", "latest"]
        ended = service.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        statistics = service.emulator.statistics()
        manifest = service.manifest()
        found = service.verify()
    assert SERVERS <= statistics["exports"]["started"] <= SERVERS + unanswered
    assert manifest["totals"]["collected"] == found["archives"] == SERVERS
    assert manifest["totals"]["counters"] == "at_least"
    assert (found["ok"], found["mismatches"]) == (True, [])
    assert not list(service.out.rglob("*.part"))


def kill_at_line(service: Service, process: subprocess.Popen[str], lines: int) -> None:
    """Kill the run once its journal has so many lines; or when it is over, if that is before."""
    journal = service.out / "killed" / "journal.jsonl"
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            process.send_signal(signal.SIGKILL)
            return
        time.sleep(0.002)


def posts_without_an_answer(service: Service) -> int:
    """How many exports the journal intends and tells nothing more of: each may be started anew."""
    pending = service.run("status", "collected/killed", "--json").stdout
    return pending.count('"phase": "exporting"')
