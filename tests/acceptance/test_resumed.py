"""What a person reads when a run is taken up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.emulator import Fault
from tests.support.command import fleet_of, server, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_resume_says_what_it_finds_and_what_it_does(tmp_path: Path) -> None:
    fleet = [server(1), server(2, Fault("unknown_id", times=1))]
    with serving(fleet_of(fleet), tmp_path) as service:
        first = service.run("collect", "fleet.json", "--run-id", "run")
        assert first.returncode == 3, first.stderr

        idle = service.run("collect", "--resume", "latest")
        assert idle.returncode == 3
        assert "run: nothing left to do: 1 server failed; --retry-failed retries them" in (
            idle.stderr.splitlines()
        )

        (archive,) = (service.out / "run" / "fleet" / "bms-1").iterdir()
        archive.unlink()
        again = service.run("collect", "--resume", "latest", "--retry-failed")
        assert again.returncode == 0, again.stderr
        told = again.stderr.splitlines()
        path = archive.relative_to(service.out / "run")
        what = f"{path} is missing or not a regular file"
        assert f"run: collecting bms-1 again: {what}" in told
        assert "run: retrying 1 failed server" in told

        done = service.run("collect", "--resume", "latest", "--retry-failed")
        assert done.returncode == 0
        assert "run: nothing left to do: every server is collected" in done.stderr.splitlines()
        assert service.emulator.statistics()["exports"]["by_server"] == {"id-1": 1, "id-2": 1}
