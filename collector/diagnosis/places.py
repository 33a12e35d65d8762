"""Places: where runs are kept and what that disk is like, what is remembered, where things lie."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict
from collector.history.file import FILE, DamagedMemory, load
from collector.rundir.file_system import local_locks, mount_of
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around
    from collector.history.entries import Remembered

_LITTLE_BYTES: Final = 1 << 30
_FEW_FILES: Final = 10_000
"""Room that a run of some hundred servers may use up."""
_SHOWN_MAX: Final = 20


def here(around: Around) -> Iterator[Item]:
    """Yield the current directory."""
    try:
        yield Item("current directory", short(Path.cwd(), around))
    except OSError as error:
        advice = "change to a directory that exists; relative paths lead nowhere here"
        yield Item("current directory", f"gone ({error.strerror})", Verdict.PROBLEM, advice)


def output(around: Around) -> Iterator[Item]:
    """Yield what the disk is like where runs are kept."""
    try:
        place = _existing(around.out.absolute())
    except OSError:
        yield Item("runs", f"{around.out}: its place is gone", Verdict.PROBLEM, "give --out DIR")
        return
    text = short(around.out.absolute(), around)
    if place != around.out.absolute():
        yield Item("runs", f"{text}, not made yet; what follows is of {short(place, around)}")
    else:
        yield Item("runs", text)
    yield from _room(place)
    mount = mount_of(place)
    yield Item("file system", "not known here" if mount is None else f"{mount.kind}, {mount.point}")
    yield from _locks(place)


def state(around: Around) -> Iterator[Item]:
    """Yield what earlier runs have learned: never a secret."""
    if around.state is None:
        advice = "runs learn the service's limits anew each time; set HOME or XDG_STATE_HOME"
        yield Item("learned", "no place to keep it", Verdict.NOTE, advice)
        return
    path = around.state / FILE
    yield Item("state directory", short(around.state, around))
    try:
        found = load(around.state, datetime.now(UTC))
    except DamagedMemory:
        advice = f"the next run replaces it; it may be removed: {short(path, around)}"
        yield Item("learned", "cannot be understood", Verdict.NOTE, advice)
    except OSError as error:
        advice = f"make {short(path, around)} a file that you can read and write"
        yield Item("learned", f"cannot be read ({error.strerror})", Verdict.NOTE, advice)
    else:
        yield Item("learned", _learned(found))


def program(around: Around) -> Iterator[Item]:
    """Yield where the program lies."""
    folder = Path(__file__).parent.parent
    yield Item("program", short(folder, around))
    yield Item("interpreter", short(Path(sys.executable or "unknown"), around))


def short(path: Path, around: Around) -> str:
    """Return a path with `~` for the home directory, which has the user's name in it."""
    home = around.environ.get("HOME", "")
    if Path(home).is_absolute() and home.strip("/") and path.is_relative_to(home):
        return str(Path("~", path.relative_to(home)))
    return str(path)


def _existing(path: Path) -> Path:
    """Return a directory, or the nearest one above it that exists."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def _room(place: Path) -> Iterator[Item]:
    found = os.statvfs(place)
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    value = f"{size(free)} free"
    if found.f_files:  # some file systems have no fixed number
        value += f", {inodes} more files"
    if found.f_flag & os.ST_RDONLY:
        yield Item("disk", f"{value}, mounted read-only", Verdict.PROBLEM, "choose another --out")
    elif free < _LITTLE_BYTES or (found.f_files and inodes < _FEW_FILES):
        advice = "collector plan FILE says what a run needs; make room, or choose another --out"
        yield Item("disk", value, Verdict.NOTE, advice)
    else:
        yield Item("disk", value)


def _locks(place: Path) -> Iterator[Item]:
    """Yield whether files there can be locked, by a file that has no name."""
    try:
        file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115  # closed below; opening is a test
    except OSError as error:
        advice = "choose an --out where you may write"
        yield Item("writable", f"no ({error.strerror})", Verdict.PROBLEM, advice)
        return
    try:
        with file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        advice = "runs need file locks: choose an --out on another file system"
        yield Item("locks", f"none ({error.strerror})", Verdict.PROBLEM, advice)
        return
    if (local := local_locks(place)) is not None:
        yield Item("locks", f"work; {local}", Verdict.NOTE, "collect from one machine at a time")
    else:
        yield Item("locks", "work")


def _learned(found: Remembered) -> str:
    """Return how much is remembered, and of whom."""
    if not (found.limits or found.exports_limits or found.durations):
        return "nothing yet"
    limits = [
        f"{kind} {name}: {one.limit:g} calls in {one.window_s:g} s"
        for (kind, name), one in found.limits.items()
    ]
    limits += [
        f"{kind} {name}: {one.limit} exports at once"
        for (kind, name), one in found.exports_limits.items()
    ]
    shown = limits[:_SHOWN_MAX]
    if len(limits) > len(shown):
        shown.append(f"{len(limits) - len(shown)} more")
    if found.durations:
        shown.append(f"how long exports take in {len(found.durations)} projects")
    return "; ".join(shown)
