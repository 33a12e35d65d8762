"""A run's directory from somebody else: read as what it is, and nothing that it leads to."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Service, fleet_of, run, servers, serving
from tests.support.odd_files import SECRET, ended, lines_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

NOBODY = 65_534


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service, and a run called `base`, in a place that everybody may pass through.

    That of pytest is closed to others, and is closed again by each session that begins.
    """
    with (
        tempfile.TemporaryDirectory(prefix="handed-over-") as name,
        serving(fleet_of(servers(2)), Path(name)) as found,
    ):
        found.home.chmod(0o755)
        assert found.run("collect", "fleet.json", "--run-id", "base").returncode == 0
        yield found


@pytest.fixture
def out(service: Service, tmp_path: Path) -> Path:
    """A copy of the output directory, which belongs to root."""
    out = service.home / tmp_path.name
    shutil.copytree(service.out, out, symlinks=True)
    return out


def hand_over(out: Path, user: int, *, readable: bool = True) -> None:
    """Give a whole tree to somebody, open to all or as a run is left."""
    for path in (out, *out.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
        if readable and not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def as_nobody(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = service.environment(HOME="/nonexistent")
    done = run(*arguments, cwd=Path("/"), env=env, user=NOBODY, timeout=60)
    assert done.returncode != 1, done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


def snapshot(directory: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in (directory, *directory.rglob("*"))
    }


def lead_astray(run: Path, service: Service) -> None:
    """Plant what leads out of a run, and what would run if anybody ran it."""
    secret = service.home / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    archive = next((run / "fleet" / "bms-0").iterdir())
    archive.unlink()
    archive.symlink_to(secret)
    (run / "SHA256SUMS").unlink()
    (run / "SHA256SUMS").symlink_to(secret)
    (run / "fleet" / "bms-1").rename(run / "fleet" / "moved")
    (run / "fleet" / "bms-1").symlink_to("moved")
    (run / "collector.py").write_text(f"raise SystemExit({SECRET!r})\n")
    (run / "sitecustomize.py").write_text(f"raise SystemExit({SECRET!r})\n")


def test_somebody_elses_run_is_read_by_root_and_stays_as_it_is(service: Service, out: Path) -> None:
    lead_astray(out / "base", service)
    hand_over(out, NOBODY)
    before = snapshot(out)
    verified = ended(service, "verify", f"{out}/base", "--json")
    assert verified.returncode == 6
    found = {mismatch["what"] for mismatch in json.loads(verified.stdout)["mismatches"]}
    assert {"link", "missing", "unknown file"} <= found
    assert ended(service, "status", f"{out}/base").returncode == 0
    assert ended(service, "runs", f"{out}").returncode == 0
    assert ended(service, "plan", "fleet.json", "--out", f"{out}").returncode == 0
    assert snapshot(out) == before


def test_roots_run_is_read_by_somebody_else(service: Service, out: Path) -> None:
    hand_over(out, 0)
    assert as_nobody(service, "verify", f"{out}/base").returncode == 0
    assert as_nobody(service, "status", f"{out}/latest").returncode == 0
    listed = as_nobody(service, "runs", f"{out}", "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == ["base"]
    lead_astray(out / "base", service)
    assert as_nobody(service, "verify", f"{out}/base").returncode == 6


@pytest.mark.parametrize("command", ["verify", "status"])
def test_a_run_that_is_closed_is_refused_in_a_line(
    service: Service, out: Path, command: str
) -> None:
    for closed in (out / "base", out):
        closed.chmod(0o700)
        done = as_nobody(service, command, f"{out}/base")
        assert done.returncode == 2
        assert len(lines_of(done)) == 1
        assert "Permission denied" in done.stderr


def test_closed_files_of_an_open_run_are_told(service: Service, out: Path) -> None:
    hand_over(out, 0)
    run = out / "base"
    archive = next((run / "fleet" / "bms-0").iterdir())
    for name in (archive, run / "manifest.json", run / "members.jsonl.gz"):
        name.chmod(0o600)
    verified = as_nobody(service, "verify", f"{run}", "--json")
    assert verified.returncode == 6
    unreadable = [
        mismatch["path"]
        for mismatch in json.loads(verified.stdout)["mismatches"]
        if mismatch["what"] == "unreadable"
    ]
    assert len(unreadable) == 3
    told = as_nobody(service, "status", f"{run}")
    assert told.returncode == 0
    assert "cannot read" in lines_of(told)[0]
    (run / "journal.jsonl").chmod(0o600)
    assert as_nobody(service, "verify", f"{run}").returncode == 6
    assert as_nobody(service, "status", f"{run}").returncode == 2


def test_runs_that_are_closed_are_listed_as_unreadable(service: Service, out: Path) -> None:
    hand_over(out, 0)
    closed = out / "20261123T084103Z-7f3a"
    shutil.copytree(out / "base", closed)
    closed.chmod(0o700)
    listed = as_nobody(service, "runs", f"{out}", "--json")
    assert listed.returncode == 0
    rows = {row["id"]: row["totals"] for row in json.loads(listed.stdout)}
    assert rows[closed.name] is None
    assert rows["base"]


def test_somebody_elses_output_directory_is_collected_into_by_root(
    service: Service, out: Path
) -> None:
    """Root is the one user who can: what it finds there is not changed in place."""
    hand_over(out, NOBODY)
    os.chown(out, 0, 0)
    before = (out / ".collector" / "exports.jsonl").read_bytes()
    done = ended(service, "collect", "fleet.json", "--out", f"{out}")
    assert done.returncode == 0
    assert "belongs to another user" in lines_of(done)[0]
    assert (out / ".collector" / "exports.jsonl").read_bytes() == before
