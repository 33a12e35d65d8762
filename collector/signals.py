"""Signals that stop a process, and what they do while it has nothing to save.

Loaded before anything else, and so with little of its own.
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
"""Signals that stop a command, each with the one that its exit code tells of."""


def end_at_once(code: int | None = None) -> None:
    """From now on a stop ends the process there and then.

    For as long as nothing has to be saved: before a run begins, and after it has ended. An
    exception instead, as Python has it, could be raised and lost anywhere within an import. What
    the caller has chosen to ignore stays ignored.

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
    """Receive signals in an event loop; afterwards they do again what they did before."""
    import anyio  # noqa: PLC0415  # with the rest of what an event loop needs

    before = {one: signal.getsignal(one) for one in wanted}
    try:
        with anyio.open_signal_receiver(*wanted) as stops:
            yield stops
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def ignore() -> None:
    """Ignore stops from now on: the process is about to end."""
    for received in STOPS:
        signal.signal(received, signal.SIG_IGN)
