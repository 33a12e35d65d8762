"""The base of what `collector` raises: for configuration and bugs, never for network errors."""

from __future__ import annotations

from typing import ClassVar

from collector.printable import one_line


class CollectorError(Exception):
    """Something a person must change before the command can do its work.

    The text says what happened, where, and what to do about it; subclasses carry the facts.

    Args:
        lines: the text; mostly one.

    Attributes:
        exit_code: the exit code of a command that fails with it.
        lines: as they were given.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))

    @property
    def rendered(self) -> str:
        """The error as the command line tells it, line by line; its place first, if it has one."""
        text = "\n".join(map(one_line, self.lines))
        return f"collector: {text}"
