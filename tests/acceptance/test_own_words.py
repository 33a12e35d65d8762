"""What a person wrote where it does not belong, and whose files a run leaves alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Service, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command import Command


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(fleet_of(servers(2)), tmp_path) as found:
        yield found


def test_a_token_among_the_arguments_is_neither_kept_nor_printed(service: Command) -> None:
    done = service.run(
        "collect", "fleet.json", "--select", "name=bms-*", "--select", f"name={service.token}"
    )
    assert done.returncode == 0, done.stderr
    assert service.token not in done.stdout + done.stderr
    for path in service.latest.resolve().glob("*.json*"):
        assert service.token.encode() not in path.read_bytes(), path


def test_a_resume_that_finds_nothing_to_do_replaces_no_file(service: Command) -> None:
    assert service.run("collect", "fleet.json").returncode == 0
    run = service.latest.resolve()

    def looks() -> dict[str, tuple[int, int]]:
        return {one.name: (one.stat().st_ino, one.stat().st_mtime_ns) for one in run.iterdir()}

    before = looks()
    assert service.run("collect", "--resume", "latest").returncode == 0
    assert looks() == before
    (run / "SHA256SUMS").write_text("")
    assert service.run("collect", "--resume", "latest").returncode == 0
    assert (run / "SHA256SUMS").read_text()


def test_a_manifest_that_cannot_be_written_hides_no_result(service: Command) -> None:
    first = service.run("collect", "fleet.json", "--select", "name=bms-0", "--run-id", "run")
    assert first.returncode == 0, first.stderr
    (service.out / "run" / "manifest.json.part" / "x").mkdir(parents=True)
    done = service.run("collect", "fleet.json", "--resume", "run", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["totals"]["collected"] == 2
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("collector: "))
    assert "cannot update manifest.json" in line
    assert "manifest.json.part" in line
