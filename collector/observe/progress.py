"""Progress: a live view on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, Self

import anyio

from collector.bystander import Bystander
from collector.observe.plain import Plain
from collector.observe.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from collector.observe.lines import Line
    from collector.report.glance import Glance

LIVE_EVERY_S: Final = 1.0
LIVE_AT_LEAST_EVERY_S: Final = 5.0
"""How fast a run goes shows between two looks that are no further apart."""
SHARE_OF_A_CORE: Final = 0.015
"""What drawing may take: a run of thousands of projects is drawn less often."""
PLAIN_EVERY_S: Final = 10.0
PLAIN_LOOKS_EVERY_S: Final = 2.0
LOOKED_AT_EVERY_S: Final = 0.25
"""How often the terminal's size is looked at."""
ABOVE: Final = 6
"""A part of the terminal as large as this, at least, is left to lines that scroll past."""


class Display(Protocol):
    """Shows a run until it ends."""

    async def show(self) -> None:
        """Show it until cancelled."""

    def restore(self) -> None:
        """Leave the terminal as it was."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the terminal, and say how far the run came."""


def choose(kind: str, look: Callable[[], Glance | None]) -> Display | None:
    """Return a display of this kind, or None for no display.

    Args:
        kind: `auto`, `live`, `plain` or `none`. `live` becomes `plain` if stderr is not a terminal
            that can be drawn on, or is JSON. With `--quiet`, `auto` becomes `none`.
        look: looks at the run; None as long as it has not begun.
    """
    stderr = sys.stderr if isinstance(sys.stderr, Stream) else Stream(sys.stderr)
    if kind == "none" or (kind == "auto" and stderr.quiet):
        return None
    if kind != "plain" and stderr.can_draw and not stderr.as_json:
        return Unfailing(partial(LiveDisplay, look, stderr), stderr, "the live view")
    return Unfailing(partial(PlainDisplay, look, stderr), stderr, "showing progress")


def every_s(took_s: float) -> float:
    """Return after how many seconds to draw again what took so much of the processor's time."""
    return min(LIVE_AT_LEAST_EVERY_S, max(LIVE_EVERY_S, took_s / SHARE_OF_A_CORE))


class Unfailing:
    """A display that ends where it fails, and nothing else with it.

    Args:
        make: makes the display.
        stderr: where it is shown.
        what: it is.
    """

    def __init__(self, make: Callable[[], Display], stderr: Stream, what: str) -> None:
        self._stderr = stderr
        self._bystander = Bystander(
            what, "see how far it is with `collector status --watch`", self._give_up
        )
        self._display: Display | None = None
        self._write_above: Callable[[str, bool], None] | None = None
        with self._bystander:
            self._display = make()

    def __enter__(self) -> Self:
        with self._bystander:
            if self._display is not None:
                self._display.__enter__()
                self._write_above = self._stderr.above
                self._stderr.above = self._above if self._write_above else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._bystander:
            if self._display is not None:
                self._display.__exit__(kind, error, traceback)

    async def show(self) -> None:
        """Show it until cancelled, or until that fails."""
        with self._bystander:
            if self._display is not None:
                await self._display.show()

    def restore(self) -> None:
        """Leave the terminal as it was."""
        if self._display is not None:
            self._display.restore()

    def _above(self, line: str, is_cut: bool) -> None:
        with self._bystander:
            if self._write_above is not None:
                self._write_above(line, is_cut)
                return
        self._stderr.draw(f"{line}\n")

    def _give_up(self) -> None:
        """Let lines go straight to the terminal from now on."""
        with contextlib.suppress(Exception):  # the display has failed: it may fail in this as well
            self.restore()
        self._display = self._write_above = self._stderr.above = None


class PlainDisplay:
    """A line every few seconds, also where nothing has changed."""

    def __init__(self, look: Callable[[], Glance | None], stderr: Stream) -> None:
        self._look = look
        self._plain = Plain(stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if (glance := self._look()) is not None:
            self._plain.end(glance)

    async def show(self) -> None:
        """Write a line every few seconds until cancelled."""
        told_s = time.monotonic()
        while True:
            # Looked at more often than told of: how fast a run goes shows between two looks.
            glance = self._look()
            now_s = time.monotonic()
            if glance is not None and now_s - told_s >= PLAIN_EVERY_S:
                told_s = now_s
                self._plain.tell(glance)
            await anyio.sleep(PLAIN_LOOKS_EVERY_S)

    def restore(self) -> None:
        """Do nothing: lines stay."""


class LiveDisplay:
    """A view that is drawn in place, no more than once a second."""

    def __init__(self, look: Callable[[], Glance | None], stderr: Stream) -> None:
        # What it takes costs time that pipes need not pay.
        from collector.observe.screen import Screen  # noqa: PLC0415
        from collector.observe.terminal_text import TerminalText  # noqa: PLC0415

        self._look = look
        self._stderr = stderr
        self._text = TerminalText(stderr.file_encoding)
        self._screen = Screen(stderr, self._text)
        self._restored = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stderr.above = self._above
        with contextlib.suppress(ValueError):  # not in the main thread
            before = signal.signal(signal.SIGCONT, self._woken)
            self._restored.callback(signal.signal, signal.SIGCONT, before)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        if (glance := self._look()) is not None:
            Plain(self._stderr).end(glance)

    async def show(self) -> None:
        """Draw once a second until cancelled, and soon after the terminal has got another size."""
        due_s = -math.inf
        size: tuple[int, int] | None = None
        while True:
            now_s = time.monotonic()
            before, size = size, self._screen.size
            has_settled = size == before and self._screen.has_new_size
            if has_settled or now_s >= due_s:
                began_s = time.thread_time()
                self._draw()
                due_s = now_s + every_s(time.thread_time() - began_s)
            await anyio.sleep(LOOKED_AT_EVERY_S)

    def restore(self) -> None:
        """Take the view away, and leave what scrolled past."""
        self._restored.close()
        self._stderr.flush()
        if not self._is_left():
            self._screen.draw(())
        self._stderr.above = None

    def _is_left(self) -> bool:
        """Whether the terminal is another process's now: it is not drawn on, lines are written."""
        if not self._stderr.is_in_background:
            return False
        for line in self._screen.leave():
            self._stderr.draw(f"{line}\n")
        return True

    def _draw(self) -> None:
        if self._is_left():
            return
        from collector.observe.view import ROOMY, drawn  # noqa: PLC0415  # as above

        columns, lines = self._screen.size
        glance = self._look()
        room = lines - 1 - lines // ABOVE
        # An empty line keeps the view apart from what scrolls past.
        gap: list[Line] = [[]] if room > ROOMY else []
        room -= len(gap)
        view = [] if glance is None else drawn(glance, columns, room, self._text)
        self._screen.draw([*gap, *view] if view else ())

    def _above(self, line: str, is_cut: bool) -> None:
        if self._is_left():
            self._stderr.draw(f"{line}\n")
        else:
            self._screen.above(line, is_cut=is_cut)

    def _woken(self, _signal: int, _frame: FrameType | None) -> None:
        """Take note that the process was stopped: a shell has written to the terminal since."""
        self._screen.lose()
