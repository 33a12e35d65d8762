"""Problems of the archive store: why an archive was not stored."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from collector import descriptors
from collector.archive.destination import OF_ONE_ARCHIVE
from collector.model.answers import Problem, ProblemKind
from collector.sizes import size

if TYPE_CHECKING:
    from collector.archive.destination import Destination
    from collector.archive.format import ArchiveError


def unwritable(error: OSError, destination: Destination, path: str) -> Problem:
    """Say that a destination refused an archive: this one alone, or any."""
    number = error.errno or errno.EIO
    place = destination.describe(path)
    if refused := descriptors.refusal(number):  # neither the archive's fault nor the destination's
        return Problem(ProblemKind.DISK, f"cannot write {path}: {refused[0]}", hint=refused[1])
    return Problem(
        ProblemKind.FILE_REFUSED if number in OF_ONE_ARCHIVE else ProblemKind.DISK,
        f"cannot write {place}: {os.strerror(number)} ({errno.errorcode.get(number, number)})",
    )


def no_room(destination: Destination, path: str, needed: int, left: int) -> Problem:
    """Say that an archive does not fit.

    Args:
        destination: where it was to go.
        path: its path in the run.
        needed: bytes that it needs more.
        left: bytes that there are.
    """
    return Problem(
        ProblemKind.DISK,
        f"no room for {destination.describe(path)}: it needs {size(needed)} more, and {size(left)} "
        "are left",
    )


def not_whole(error: ArchiveError, length: int | None) -> Problem:
    """Say that what came is no whole archive, or more than is allowed.

    Args:
        error: the reader's.
        length: bytes of the whole archive, where the service said so: then all have come.
    """
    if error.too_large:
        return Problem(ProblemKind.TOO_LARGE, str(error))
    if not error.unfinished:
        return Problem(ProblemKind.INVALID_ARCHIVE, str(error))
    if length is None:
        return Problem(ProblemKind.CUT, f"{error}; the service had not said how long it is")
    return Problem(
        ProblemKind.INVALID_ARCHIVE, f"{error}, though all {length} bytes promised arrived"
    )


def too_long(length: int, allowed: int) -> Problem:
    """Say that the service announces more than is allowed."""
    return Problem(
        ProblemKind.TOO_LARGE,
        f"the service announces {size(length)}, more than the {size(allowed)} that --max-unpacked "
        "allows",
    )


def changed(staged: int) -> Problem:
    """Say that what comes does not continue the bytes that are staged."""
    return Problem(
        ProblemKind.CHANGED,
        f"the archive is not the one whose first {staged} bytes are here; it is fetched anew",
    )
