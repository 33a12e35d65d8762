"""A process that has imported the program, and becomes the command at once, as often as asked.

A start of the installed command is half a second of importing, and the tests start it a thousand
times. A copy of this process does what the installed command does from there on: it is a process
of its own with its own arguments, environment, directory and streams, and gets signals. What
happens before and while the program is imported is another matter, as is what Python does at its
end: such tests start the installed command.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import inspect
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
SUBREAPER: Final = 36
"""`PR_SET_CHILD_SUBREAPER` of Linux: children of children that have ended are one's own."""
LARGEST: Final = 10_000
"""Arguments and variables of more characters may not pass the socket."""
FLUSH_FAILED: Final = 120
"""Python's exit code where what was printed could not be written."""
OF_A_START: Final = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_", "SSL", "OPENSSL")
"""How the variables begin that are read when Python starts, or what it is made of is imported."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a start gives a process beside its streams.

    Attributes:
        arguments: with the command itself as the first.
        cwd, env: where it runs, and all its variables.
        umask, user: less than 0 for those of the tests.
        limits: of `resource`, by number.
    """

    arguments: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    umask: int
    user: int
    limits: Mapping[int, tuple[int, int]]


class Warm:
    """The process, and how it is asked for copies of itself."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        if ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no process may be a subreaper here")
        self._asking = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", f"{theirs.fileno()}"],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
            )

    def is_first(self) -> bool:
        """Whether no test of the current file has asked yet: it starts the installed command."""
        file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        before = len(self._seen)
        self._seen.add(file)
        return len(self._seen) > before

    def fork(self, beginning: Beginning, streams: Sequence[int]) -> int:
        """Start the command; return the number of the process, which is a child of this one."""
        message = json.dumps(asdict(beginning)).encode()
        with self._asking:
            socket.send_fds(self._socket, [message], streams)
            return int(self._socket.recv(64))

    def close(self) -> None:
        """Let it end; what it has become meanwhile goes on."""
        self._socket.close()
        self._process.wait()


class Copy(subprocess.Popen[str]):
    """A copy of the warm process, with all that `Popen` has."""

    def __init__(
        self,
        of: Warm,
        *arguments: str,
        cwd: Path,
        limits: Mapping[int, tuple[int, int]],
        **options: Any,  # noqa: ANN401  # Popen's own
    ) -> None:
        self._of = of
        self._limits = limits
        super().__init__(arguments, cwd=cwd, text=True, **options)

    def _execute_child(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # Popen's own
        """Stand in for a fork and an exec; Popen has opened the pipes."""
        start = super()._execute_child  # type: ignore[misc]
        given = inspect.signature(start).bind(*args, **options).arguments
        pairs = [("p2cread", "p2cwrite"), ("c2pwrite", "c2pread"), ("errwrite", "errread")]
        streams = [given[theirs] for theirs, _ in pairs]
        own = [number if fd == -1 else fd for number, fd in enumerate(streams)]
        beginning = Beginning(
            arguments=given["args"],
            cwd=str(given["cwd"]),
            env={**given["env"]},
            umask=given["umask"],
            user=-1 if given["uid"] is None else given["uid"],
            limits=self._limits,
        )
        self.pid = self._of.fork(beginning, own)
        self._child_created = True
        self._close_pipe_fds(  # type: ignore[attr-defined]
            *(given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite")),
            *(given[name] for name in ("errread", "errwrite")),
        )


MAKING: Final = threading.Lock()
_made: Final[list[Warm]] = []
"""The one of this process, once it is wanted."""


def warm() -> Warm | None:
    """Return that of this process; None where the system has no such thing, or none is wanted.

    Everything goes through the installed command where `COLLECTOR_INSTALLED` is set.
    """
    if sys.platform != "linux" or os.environ.get("COLLECTOR_INSTALLED"):
        return None
    with MAKING:
        if not _made:
            _made.append(Warm())
        return _made[0]


def cool_down() -> None:
    """Let it end, where it was ever wanted."""
    while _made:
        _made.pop().close()


def can_be(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether it can be told so much, and Python would start in `env` as it has started here."""
    said = sum(map(len, (*arguments, *env, *env.values())))
    return said < LARGEST and all(
        env.get(name) == os.environ.get(name)
        for name in {*env, *os.environ}
        if name.startswith(OF_A_START)
    )


def _serve(asked: socket.socket) -> bool:
    """Make copies until nobody asks any more; return whether this is one."""
    while True:
        message, streams, _, _ = socket.recv_fds(asked, 20 * LARGEST, 3)
        if not message:
            return False
        told, tell = os.pipe()
        between = os.fork()
        if not between:
            copy = os.fork()
            if copy:
                os.write(tell, f"{copy}".encode())
                os._exit(0)
            asked.close()
            os.close(told)
            os.close(tell)
            _become(Beginning(**json.loads(message)), streams)
            return True
        for fd in (tell, *streams):
            os.close(fd)
        number_of_copy = os.read(told, 64)
        os.close(told)
        os.waitpid(between, 0)  # from now on the copy is a child of whoever asked
        asked.send(number_of_copy)


def _become(beginning: Beginning, streams: Sequence[int]) -> None:
    """Put on what a start would have found."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(beginning.cwd)
    os.environ.clear()
    os.environ.update(beginning.env)
    if beginning.umask >= 0:
        os.umask(beginning.umask)
    for limit, (soft, hard) in beginning.limits.items():
        resource.setrlimit(int(limit), (soft, hard))
    if beginning.user >= 0:
        os.setgroups([])
        os.setgid(beginning.user)
        os.setuid(beginning.user)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        made = open(  # noqa: SIM115  # as a start does
            number,
            "w" if number else "r",
            buffering=1 if name == "stderr" else -1,
            encoding=before.encoding,
            errors=before.errors,
            newline="\n" if number else None,
            closefd=False,
        )
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    sys.argv = [*beginning.arguments]


def _import_everything() -> None:
    import collector  # noqa: PLC0415  # by the warm process alone

    for module in pkgutil.walk_packages(collector.__path__, "collector."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def main() -> None:
    """Serve; and in a copy, be the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_everything()
    gc.collect()
    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        _end(_code())


def _code() -> int:
    """Be the command; return its exit code."""
    try:
        importlib.import_module("collector.__main__").main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # a bug, as Python tells of it
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, without taking apart what this copy shares with others: that is slow."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = FLUSH_FAILED
    os._exit(code)


if __name__ == "__main__":
    main()
