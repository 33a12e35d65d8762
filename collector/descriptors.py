"""How much may be under way at once where the system lets a process have few files open.

A connection is an open file to the system as well. Where no more may be open, whatever asks for one
fails, the manifest as soon as a download; so fewer downloads and calls are begun.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
from dataclasses import dataclass

_DOWNLOAD = 4
"""A connection to the service, which is kept, one to its storage, `FILE.part` and its directory."""
_STORING = 2
"""`FILE.part` and its directory."""
_RESERVE = 8
"""For what comes and goes: the manifest, checksums, lists, DNS, directories that are synced."""
_MOST = 10_240
"""More than any run uses, and the most that macOS takes, whatever it says."""
_OPEN_AS_A_RULE = 16
_LEAST = 18
"""Files that an event loop, a run's own files and one download need, with a few to spare."""
_REFUSALS = {
    errno.EMFILE: (
        "this process has reached its limit on open files and connections (EMFILE)",
        "allow more open files with ulimit -n, then --resume the run with --retry-failed",
    ),
    errno.ENFILE: (
        "this machine has reached its limit on open files and connections (ENFILE)",
        "stop what holds them open or raise the limit, then --resume the run with --retry-failed",
    ),
}

FEWEST_DOWNLOADS, FEWEST_CALLS, FEWEST_STORING = 1, 2, 1


@dataclass(frozen=True, slots=True)
class AtOnce:
    """What may be under way at once.

    Attributes:
        downloads, calls: those that go on; small calls.
        storing: archives that are received and not yet on disk.
        quiet: downloads and calls beside them that hang.
    """

    downloads: int
    calls: int
    storing: int
    quiet: int = 0


def raise_limit() -> None:
    """Have as many open files as the system lets this process have; for who owns the process."""
    soft, hard = (_counted(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    wanted = min(hard, _MOST)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(
                resource.RLIMIT_NOFILE,
                (int(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            )


def limit() -> float:
    """Return how many files this process may have open; infinite where there is no limit."""
    return _counted(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def left() -> float:
    """Return how many more files this process may open."""
    return limit() - _open()


def too_few() -> str | None:
    """Return why nothing can be collected or served with the files that may be open, or None."""
    room = left()
    if room >= _LEAST:
        return None
    return (
        f"at most {limit()} files and connections may be open at once, and {max(0, room)} of them "
        f"are free; {_LEAST} are needed: raise the limit with ulimit -n"
    )


def fitting(wanted: AtOnce, room: float, endpoints: int) -> AtOnce:
    """Return how much of what is wanted fits; a little is tried in any case.

    Args:
        wanted: what there would be with room for all.
        room: how many more files may be open.
        endpoints: how many there are; each keeps connections of its own for a while.
    """
    room -= _RESERVE
    each = _DOWNLOAD + _STORING
    if room >= math.inf:
        return wanted
    downloads = _between(FEWEST_DOWNLOADS, room / 2 / each, wanted.downloads)
    room -= downloads * each
    calls = _between(FEWEST_CALLS, room / max(1, endpoints), wanted.calls)
    room -= calls * endpoints
    storing = _between(FEWEST_STORING, downloads + room / _STORING, wanted.storing)
    room -= max(0, storing - downloads) * _STORING
    return AtOnce(downloads, calls, storing, _between(0, room / each, wanted.quiet))


def told(wanted: AtOnce, given: AtOnce) -> str | None:
    """Return what a person should know of it; None where it makes no difference."""
    if given.downloads >= wanted.downloads and given.calls >= wanted.calls:
        return None
    return (
        f"at most {limit()} files and connections may be open at once (ulimit -n); this allows "
        f"{given.downloads} of {wanted.downloads} downloads and {given.calls} of {wanted.calls} "
        "calls at a time; raise the limit for speed"
    )


def refusal(number: int | None) -> tuple[str, str] | None:
    """Return what an error number says, and a hint, where too many files are open; else None.

    That is the fault of neither the disk nor the network, though it is met with there.
    """
    return None if number is None else _REFUSALS.get(number)


def _between(least: int, fits: float, most: int) -> int:
    return max(least, min(most, math.floor(fits)))


def _counted(number: int) -> float:
    return math.inf if number == resource.RLIM_INFINITY else number


def _open() -> int:
    """Return how many files this process has open."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(directory)) - 1  # noqa: PTH208  # names alone; the listing has one
    return _OPEN_AS_A_RULE
