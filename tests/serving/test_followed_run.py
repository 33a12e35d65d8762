"""A run on disk as a source: which files it holds open, and for how long."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from collector.serving import runs_site
from collector.serving.followed_run import FollowedRun
from collector.serving.guard import Token
from collector.serving.listening import listen
from collector.serving.serving import serve_runs
from tests.support.onlooking import ask, looking_on, until

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"
RUN = RUNS / "killed"


def journals_open() -> int:
    """How many descriptors of this process are of the run's journal."""
    journal = (RUN / "journal.jsonl").stat()
    found = 0
    for one in Path("/dev/fd").iterdir():
        try:
            found += os.path.samestat(os.fstat(int(one.name)), journal)
        except OSError:
            continue  # the listing's own
    return found


@contextmanager
def serving_runs() -> Iterator[str]:
    """Serve all runs, and yield the URL of the list."""
    listening = listen("127.0.0.1:0")
    with start_blocking_portal() as portal:
        served = portal.start_task_soon(
            serve_runs, RUNS, listening, Token("of-the-tests", is_new=False)
        )
        try:
            yield listening.url
        finally:
            served.cancel()


@pytest.mark.anyio
async def test_a_run_that_nobody_looks_at_any_more_holds_no_file() -> None:
    source = FollowedRun(RUN)
    await source.data()
    assert journals_open() == 1
    source.close()
    assert journals_open() == 0


@pytest.mark.anyio
async def test_a_run_that_is_closed_in_the_middle_of_a_look_holds_no_file_after_it() -> None:
    source = FollowedRun(RUN)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.data)
        await anyio.wait_all_tasks_blocked()
        source.close()
        tasks.cancel_scope.cancel()
    assert journals_open() == 0


@pytest.mark.anyio
async def test_a_run_that_is_closed_is_not_opened_again() -> None:
    source = FollowedRun(RUN)
    await source.data()
    source.close()
    await anyio.sleep(0.6)
    await source.refresh()
    assert journals_open() == 0


def test_a_run_is_kept_open_while_somebody_looks_and_not_for_long_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs_site, "IDLE_S", 0.0)
    monkeypatch.setattr(runs_site, "_SWEEP_S", 0.02)
    with serving_runs() as url:
        with looking_on(url, "runs/killed/events") as stream:
            next(iter(stream))
            ask(url, "runs")
            until(lambda: ask(url, "runs/finished/healthz").status == 200)
            assert journals_open() == 1
        until(lambda: journals_open() == 0)


def test_who_serves_no_more_holds_no_file() -> None:
    with serving_runs() as url:
        assert ask(url, "runs/killed/data").status == 200
        assert journals_open() == 1
    assert journals_open() == 0


def test_where_no_token_is_needed_none_is_kept() -> None:
    with serving_runs() as url:
        answer = ask(url, "?token=chosen-by-another-page")
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
