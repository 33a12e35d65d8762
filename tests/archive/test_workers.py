"""Small jobs that take their steps together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.archive.workers import Workers, at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.archive.destination import Steps


async def together(workers: Workers, *jobs: Steps[str]) -> list[str | BaseException]:
    """What became of jobs that come at the same time."""
    results: dict[int, str | BaseException] = {}

    async def run(number: int, job: Steps[str]) -> None:
        try:
            results[number] = await workers.run_small(job)
        except (OSError, ValueError) as error:
            results[number] = error

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number, job in enumerate(jobs):
                tasks.start_soon(run, number, job)
    return [results[number] for number in range(len(jobs))]


def waiting_for(sync: Callable[[], None], result: str) -> Steps[str]:
    yield [sync]
    return result


def test_what_several_jobs_wait_for_is_synced_once() -> None:
    synced: list[str] = []

    def sync() -> None:
        synced.append("once")

    jobs = [waiting_for(sync, str(number)) for number in range(3)]
    assert anyio.run(together, Workers(2), *jobs) == ["0", "1", "2"]
    assert synced == ["once"]


@pytest.mark.parametrize("error", [OSError(5, "of the disk"), ValueError("of a client")])
def test_an_error_of_a_sync_fails_those_who_wait_for_it_and_no_other(error: Exception) -> None:
    def refuse() -> None:
        raise error

    jobs = [
        waiting_for(refuse, "a"),
        waiting_for(lambda: None, "b"),
        waiting_for(refuse, "c"),
    ]
    assert anyio.run(together, Workers(2), *jobs) == [error, "b", error]
    with pytest.raises(type(error)):
        at_once(waiting_for(refuse, "alone"))


def test_a_cancelled_caller_goes_once_its_step_has_ended() -> None:
    log: list[str] = []
    begun, released = threading.Event(), threading.Event()

    def long_step() -> Steps[str]:
        begun.set()
        released.wait(30)
        log.append("the step ended")
        yield ()
        log.append("another step")
        return "done"

    async def main() -> None:
        workers = Workers(2)

        async def call(scope: anyio.CancelScope) -> None:
            with scope:
                await workers.run_small(long_step())
            log.append("the caller went")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run_small, waiting_for(lambda: None, "leads"))
            scope = anyio.CancelScope()
            tasks.start_soon(call, scope)
            await anyio.to_thread.run_sync(begun.wait)
            scope.cancel()
            await anyio.sleep(0.01)
            released.set()

    anyio.run(main)
    assert log == ["the step ended", "the caller went"]
