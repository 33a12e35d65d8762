"""The command with its stderr on a terminal, and what the terminal shows of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.command import Command

COLUMNS = 80
SEQUENCE = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


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


def screen(written: bytes) -> list[str]:
    """The lines that a terminal shows in the end: knows what rich writes, and no more."""
    lines = [""]
    row = column = 0
    for parameter, command, move, text in SEQUENCE.findall(written.decode()):
        if text:
            lines[row] = f"{lines[row][:column]:{column}}{text}{lines[row][column + len(text) :]}"
            column += len(text)
        elif move == "\r":
            column = 0
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row -= int(parameter or 1)
        elif command == "K":
            lines[row] = ""
        else:
            assert command in "mhl", command
    return [line.rstrip() for line in lines if line.strip()]
