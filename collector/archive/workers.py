"""Threads that verify and write: small jobs that come together go through their steps together.

A trip to a thread costs as much as a small archive's verification, and the first of several syncs
in a row does most of the work of all of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from collector import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.archive.destination import Steps, Sync

MOST_THREADS = 4
GATHER_S = 0.01
"""How long a small job waits for others."""
LARGEST_GATHERING = 32

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Job:
    steps: Steps[Any]
    failed: Exception | None = None
    result: Any = None
    error: BaseException | None = None
    abandoned: bool = False
    done: anyio.Event = field(default_factory=anyio.Event)

    def step(self) -> Sequence[Sync] | None:
        """Take the next step; return what must be synced after it, None when it was the last."""
        try:
            if self.abandoned:
                self.steps.close()
            if self.failed is not None:
                return self.steps.throw(self.failed)
            return next(self.steps)
        except StopIteration as end:
            self.result = end.value
        except BaseException as error:  # noqa: BLE001  # raised again where the job was given
            self.error = error
        return None


class Workers:
    """A bounded number of threads, shared by all archives on their way."""

    def __init__(self, threads: int | None = None) -> None:
        """Use so many threads; by default one a core, and four at most."""
        self._limiter = anyio.CapacityLimiter(threads or min(MOST_THREADS, os.cpu_count() or 1))
        self._gathering: list[_Job] | None = None

    @property
    def are_busy(self) -> bool:
        """Whether all threads are at work."""
        return self._limiter.available_tokens <= 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do a large piece of work in a thread of its own; a cancellation waits for its end."""
        return await threads.run_sync(work, limiter=self._limiter)

    async def run_small(self, steps: Steps[T]) -> T:
        """Do a small job in a thread, step by step with others of these few milliseconds.

        A cancelled caller's job is left where it is, once the step under way has ended.
        """
        job = _Job(steps)
        if self._gathering is not None:
            self._gathering.append(job)
            if len(self._gathering) >= LARGEST_GATHERING:
                self._gathering = None
            try:
                await job.done.wait()
            except BaseException:
                job.abandoned = True
                with anyio.CancelScope(shield=True):
                    await job.done.wait()  # the caller closes what the step works on
                raise
        else:
            await self._lead(job)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def _lead(self, job: _Job) -> None:
        """Wait for others, then take them all to one thread."""
        jobs = self._gathering = [job]
        with anyio.CancelScope(shield=True):
            await anyio.sleep(GATHER_S)
            if self._gathering is jobs:
                self._gathering = None
            await threads.run_sync(partial(_do_all, jobs), limiter=self._limiter)
        for other in jobs:
            other.done.set()


def at_once(steps: Steps[T]) -> T:
    """Do a job that is not to wait for others."""
    job = _Job(steps)
    _do_all([job])
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result


def _do_all(jobs: list[_Job]) -> None:
    while jobs:
        waiting = [(job, syncs) for job in jobs if (syncs := job.step()) is not None]
        jobs = [job for job, _ in waiting]
        failures: dict[Sync, Exception | None] = {}
        for job, syncs in waiting:
            for sync in syncs:
                if sync not in failures:
                    failures[sync] = _failure(sync)
                job.failed = job.failed or failures[sync]


def _failure(sync: Sync) -> Exception | None:
    """Sync something for all who wait for it; return the error that it met with."""
    try:
        sync()
    except Exception as error:  # noqa: BLE001  # raised again in each of their steps
        return error
    return None
