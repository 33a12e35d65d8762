"""The command in a copy of this process: as if installed, without the time that a start takes.

Whoever uses this has imported what the command needs, and has no threads.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pkgutil
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from collector import cli
from tests.support.command import COLLECTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ADDRESSES_MAX: Final = 6 << 30
FILE_MAX: Final = 2 << 30
"""So that what goes wrong does not take the machine with it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is over.

    Attributes:
        code: its exit code; less than 0 for the signal that ended it.
        out, err: what it printed.
        peak_mib: the most memory that it had.
        took_s: how long it took.
    """

    arguments: Sequence[str]
    code: int
    out: bytes
    err: bytes
    peak_mib: float
    took_s: float


def prepare() -> None:
    """Import all that commands need, once."""
    importlib.import_module("uvloop")
    importlib.import_module("collector.rundir.verification")
    importlib.import_module("collector.planning")
    for module in pkgutil.walk_packages(cli.__path__, f"{cli.__name__}."):
        importlib.import_module(module.name)


def run(
    arguments: Sequence[str],
    home: Path,
    environment: Mapping[str, str],
    *,
    limit_s: int,
    printed: Path,
    patches: Mapping[str, object] | None = None,
    installed: bool = False,
) -> Ended:
    """Run the command to its end.

    Args:
        arguments: of the command.
        home: where it is run.
        environment: all of it.
        limit_s: it is ended after that, and tells where it was.
        printed: a directory for what it prints.
        patches: values that stand for others in it, by module and name.
        installed: start the installed command instead.
    """
    began_s = time.monotonic()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    process = os.fork()
    if not process:
        try:
            _redirect(printed, home, limit_s)
            if installed:
                os.execve(COLLECTOR, [COLLECTOR, *arguments], dict(environment))  # noqa: S606
            _call(arguments, environment, patches or {}, limit_s)
        finally:
            os._exit(99)
    _, status, usage = os.wait4(process, 0)
    return Ended(
        arguments,
        os.waitstatus_to_exitcode(status),
        (printed / "out").read_bytes(),
        (printed / "err").read_bytes(),
        usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
        time.monotonic() - began_s,
    )


def _redirect(printed: Path, home: Path, limit_s: int) -> None:
    os.chdir(home)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        made = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        os.dup2(os.open(printed / name, made, 0o600), number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))
    with contextlib.suppress(ValueError, OSError):  # macOS has none
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_MAX, ADDRESSES_MAX))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s + 2)


def _call(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    patches: Mapping[str, object],
    limit_s: int,
) -> NoReturn:
    """Do what the installed command does, and end as it ends."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [COLLECTOR, *arguments]
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115  # as a start makes them
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1)  # noqa: SIM115
    printed_to = sys.stderr
    faulthandler.dump_traceback_later(limit_s, exit=True, file=2)
    for name, value in patches.items():
        module, _, member = name.rpartition(".")
        setattr(importlib.import_module(module), member, value)
    code: object = 99
    try:
        importlib.import_module("collector.cli").main(args=list(arguments), prog_name="collector")
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  # a bug, as Python tells of it
        traceback.print_exc(file=sys.stderr)
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what a thread still does is waited for
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        printed_to.flush()
    os._exit(code if isinstance(code, int) else 0)
