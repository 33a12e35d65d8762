"""Long work in the background of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do it in a thread; where the system starts none, here: all answers wait meanwhile."""
    begun = False

    def begin() -> T:
        nonlocal begun
        begun = True
        return work()

    try:
        return await to_thread.run_sync(begin)
    except RuntimeError:
        if begun:
            raise
    return work()
