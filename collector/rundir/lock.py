"""One process per run: `flock` on the journal, released when its process ends, so never stale."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING, ClassVar

from collector import files
from collector.errors import CollectorError
from collector.model.events import RunResumed, RunStarted
from collector.rundir.journal.lines import LONGEST_LINE, LineError, event_of

if TYPE_CHECKING:
    from pathlib import Path

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_TRIES = 20
_LOOK_S = 0.005
_HOLDER_LINES = (b'{"event":"RunStarted"', b'{"event":"RunResumed"')


class RunHeld(CollectorError):  # noqa: N818 - a state of affairs, not a mishap
    """Another process holds this run: wait for it, or stop it, and try again.

    Attributes:
        path: the journal that it holds.
        pid: its process id; None if the journal does not say yet.
        host: the machine it runs on; None likewise.
    """

    exit_code: ClassVar[int] = 75

    def __init__(self, path: Path, pid: int | None, host: str | None) -> None:
        self.path = path
        self.pid = pid
        self.host = host
        who = "another process" if pid is None else f"process {pid} on {host}"
        super().__init__(
            f"{path.parent} is in use by {who}; wait until it ends, or stop it, then try again"
        )


def hold(descriptor: int, path: Path) -> None:
    """Take the lock of a run for as long as the descriptor is open.

    Args:
        descriptor: of the journal, opened.
        path: the journal, to read who holds it.

    Raises:
        RunHeld: another process has it.
        CollectorError: the file system has no locks.
    """
    try:
        for _ in range(_TRIES):
            if _try(descriptor, fcntl.LOCK_EX):
                return
            if not _try(descriptor, fcntl.LOCK_SH):
                break
            time.sleep(_LOOK_S)  # nobody holds it; another is only checking, as `is_held` does
    except OSError as error:
        raise CollectorError(
            f"cannot lock {path}: {error.strerror}; without locks two processes could work on one "
            "run: use --out to choose a file system that supports them"
        ) from error
    raise RunHeld(path, *_holder(path))


def is_held(path: Path) -> bool:
    """Whether a process holds the run of this journal now.

    Raises:
        OSError: the journal cannot be opened, or is not a regular file.
    """
    descriptor = files.open_to_read(path)
    try:
        return is_locked(descriptor)
    finally:
        os.close(descriptor)


def is_locked(descriptor: int) -> bool:
    """Whether another process holds the run of this journal, opened for reading.

    On a file system without locks nobody does: no run starts there, but a copy can be read.

    Raises:
        OSError: the file system does not say.
    """
    try:
        locked = not _try(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    if not locked:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return locked


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def _holder(path: Path) -> tuple[int | None, str | None]:
    """Read who started or resumed the run last, skipping a line that is being written."""
    latest: tuple[int | None, str | None] = None, None
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # a descriptor has no path
        while line := file.readline(LONGEST_LINE):
            if line.startswith(_HOLDER_LINES):
                try:
                    event = event_of(line)
                except LineError:
                    continue
                if isinstance(event, RunStarted | RunResumed):
                    latest = event.pid, event.host
    return latest
