"""The root of what `collector` raises: configuration and bugs, never what a wire did."""

from __future__ import annotations

from typing import ClassVar


class CollectorError(Exception):
    """Something a person must change before the command can do its work.

    The text says what happened, where, and what to do about it; subclasses carry the facts.

    Attributes:
        exit_code: what a command that meets with it answers to its caller.
    """

    exit_code: ClassVar[int] = 2

    @property
    def told(self) -> str:
        """The error as the command line tells it; with its place first, where it has one."""
        return f"collector: {self}"
