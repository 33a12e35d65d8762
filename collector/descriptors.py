"""How many calls and downloads may run at once under the system's limit on open files.

A connection counts as an open file. At the limit any open fails, the manifest's as well as a
download's; so fewer downloads and calls are started.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
from dataclasses import dataclass

_DOWNLOAD = 4
"""A kept connection to the service, one to its storage, `FILE.part` and its directory."""
_STORING = 2
"""`FILE.part` and its directory."""
_RESERVE = 8
"""For short-lived files: the manifest, checksums, lists, DNS, directories being synced."""
_MOST = 10_240
"""More than any run uses, and the most that macOS accepts whatever it reports."""
_OPEN_AS_A_RULE = 16
_LEAST = 18
"""Files for an event loop, a run's own files and one download, with a few to spare."""
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
    """How much may run at once.

    Attributes:
        downloads, calls: running downloads; small calls.
        storing: archives received but not yet on disk.
        quiet: hanging downloads and calls, in addition.
    """

    downloads: int
    calls: int
    storing: int
    quiet: int = 0


def raise_limit() -> None:
    """Raise the soft limit on open files to the hard one; only for the owner of the process."""
    soft, hard = (_counted(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    wanted = min(hard, _MOST)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(
                resource.RLIMIT_NOFILE,
                (int(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            )


def limit() -> float:
    """Return how many files this process may have open; infinite if there is no limit."""
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
    """Return how much of what is wanted fits; at least a little is always tried.

    Args:
        wanted: the numbers without a limit on files.
        room: how many more files may be open.
        endpoints: how many there are; each keeps its own connections open for a while.
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


def reduction(wanted: AtOnce, given: AtOnce) -> str | None:
    """Return a message about the reduction; None if there is none."""
    if given.downloads >= wanted.downloads and given.calls >= wanted.calls:
        return None
    return (
        f"at most {limit()} files and connections may be open at once (ulimit -n); this allows "
        f"{given.downloads} of {wanted.downloads} downloads and {given.calls} of {wanted.calls} "
        "calls at a time; raise the limit for speed"
    )


def refusal(number: int | None) -> tuple[str, str] | None:
    """Return a message and a hint if the error means too many open files; else None.

    Such an error appears on the disk or the network, but is the fault of neither.
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
