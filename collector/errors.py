"""The root of what `collector` raises: configuration and bugs, never what a wire did."""

from __future__ import annotations

from typing import ClassVar

from collector.printable import one_line


class CollectorError(Exception):
    """Something a person must change before the command can do its work.

    The text says what happened, where, and what to do about it; subclasses carry the facts.

    Attributes:
        exit_code: what a command that meets with it answers to its caller.
    """

    exit_code: ClassVar[int] = 2

    @property
    def told(self) -> str:
        """The error in one line, as the command line tells it; its place first, if it has one."""
        return f"collector: {one_line(str(self))}"
