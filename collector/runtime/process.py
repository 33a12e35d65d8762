"""The process that works on a run, as its events name it."""

from __future__ import annotations

import getpass
import os
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING, TypedDict

from collector import redaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ARGUMENTS_MAX = 32 << 10
"""Characters of arguments that are recorded: a line of the journal has an end."""


class Process(TypedDict):
    """The process that works on a run, as its events name it."""

    argv: tuple[str, ...]
    collector_version: str
    host: str
    user: str
    pid: int


def process_of(argv: Iterable[str]) -> Process:
    """Describe this process, and what it was begun with; of secrets among that nothing is left."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = str(os.getuid())
    try:
        host = socket.gethostname()
    except OSError:
        host = "unknown"
    return Process(
        argv=tuple(within(redaction.arguments(argv))),
        collector_version=version("collector"),
        host=host,
        user=user,
        pid=os.getpid(),
    )


def within(arguments: Iterable[str]) -> Iterator[str]:
    """Yield arguments as long as they fit in a line of the journal, with others beside them."""
    room = ARGUMENTS_MAX
    for argument in arguments:
        room -= len(argument) + 1
        if room < 0:
            yield "..."
            return
        yield argument
