"""Standard streams that outlast their readers: a pipe that breaks ends no collection."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

    from collector.redaction import Secrets


class Lasting:
    """A text stream whose reader may go away: what is written after that goes nowhere.

    A pipe says so by EPIPE, a terminal that was closed by EIO. Secrets do not pass: messages, logs
    and the traces of bugs all come through here.
    """

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream = stream
        self._secrets = secrets

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the stream has
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to it, or nowhere."""
        try:
            self._stream.write(self._secrets.hide(text))
        except (OSError, ValueError):
            self._let_go()
        return len(text)

    def flush(self) -> None:
        """Flush it, if anybody is there."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._let_go()

    def _let_go(self) -> None:
        """Give the stream to nobody, so that what it still holds fails no more at the exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())
        except (OSError, ValueError):
            return  # it has no file, or is closed
        finally:
            os.close(nowhere)


def say(line: str) -> None:
    """Write a line to stderr, through what lasts: click writes around it."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # the command line's own


def open_streams(secrets: Secrets) -> None:
    """Give the standard streams that the caller has closed to nobody, and let the others last.

    Else the next file to be opened, a journal perhaps, would stand in for one of them.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_WRONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:  # how Python tells of it; the lowest free number is its own
            setattr(sys, name, open(os.open(os.devnull, flags), mode))  # noqa: SIM115, PTH123  # open for good; a descriptor has no path
    sys.stderr = Lasting(sys.stderr, secrets)  # a text stream in all it does
