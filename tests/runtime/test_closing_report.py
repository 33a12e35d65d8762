"""The report at a run's end: made while somebody waits for it, and never at the run's cost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.rundir import report_file
from collector.rundir.journal.journal import Journal
from collector.runtime import closing_report
from collector.runtime.closing_report import ClosingReport
from tests.support.big_run import BigRun, state_of, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
RUN = BigRun(servers=20, projects=2, failed=2)


@pytest.fixture
async def closing(tmp_path: Path) -> AsyncIterator[ClosingReport]:
    directory = written(RUN, tmp_path)
    journal, _ = Journal.resume(directory / "journal.jsonl")
    with journal:
        yield ClosingReport(directory, state_of(RUN), journal)


def report_of(tmp_path: Path) -> Path:
    return tmp_path / RUN.run_id / "report.html"


async def test_a_report_is_written_and_its_path_known(
    closing: ClosingReport, tmp_path: Path
) -> None:
    await closing.write("0" * 64)
    assert closing.path == report_of(tmp_path)
    assert report_of(tmp_path).is_file()


async def test_one_that_was_skipped_before_is_not_begun(
    closing: ClosingReport, tmp_path: Path
) -> None:
    closing.skip_if_begun()
    closing.skip()
    await closing.write(None)
    assert closing.path is None
    assert not report_of(tmp_path).exists()


async def test_one_that_is_skipped_meanwhile_is_not_waited_for_nor_finished(
    closing: ClosingReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, going_on, over = threading.Event(), threading.Event(), threading.Event()
    written_to_its_end = report_file.written

    def slowly(*arguments: object) -> object:
        begun.set()
        going_on.wait(30)
        try:
            return written_to_its_end(*arguments)  # type: ignore[arg-type]
        finally:
            over.set()

    monkeypatch.setattr(report_file, "written", slowly)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(closing.write, None)
        assert await anyio.to_thread.run_sync(begun.wait, 30)
        closing.skip_if_begun()
    assert not over.is_set()
    going_on.set()
    assert over.wait(30)
    assert closing.path is None
    assert not report_of(tmp_path).exists()


async def test_one_that_takes_too_long_is_a_warning(
    closing: ClosingReport, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    going_on = threading.Event()
    monkeypatch.setattr(closing_report, "WITHIN_S", 0.01)
    monkeypatch.setattr(report_file, "made", lambda *_, **__: going_on.wait(30))
    await closing.write(None)
    going_on.set()
    assert "it took more than" in caplog.text


async def test_a_bug_in_it_is_a_warning(
    closing: ClosingReport, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(report_file, "made", broken)
    await closing.write(None)
    assert "ZeroDivisionError: a bug" in caplog.text
    assert "the run goes on without it" in caplog.text
    assert closing.path is None
