"""Blocking work in threads, and without them where the system starts no more.

A user may have so many threads, and so may a container (`ulimit -u`, `pids.max`); other programs
count too, so the last one may be gone at any time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CapacityLimiter

T = TypeVar("T")

_TOLD: Final = RunVar[bool]("collector.threads.told", default=False)
"""Of an event loop: whether a person knows."""


async def run_sync(
    work: Callable[[], T],
    *,
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """Do blocking work in a thread of the event loop; where none can be started, here.

    All else waits meanwhile: it takes longer, and goes on.

    Args:
        work: what is to be done.
        limiter: of how many threads may do such work at once; None for anyio's own.
        abandon_on_cancel: a cancelled caller does not wait for its end.
    """
    begun = False

    def begin() -> T:
        nonlocal begun
        begun = True
        return work()

    try:
        return await to_thread.run_sync(begin, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError:
        if begun:
            raise
    if not _TOLD.get():
        _TOLD.set(True)
        logging.getLogger(__name__).warning(
            "the system starts no more threads (ulimit -u, or pids.max of a container): work "
            "goes on, slower, with those that it has"
        )
    return work()
