"""What somebody else puts into the output directory leads nowhere: a run writes in its own."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Service, fleet_of, servers, serving
from tests.support.stage import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    home = tmp_path / "home"
    home.mkdir()
    with serving(fleet_of(servers(2), export_duration_s=0.5), home) as found:
        yield found


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_collect_writes_under_its_run_and_the_places_beside_it_alone(
    service: Service, tmp_path: Path, umask: int
) -> None:
    before = snapshot(tmp_path)
    variables = {
        "HOME": str(service.home),
        "TMPDIR": str(service.home),
        "XDG_STATE_HOME": str(service.home / "deep" / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = service.run(
        "collect", "fleet.json", "--out", "new/out", "--run-id", "run", "-vv",
        umask=umask, env=service.environment(**variables),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    after = snapshot(tmp_path)
    assert before.items() <= after.items()
    made = {name.removeprefix("home/") for name in after.keys() - before.keys()}
    outside = {
        name
        for name in made
        if not f"{name}/".startswith(("new/out/run/", "new/out/.collector/", "deep/state/"))
    }
    assert outside == {"new", "new/out", "new/out/latest", "deep"}
    paths = [service.home / name for name in made if name != "new/out/latest"]
    modes = {(path.is_dir(), path.stat().st_mode & 0o7777) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_directory_that_is_there_keeps_its_mode(service: Service) -> None:
    service.out.mkdir()
    service.out.chmod(0o755)
    assert service.run("collect", "fleet.json").returncode == 0
    assert service.out.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "planted",
    ["fleet", "fleet/bms-0", "FILE", "FILE.part", "manifest.json", "manifest.json.part",
     "SHA256SUMS", "members.jsonl.gz", "journal.jsonl", "report.html", "report.html.part"],
)  # fmt: skip
def test_a_link_planted_in_a_run_is_not_written_through(
    service: Service, tmp_path: Path, planted: str
) -> None:
    assert service.run("collect", "fleet.json", "--run-id", "run").returncode == 0
    run = service.out / "run"
    (archive,) = (run / "fleet" / "bms-0").iterdir()
    place = run / planted.replace("FILE", str(archive.relative_to(run)))
    outside = tmp_path / "outside"
    outside.mkdir()
    aim = outside / "aim"
    if place.is_dir():
        shutil.copytree(place, aim)
        shutil.rmtree(place)
        lost = next(aim.rglob(archive.name))
        lost.unlink()
    else:
        if os.path.lexists(place):
            shutil.copyfile(place, aim)
            place.unlink()
        else:
            aim.write_bytes(b"precious")
        archive.unlink(missing_ok=True)
    place.symlink_to(aim)
    before = snapshot(outside)
    ended = service.run("collect", "--resume", "latest", "-vv")
    assert "Traceback" not in ended.stderr
    assert snapshot(outside) == before
    if ended.returncode == 0:
        assert not place.is_symlink()
        assert service.verify()["ok"]


@pytest.mark.parametrize("planted", ["latest", ".collector", ".collector/exports.jsonl"])
def test_a_link_planted_beside_a_run_is_not_written_through(
    service: Service, tmp_path: Path, planted: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    place = service.out / planted
    place.parent.mkdir(parents=True)
    place.symlink_to(outside if not place.suffix else outside / "precious")
    before = snapshot(outside)
    ended = service.run("collect", "fleet.json")
    assert ended.returncode == 0, ended.stderr
    assert snapshot(outside) == before


def test_a_link_planted_where_what_is_learned_is_locked_is_not_written_through(
    service: Service, tmp_path: Path
) -> None:
    directory = service.state / "collector"
    directory.mkdir(parents=True)
    aim = tmp_path / "made-by-nobody"
    (directory / "learned.lock").symlink_to(aim)
    ended = service.run("collect", "fleet.json", "-v")
    assert ended.returncode == 0, ended.stderr
    assert "will have to learn the service's limits again" in ended.stderr
    assert not aim.exists()
