"""Signals that stop a process, before and after it has something to save.

Loaded before everything else, so it imports little.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # as in `typing`, which takes a while

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import FrameType

STOPS = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,  # a terminal that was closed
}
"""Signals that stop a command, each with the one that its exit code reports."""


def end_at_once(code: int | None = None) -> None:
    """From now on a stop signal ends the process at once.

    For use while there is nothing to save: before a run starts and after it has ended. Python's
    usual exception could be lost inside an import. Signals that the caller ignores stay ignored.

    Args:
        code: the exit code; None for the signal's own, 130 or 143.
    """

    def end(received: int, frame: FrameType | None) -> None:
        del frame
        os._exit(128 + STOPS[signal.Signals(received)] if code is None else code)

    for received in STOPS:
        if signal.getsignal(received) is not signal.SIG_IGN:
            signal.signal(received, end)


@contextmanager
def received(*wanted: signal.Signals) -> Iterator[AsyncIterator[signal.Signals]]:
    """Receive signals in an event loop; afterwards the earlier handlers are restored."""
    import anyio  # noqa: PLC0415  # with the rest of what an event loop needs

    before = {one: signal.getsignal(one) for one in wanted}
    try:
        with anyio.open_signal_receiver(*wanted) as stops:
            yield stops
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def ignore() -> None:
    """Ignore stop signals from now on: the process is about to end."""
    for received in STOPS:
        signal.signal(received, signal.SIG_IGN)
