"""How far a check of many archives is: a line redrawn on a terminal, now and then one elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

from collector.observe.streams import Stream
from collector.report.times import lasting
from collector.sizes import size

if TYPE_CHECKING:
    from collector.observe.screen import Screen

DRAWN_EVERY_S: Final = 1.0
TOLD_EVERY_S: Final = 10.0
_SURE_AFTER_S: Final = 3.0
"""What is left is estimated from what was done, once that has taken so long."""


class Checking:
    """Shows how far a check is that takes longer than a moment: nothing with `--quiet`."""

    def __init__(self) -> None:
        self._stderr = sys.stderr if isinstance(sys.stderr, Stream) else Stream(sys.stderr)
        self._began_s = self._told_s = time.monotonic()
        self._draws = self._stderr.can_draw and not self._stderr.as_json
        self._screen: Screen | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self._stderr.flush()
            self._screen.draw(())
            self._stderr.above = None

    def tell(self, archives: int, of_archives: int, read: int, of_bytes: int) -> None:
        """Show how far it is, if that was not done a moment ago.

        Args:
            archives: those that were read to their end.
            of_archives: all of them.
            read: bytes.
            of_bytes: all of them.
        """
        now_s = time.monotonic()
        if self._stderr.quiet:
            return
        if now_s - self._told_s < (DRAWN_EVERY_S if self._draws else TOLD_EVERY_S):
            return
        self._told_s = now_s
        elapsed_s = now_s - self._began_s
        left_s = None
        if read and elapsed_s >= _SURE_AFTER_S:
            left_s = max(0.0, of_bytes - read) / read * elapsed_s
        if self._stderr.as_json:
            facts = {
                "elapsed_s": round(elapsed_s, 1), "archives": archives, "of_archives": of_archives,
                "bytes": read, "of_bytes": of_bytes,
                "left_s": None if left_s is None else round(left_s, 1),
            }  # fmt: skip
            self._stderr.write_line("verifying", "info", facts)
            return
        left = "" if left_s is None else f"; {lasting(left_s)} left"
        told = (
            f"Verifying: {archives:,} of {of_archives:,} archives, {size(read)} of "
            f"{size(of_bytes)}{left}"
        )
        if self._draws:
            self._draw(told)
        else:
            self._stderr.write_line(told, "info")

    def _draw(self, told: str) -> None:
        # What it takes costs time that pipes, and checks of a moment, need not pay.
        from collector.observe.lines import Span  # noqa: PLC0415
        from collector.observe.screen import Screen  # noqa: PLC0415
        from collector.observe.terminal_text import TerminalText  # noqa: PLC0415

        if self._screen is None:
            self._screen = Screen(self._stderr, TerminalText(self._stderr.file_encoding))
            self._stderr.above = self._above
        self._screen.draw([[Span(told)]])

    def _above(self, line: str, is_cut: bool) -> None:
        if self._screen is not None:
            self._screen.above(line, is_cut=is_cut)
