"""The command with its stderr on a terminal, and what the terminal shows of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
from typing import IO, TYPE_CHECKING, Self

import pyte

from collector.observe.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.command import Command

COLUMNS = 80
KEPT_LINES = 5_000


class Terminal:
    """A terminal in this process: something writes to it, and a test looks at it.

    Args:
        columns: of the terminal.
        lines: of the terminal.
        encoding: in which text is written to it.
    """

    def __init__(self, columns: int = COLUMNS, lines: int = 24, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._ours, self._theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._screen = pyte.HistoryScreen(columns, lines, KEPT_LINES, 0.5)
        self._reader = pyte.Stream(self._screen)
        self.written = ""
        self._files: list[IO[str]] = []
        self.resize(columns, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._files:
            file.close()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def theirs(self) -> int:
        """The end that a process writes to."""
        return self._theirs

    def stream(self, **options: float) -> Stream:
        """Open a stream that writes to the terminal."""
        file = open(os.dup(self._theirs), "w", encoding=self._encoding)  # noqa: SIM115, PTH123  # closed above
        self._files.append(file)
        return Stream(file, None, **options)

    def resize(self, columns: int, lines: int) -> None:
        """Change the terminal's size, as a person does who drags its corner."""
        self.read()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._screen.resize(lines, columns)

    def read(self) -> None:
        """Let the terminal show what has been written to it."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._ours, 65536):
                text = piece.decode(self._encoding, "replace")
                self.written += text
                self._reader.feed(text)

    @property
    def shown(self) -> list[str]:
        """The lines on the screen, with those that are empty."""
        self.read()
        return [line.rstrip() for line in self._screen.display]

    @property
    def past(self) -> list[str]:
        """The lines that have left the screen at its upper end."""
        self.read()
        rows = self._screen.history.top
        width = self._screen.columns
        return ["".join(row[at].data for at in range(width)).rstrip() for row in rows]

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's column and line, from 0."""
        self.read()
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def wraps(self) -> bool:
        """Whether a line that is too long goes on in the next one."""
        self.read()
        return pyte.modes.DECAWM in self._screen.mode


def on_terminal(
    command: Command,
    *arguments: str,
    size: tuple[int, int] = (24, COLUMNS),
    variables: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Run the command with its stderr on a terminal.

    Args:
        command: to be run.
        arguments: its own.
        size: lines and columns of the terminal.
        variables: of the environment.

    Returns:
        The exit code, and all that was written to the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    written = b""
    env = command.environment(**{"TERM": "xterm", **(variables or {})})
    with command.start(*arguments, stderr=theirs, env=env) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux ends a terminal that nobody writes to
            while piece := os.read(ours, 65536):
                written += piece
        process.communicate()
    os.close(ours)
    return process.returncode, written


def screen(written: bytes, size: tuple[int, int] = (24, COLUMNS)) -> list[str]:
    """The lines that a terminal shows in the end, with those that have left it; no empty ones."""
    lines, columns = size
    terminal = pyte.HistoryScreen(columns, lines, KEPT_LINES, 0.5)
    pyte.Stream(terminal).feed(written.decode())
    past = ["".join(row[at].data for at in range(columns)) for row in terminal.history.top]
    return [line.rstrip() for line in (*past, *terminal.display) if line.strip()]
