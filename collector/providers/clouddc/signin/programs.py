"""Running a program for what it prints: without a shell, in a session of its own, within a time."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from anyio.abc import ByteReceiveStream, Process

PRINTED_MAX: Final = 64 << 10
ERRORS_MAX: Final = 4 << 10
"""How much of the end of stderr is kept, in whole lines; the rest is read and forgotten."""
SHELL: Final = "/bin/sh"
_WATCH: Final = 'read _; kill -s KILL -- "-$0"'
"""Until the end of its input, which comes when this process ends, however it does."""
ENDED_WITHIN_S: Final = 2.0
"""How long the end of a program that is killed may take, and of output that others hold open."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has run.

    Attributes:
        printed: its stdout.
        errors: the end of its stderr.
        failure: what is wrong with how it ended, if anything.
        may_pass: whether it might end otherwise another time.
    """

    printed: bytes = b""
    errors: bytes = b""
    failure: str | None = None
    may_pass: bool = True


class _TooMuchError(Exception):
    """It has printed more than is read."""


async def run(words: Sequence[str], environ: Mapping[str, str], timeout_s: float) -> Ran:
    """Run a program and return what it printed; whatever is left of it then is killed.

    Args:
        words: the program and its arguments.
        environ: its environment.
        timeout_s: seconds that it may take.
    """
    try:
        # Not to be cancelled half-way: the program would be killed, and not what it has started.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                list(words), stdin=subprocess.DEVNULL, env=dict(environ), start_new_session=True
            )
    except (OSError, ValueError) as error:
        may_pass = isinstance(error, OSError)  # it may be about to be replaced, or memory scarce
        return Ran(failure=_why_not_started(error), may_pass=may_pass)
    printed, errors = bytearray(), bytearray()
    too_much = False
    try:
        with anyio.move_on_after(timeout_s) as in_time:
            async with _watched(process):
                try:
                    await _read(process, printed, errors)
                except* _TooMuchError:
                    too_much = True
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
    if too_much:
        why = f"has printed more than {PRINTED_MAX >> 10} KiB"
    elif in_time.cancelled_caught:
        why = f"has not ended within {timeout_s:g} s"
    elif process.returncode is not None and process.returncode < 0:
        why = f"was ended by signal {-process.returncode}"
    elif process.returncode:
        why = f"ended with exit code {process.returncode}"
    else:
        return Ran(bytes(printed), bytes(errors))
    return Ran(bytes(printed), bytes(errors), why)


@contextlib.asynccontextmanager
async def _watched(process: Process) -> AsyncIterator[None]:
    """Have a program killed though this process is killed, or ends at once."""
    watch = None
    with anyio.CancelScope(shield=True), contextlib.suppress(OSError):
        watch = await anyio.open_process(
            [SHELL, "-c", _WATCH, str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    try:
        yield
    finally:
        if watch is not None:
            with contextlib.suppress(ProcessLookupError):
                watch.kill()  # first: what it waits for comes when its input is closed
            with anyio.move_on_after(ENDED_WITHIN_S, shield=True):
                await watch.aclose()


async def _read(process: Process, printed: bytearray, errors: bytearray) -> None:
    """Read what a program prints, until it has ended."""
    assert process.stdout is not None  # noqa: S101  # a pipe
    assert process.stderr is not None  # noqa: S101  # as above
    async with anyio.create_task_group() as readers:
        all_printed, all_errors = anyio.Event(), anyio.Event()
        readers.start_soon(_take, process.stdout, printed, all_printed)
        readers.start_soon(_keep_last, process.stderr, errors, all_errors)
        await process.wait()
        # What it has started may hold its output open, and need not be waited for.
        with anyio.move_on_after(ENDED_WITHIN_S):
            await all_printed.wait()
            await all_errors.wait()
        readers.cancel_scope.cancel()


async def _take(stream: ByteReceiveStream, printed: bytearray, ended: anyio.Event) -> None:
    async for piece in stream:
        printed += piece
        if len(printed) > PRINTED_MAX:
            raise _TooMuchError
    ended.set()


async def _keep_last(stream: ByteReceiveStream, errors: bytearray, ended: anyio.Event) -> None:
    """Keep the last lines, each whole: of one that was cut, the rest may begin in a secret."""
    is_cut = False
    async for piece in stream:
        errors += piece
        if is_cut or len(errors) > ERRORS_MAX:
            del errors[:-ERRORS_MAX]
            line_end = errors.find(b"\n")
            is_cut = line_end < 0
            del errors[: line_end + 1 if not is_cut else None]
    ended.set()


async def _end(process: Process) -> None:
    """Kill what is left of a program, with all that it has started in its session."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(ENDED_WITHIN_S):
        await process.aclose()


def _why_not_started(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "is not found"
        case PermissionError():
            return "may not be run: it is not executable, or its directory is closed"
        case OSError(errno=errno.ENOEXEC):
            return "is not executable: a script needs #! in its first line"
        case OSError():
            return f"cannot be started ({error.strerror})"
        case _:
            return "cannot be started: its words hold a NUL character"
