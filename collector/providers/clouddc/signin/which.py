"""Which program a command is: looked for before anything is run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from collector.errors import CollectorError
from collector.providers.rules import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnusableCommandError(CollectorError):
    """A program that credentials name cannot be run.

    Attributes:
        program: its name, as given.
    """

    def __init__(self, program: str, why: str) -> None:
        self.program = program
        super().__init__(
            f"the command {program!r} of the credentials {why}; name a program that is on PATH, or "
            "its path"
        )


def check_command(options: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return the path of the program that `command` credentials name, which is not run.

    Raises:
        UnusableCommandError: there is none.
    """
    program = words_of(options["command"])[0]
    if "\0" in program:
        raise UnusableCommandError(program, "has a NUL character in its name")
    if "/" not in program:
        found = shutil.which(program, path=environ.get("PATH"))
        if found is None:
            raise UnusableCommandError(program, "is not found")
        return found
    if not Path(program).is_file():
        raise UnusableCommandError(program, "is not found")
    if not os.access(program, os.X_OK):
        raise UnusableCommandError(program, "is not executable")
    return program
