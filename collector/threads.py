"""Blocking work in threads, or without them if the system allows no more.

Users and containers have limits on threads (`ulimit -u`, `pids.max`) that other programs count
against too, so the last one may be gone at any time.
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
"""Whether the shortage was reported in this event loop."""


async def run_sync(
    work: Callable[[], T],
    *,
    limiter: CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """Do blocking work in a thread of the event loop, or right here if none can be started.

    In the latter case everything else waits meanwhile.

    Args:
        work: what to do.
        limiter: limits how many threads do such work at once; None for anyio's default.
        abandon_on_cancel: a cancelled caller does not wait for it to end.
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
            "the system allows no more threads (ulimit -u, or a container's pids.max): "
            "continuing with fewer, more slowly"
        )
    return work()
