"""The list of runs: a run is read again where it has changed, and only there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from collector.rundir import standing
from collector.serving import run_list
from collector.serving.run_list import RunList

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"


@pytest.mark.anyio
async def test_a_run_is_read_again_only_where_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(RUNS, tmp_path / "out")
    read: list[str] = []
    reads = standing.line_of

    def counted(directory: Path, *, may_lag: bool) -> standing.Listed:
        read.append(directory.name)
        return reads(directory, may_lag=may_lag)

    monkeypatch.setattr(standing, "line_of", counted)
    monkeypatch.setattr(run_list, "FRESH_S", 0.0)
    runs = RunList(out)
    first = await runs.listed()
    assert sorted(read) == ["damaged", "finished", "killed"]
    assert (await runs.listed()).runs == first.runs
    assert len(read) == 3
    with (out / "killed" / "journal.jsonl").open("ab") as journal:
        journal.write(b"{")
    await runs.listed()
    assert read[3:] == ["killed"]
    shutil.rmtree(out / "finished")
    assert {run.name for run in (await runs.listed()).runs} == {"damaged", "killed"}
    assert len(read) == 4


@pytest.mark.anyio
async def test_a_list_that_is_fresh_is_given_again(tmp_path: Path) -> None:
    runs = RunList(shutil.copytree(RUNS, tmp_path / "out"))
    assert await runs.listed() is await runs.listed()
