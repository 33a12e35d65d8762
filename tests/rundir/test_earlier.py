"""The run that another is compared with: found, and read from its manifest or its journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collector.errors import CollectorError
from collector.report.comparing import OtherRun, other_run
from collector.rundir.earlier import LOOKED_AT, from_manifest, last_run, named_run
from tests.support.big_run import BigRun, state_of, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = BigRun(servers=60, projects=3, failed=7, pending=5)


def test_a_manifest_tells_the_same_as_the_journal(tmp_path: Path) -> None:
    directory = written(RUN, tmp_path)
    assert from_manifest(directory / "manifest.json") == other_run(state_of(RUN), "interrupted")


def test_hostile_names_change_nothing_of_that(tmp_path: Path) -> None:
    run = BigRun(servers=100, projects=5, failed=7, hostile=True)
    found = from_manifest(written(run, tmp_path) / "manifest.json")
    assert found == other_run(state_of(run), "partial")


def of_the_journal(_: Path) -> None:
    """As it is."""


def removed(manifest: Path) -> None:
    manifest.unlink()


def cut(manifest: Path) -> None:
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:-5]))


def cut_in_a_row(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes()[:-300])


def written_otherwise(manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes())))


def odd(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes().replace(b'"bytes": 4', b'"bytes": -4', 3))


def of_a_running_run(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes().replace(b'"interrupted"', b'"running"', 1))


def deep(manifest: Path) -> None:
    manifest.write_bytes(b"[" * 1_000_000)


def a_link(manifest: Path) -> None:
    kept = manifest.rename(manifest.with_name("elsewhere.json"))
    manifest.symlink_to(kept)


@pytest.mark.parametrize(
    "change",
    [removed, cut, cut_in_a_row, written_otherwise, odd, of_a_running_run, deep, a_link],
)
def test_a_manifest_that_cannot_be_believed_gives_way_to_the_journal(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    directory = written(RUN, tmp_path)
    change(directory / "manifest.json")
    with pytest.raises((OSError, ValueError)):
        from_manifest(directory / "manifest.json")
    assert named_run(directory) == other_run(state_of(RUN), "interrupted")


def test_a_manifest_of_terabytes_is_not_read(tmp_path: Path) -> None:
    directory = written(RUN, tmp_path)
    with (directory / "manifest.json").open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than"):
        from_manifest(directory / "manifest.json")


def test_a_run_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    directory = written(RUN, tmp_path)
    (directory / "manifest.json").unlink()
    (directory / "journal.jsonl").write_bytes(b"{}\n")
    with pytest.raises(CollectorError, match="before it began"):
        named_run(directory)


def last(directory: Path, run: BigRun) -> OtherRun | None:
    return last_run(directory, state_of(run))


def test_the_last_run_before_of_the_same_servers_is_found(tmp_path: Path) -> None:
    runs = [BigRun(servers=60, projects=3, generation=generation) for generation in range(4)]
    places = [written(run, tmp_path) for run in runs]
    found = last(places[2], runs[2])
    assert found is not None
    assert found.run_id == runs[1].run_id
    assert last(places[0], runs[0]) is None


def test_runs_of_other_servers_and_runs_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    first, now = (BigRun(servers=60, projects=3, generation=one) for one in (0, 9))
    written(first, tmp_path)
    written(BigRun(servers=2, projects=1, generation=3, hostile=True), tmp_path)
    for generation in (4, 5):
        lost = written(BigRun(servers=60, projects=3, generation=generation), tmp_path)
        (lost / "manifest.json").write_bytes(b"")
        (lost / "journal.jsonl").write_bytes(b"" if generation == 4 else b"\0\n")
    found = last(written(now, tmp_path), now)
    assert found is not None
    assert found.run_id == first.run_id


def test_not_all_runs_of_years_are_looked_at(tmp_path: Path) -> None:
    first, now = (BigRun(servers=60, projects=3, generation=one) for one in (0, 2))
    written(first, tmp_path)
    place = written(now, tmp_path)
    for number in range(LOOKED_AT):
        assert last(place, now) is not None
        _one_more(tmp_path, number)
    assert last(place, now) is None


def _one_more(out: Path, number: int) -> None:
    """Leave one more run between the two, of a server that neither has."""
    directory = written(BigRun(servers=1, projects=1, generation=1000 + number), out)
    journal = directory / "journal.jsonl"
    first = json.loads(journal.read_bytes().partition(b"\n")[0])
    first["at"] = f"2026-11-24T{number:02}:00:00.000Z"
    # When it began is read from here, and all else from the manifest.
    journal.write_text(json.dumps(first) + "\n")
