"""What a run leaves: for its owner alone, checked by the tools that everybody has."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.command import COLLECTOR, Service, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUMS = next(
    (tool for tool in (["sha256sum"], ["shasum", "-a", "256"]) if shutil.which(tool[0])), None
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(fleet_of(servers(3)), tmp_path_factory.mktemp("files")) as found:
        yield found


@pytest.mark.parametrize("umask", [0o000, 0o777 & ~0o700])
def test_all_is_for_its_owner_alone_whatever_the_umask(
    service: Service, tmp_path: Path, umask: int
) -> None:
    out = tmp_path / "out"
    assert service.run("collect", "fleet.json", "--out", str(out), umask=umask).returncode == 0
    entries = [out, *out.rglob("*")]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in entries if path != out}
    assert modes == {(True, 0o700), (False, 0o600)}


@pytest.mark.skipif(SUMS is None, reason="neither sha256sum nor shasum is installed")
def test_checksums_are_checked_by_sha256sum(service: Service) -> None:
    assert SUMS is not None
    service.run("collect", "fleet.json")
    checked = subprocess.run(
        [*SUMS, "-c", "SHA256SUMS"], cwd=service.latest, capture_output=True, text=True, check=True
    )
    assert checked.stdout.count(": OK") == 3
    archive = next(service.latest.rglob("*.tar.gz"))
    archive.write_bytes(archive.read_bytes() + b"\n")
    changed = subprocess.run(
        [*SUMS, "-c", "SHA256SUMS"], cwd=service.latest, capture_output=True, text=True, check=False
    )
    assert changed.returncode != 0
    verified = service.run("verify", "collected/latest")
    assert verified.returncode == 6
    assert archive.name in verified.stdout


def test_two_runs_at_once_are_two_runs(service: Service, tmp_path: Path) -> None:
    arguments = ("collect", "fleet.json", "--json", "--out", str(tmp_path))
    with service.start(*arguments) as one, service.start(*arguments) as other:
        runs = [json.loads(process.communicate()[0]) for process in (one, other)]
    assert {run["totals"]["collected"] for run in runs} == {3}
    assert len({run["directory"] for run in runs}) == 2
    assert str((tmp_path / "latest").readlink()) in {run["run"]["id"] for run in runs}


def test_disk_that_is_full_for_the_journal_ends_the_run_with_a_message(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the selection alone is larger."""
    with serving(fleet_of(servers(200)), tmp_path) as service:
        ended = limited(service, blocks=20)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "journal.jsonl" in ended.stderr
    assert len(ended.stderr.splitlines()) <= 3  # where it collects into, how far it came, and why


def test_disk_that_is_full_for_an_archive_fails_its_server(tmp_path: Path) -> None:
    with serving(fleet_of(servers(2), archive_bytes=400_000), tmp_path) as service:
        ended = limited(service, blocks=100)
        assert ended.returncode == 4, ended.stderr
        assert "Traceback" not in ended.stderr
        row = service.manifest()["projects"][0]["servers"][0]
        assert row["error"]["stage"] == "store"
        assert "room" in row["error"]["hint"]
        assert not list(service.out.rglob("*.part"))
        assert service.verify()["ok"]


def limited(service: Service, *, blocks: int) -> subprocess.CompletedProcess[str]:
    """Collect where no file may have more than so many blocks of 512 or 1024 bytes."""
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit -f {blocks}; exec "$0" collect fleet.json', COLLECTOR],
        cwd=service.home,
        env=service.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_directory_that_is_removed_under_the_run_is_told(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=3600.0)
    with serving(fleet, tmp_path) as service, service.start("collect", "fleet.json") as process:
        service.wait_for_export("id-0")
        shutil.rmtree(service.out)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert "it was removed or moved during the run" in err


def test_manifest_that_cannot_be_written_for_a_while_ends_no_run(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=4.0)
    with serving(fleet, tmp_path) as service:
        arguments = ["collect", "fleet.json", "--run-id", "run"]
        with service.start(*arguments) as process:
            service.wait_for_export("id-0")
            in_the_way = service.out / "run" / "manifest.json.part"
            in_the_way.mkdir()
            time.sleep(2.5)
            in_the_way.rmdir()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert err.count("cannot update") == 1
        assert "manifest.json.part: Is a directory" in err
        assert service.verify()["ok"]
