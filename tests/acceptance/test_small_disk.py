"""A run says before it starts, once, that the disk may be too small for its archives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.command import Service, fleet_of, server, serving

if TYPE_CHECKING:
    from pathlib import Path

HUGE = 10**15


def grow(service: Service, run: str) -> None:
    """Let a run's manifest say that its archives were larger than any disk."""
    path = service.out / run / "manifest.json"
    path.write_text(re.sub(r'("bytes": ?)\d+', rf"\g<1>{HUGE}", path.read_text()))


def test_a_disk_that_is_too_small_is_told_before_the_first_archive_and_on_resume(
    tmp_path: Path,
) -> None:
    scenario = fleet_of([server(1), server("slow", export_duration_s=2.0)])
    with serving(scenario, tmp_path) as service:
        first = service.run("collect", "fleet.json", "--run-id", "first")
        assert first.returncode == 0
        assert "disk" not in first.stderr
        grow(service, "first")
        second = service.run(
            "collect", "fleet.json", "--run-id", "second", "--progress", "none",
            "--deadline", "1s", "--reuse-exports", "0",
        )  # fmt: skip
        assert second.returncode == 3, second.stderr
        third = service.run("collect", "--resume", "second", "--progress", "none")
        assert third.returncode == 0, third.stderr
    for ended, needed in ((second, "2.0 PB"), (third, "1.0 PB")):
        (said,) = (line for line in ended.stderr.splitlines() if "disk" in line)
        assert f"the disk may be too small: about {needed} needed under " in said
        assert "free. Free up space, or stop and choose another directory with --out" in said


def test_a_guess_is_said_to_be_one(tmp_path: Path) -> None:
    from collector.planning.disk import Disk  # noqa: PLC0415  # the only one in this process

    assert Disk(10, 10, 0, 1, 10).shortage(tmp_path) is None
    assert Disk(10, None, 0, 1, 10).shortage(tmp_path) is None
    said = Disk(8_000_000, 1_000, 0, 2, 4_000_000).shortage(tmp_path)
    assert said is not None
    assert "8.0 MB needed" in said
    assert "if an archive has 4.0 MB; 1.0 kB free" in said
